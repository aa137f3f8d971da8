"""Typed records of explanations, as printed and saved as JSON."""

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
    """The values of one explanation, without its map.

    ``sum_for`` and ``sum_against`` are the sums of the attribution above and below 0, in
    ``unit``; ``leading_share`` is the share of the larger of the two. ``strength`` is the mean
    absolute attribution relative to full colour. A share ``gathered_share`` of the larger sum
    lies in the part ``gathered_in`` of the picture. ``reading`` is a sentence with these values.
    ``faithfulness`` is None if the method was not measured for the model. The other fields are
    those of :class:`landcover.explain.explanation.Explanation`.
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
    """A group of bands and the fall of the score without them."""

    bands: tuple[str, ...]
    value: float


class BandsRecord(Schema):
    """How a class's score depends on the bands.

    See :class:`~landcover.explain.band_attribution.BandEvidence`. ``meaning`` explains the values
    of ``bands`` and ``groups``.
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
    """A spectral index of the patch: mean, 10th and 90th percentile, None without any value."""

    mean: float | None
    p10: float | None
    p90: float | None
    share: float
    reading: str


class ExplanationDocument(Schema):
    """The explanations of one patch with band evidence and spectral indices."""

    version: Literal[1] = 1
    explanations: tuple[ExplanationRecord, ...]
    bands: tuple[BandsRecord, ...]
    indices: dict[str, IndexRecord]


def document(
    patch: Raster,
    explanations: Sequence[Explanation],
    bands: Sequence[BandEvidence] = (),
) -> ExplanationDocument:
    """Collect the explanations of one patch in a document.

    Args:
        patch: the patch that was explained.
        explanations: of that patch, by one model or several.
        bands: band evidence for the same classes and models, in any order.
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
    """Make the record of one explanation.

    Args:
        explanation: of the patch.
        patch: the patch that was explained.
        evidence: how the class depends on the bands, for the sentence.
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
        meaning="by how much the score falls without it; above 0 it is evidence for the class",
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
