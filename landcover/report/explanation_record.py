"""What is said of explanations, as it is printed and kept: typed values with JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from landcover.core.raster import Raster
from landcover.core.schema import Schema
from landcover.explain.band_attribution import BandEvidence
from landcover.explain.explanation import Explanation
from landcover.explain.faithfulness.ratings import MethodSummary
from landcover.explain.indices import IndexSummary, indices
from landcover.explain.sentences import sentence, sides

__all__ = [
    "BandsRecord",
    "ExplanationDocument",
    "ExplanationRecord",
    "IndexRecord",
    "document",
    "explanation_record",
]


class ExplanationRecord(Schema):
    """Metrics of one explanation; its map is in the picture.

    ``sum_for`` and ``sum_against`` are the sums of the attribution above and below 0 in
    ``unit``; the other fields are as in :class:`landcover.explain.explanation.Explanation`.
    ``leading_share`` is the share of the larger of both, ``strength`` the mean absolute
    attribution in parts of full colour, ``gathered_share`` of the larger side lies in the part
    ``gathered_in`` of the picture, and ``reading`` says so in words. ``faithfulness`` is None
    where the method was not measured for the model.
    """

    label: str
    method: str
    model: str
    card_hash: str
    unit: str
    baseline: str
    sum_for: float
    sum_against: float
    band_share: dict[str, float] | None
    convergence_delta: float | None
    scale: float
    scale_rule: str
    passes: int
    seconds: float
    leading_share: float
    strength: float
    gathered_in: str | None
    gathered_share: float
    reading: str
    faithfulness: MethodSummary | None = None


class GroupRecord(Schema):
    """A group of bands, and by how much the score falls without them."""

    bands: tuple[str, ...]
    value: float


class BandsRecord(Schema):
    """A class's dependence on bands; see :class:`~landcover.explain.band_attribution.BandEvidence`.

    ``meaning`` says what the values of ``bands`` and ``groups`` are.
    """

    label: str
    model: str
    card_hash: str
    score: float
    unit: str
    meaning: str
    baseline: str
    bands: dict[str, float]
    groups: dict[str, GroupRecord]


class IndexRecord(Schema):
    """An index over the patch: mean, 10th and 90th percentile, None where it has no value."""

    mean: float | None
    p10: float | None
    p90: float | None
    share: float
    reading: str


class ExplanationDocument(Schema):
    """All that is said of some explanations of one patch."""

    version: Literal[1] = 1
    explanations: tuple[ExplanationRecord, ...]
    bands: tuple[BandsRecord, ...]
    indices: dict[str, IndexRecord]


def document(
    patch: Raster,
    explanations: Sequence[Explanation],
    bands: Sequence[BandEvidence] = (),
) -> ExplanationDocument:
    """What is said of some explanations of one patch.

    Args:
        patch: what was explained.
        explanations: of that patch, by one model or several.
        bands: of the same classes and models, in any order.
    """
    evidence = {(item.label, item.card_hash): item for item in bands}
    summaries = {} if patch.is_rgb else indices(patch)
    return ExplanationDocument(
        version=1,
        explanations=tuple(
            explanation_record(each, patch, evidence.get((each.label, each.card_hash)))
            for each in explanations
        ),
        bands=tuple(_bands(item) for item in bands),
        indices={name: _index(summary) for name, summary in summaries.items()},
    )


def explanation_record(
    explanation: Explanation, patch: Raster, evidence: BandEvidence | None = None
) -> ExplanationRecord:
    """What is said of one explanation.

    Args:
        explanation: of the patch.
        patch: what was explained.
        evidence: how the class depends on bands, for the sentence.
    """
    values, found = explanation.attribution, sides(explanation, patch.valid)
    return ExplanationRecord(
        label=explanation.label,
        method=explanation.method,
        model=explanation.model,
        card_hash=explanation.card_hash,
        unit=explanation.unit,
        baseline=explanation.baseline,
        sum_for=float(values[values > 0].sum(dtype="float64")),
        sum_against=float(values[values < 0].sum(dtype="float64")),
        band_share=explanation.band_share,
        convergence_delta=explanation.convergence_delta,
        scale=explanation.scale,
        scale_rule=explanation.scale_rule,
        passes=explanation.passes,
        seconds=round(explanation.seconds, 3),
        leading_share=found.leading,
        strength=found.strength,
        gathered_in=found.where,
        gathered_share=found.gathered,
        reading=sentence(explanation, patch, evidence),
    )


def _bands(evidence: BandEvidence) -> BandsRecord:
    return BandsRecord(
        label=evidence.label,
        model=evidence.model,
        card_hash=evidence.card_hash,
        score=evidence.score,
        unit=evidence.unit,
        meaning="by how much the score falls without it; above 0 it speaks for the class",
        baseline=evidence.baseline,
        bands=evidence.bands,
        groups={
            group: GroupRecord(bands=tuple(evidence.members[group]), value=value)
            for group, value in evidence.groups.items()
        },
    )


def _index(summary: IndexSummary) -> IndexRecord:
    return IndexRecord(
        mean=summary.mean,
        p10=summary.low,
        p90=summary.high,
        share=summary.share,
        reading=summary.reading,
    )
