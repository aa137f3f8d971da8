"""Run all checks of a patch or picture and decide: looks reliable, check this, or can't tell.

Three kinds of checks report findings (:class:`landcover.trust.verdict.Finding`):

- of the *pixels*: :mod:`landcover.trust.quality` (gaps, scale, offset, saturation),
  :mod:`landcover.trust.pixel_checks` (haze, snow, shade, level, noise, lost bands) and
  :mod:`landcover.trust.novelty` (unlike the training patches); of a colour picture only those
  of :mod:`landcover.trust.picture_checks`;
- of the *place*: outside the ten countries, or outside the seasons of the training data;
- of the *answer*: every predicted class is near its threshold, or a shift of 100 m
  changes the prediction (optional, since it takes eight more forward passes).

With a severe finding no labels are given; with any other finding the prediction gets a
warning. The rates of flagged good patches and detected bad ones are measured by
:mod:`landcover.trust.bench.measure`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Final

from landcover.core.bands import BAND_NAMES
from landcover.core.errors import CorruptModel
from landcover.core.raster import Raster
from landcover.models.band_subset import architecture, estimated_bands
from landcover.models.model import Model, Prediction
from landcover.nets import BASELINE_NETS
from landcover.trust import files, novelty
from landcover.trust.answer_checks import FINDERS, Case
from landcover.trust.novelty import Novelty
from landcover.trust.pixel_checks import MIN_CELLS, cells, pixel_findings
from landcover.trust.quality import findings, quality_from
from landcover.trust.verdict import (
    ALL_PASSED,
    AVAILABLE_PASSED,
    Decision,
    Finding,
    Part,
    Quality,
    Subject,
    Verdict,
    finding,
)

__all__ = [
    "CLASS_PRIOR",
    "ESCALATED",
    "REPEATS",
    "Checks",
    "assess",
    "drop_repeats",
    "novelty_finding",
    "novelty_of",
]

ESCALATED: Final = frozenset({"offset", "negative"})
"""Checks that warn in ``trust.quality`` and are severe here: an offset of 0.1 doubles the
reflectance of plants in visible light, and none of 510 good patches has such values."""
REPEATS: Final[dict[str, frozenset[str]]] = {
    "offset": frozenset({"haze", "bright", "unlike"}),
    "negative": frozenset({"haze", "shade", "unlike"}),
    "level": frozenset({"haze", "bright", "unlike"}),
    "missing-bands": frozenset({"level", "vapour", "order", "unlike"}),
    "order": frozenset({"level", "vapour", "snow", "haze", "bright", "shade", "unlike"}),
    "noise": frozenset({"shade", "unlike"}),
    "snow": frozenset({"bright", "unlike"}),
    "haze": frozenset({"bright", "vapour"}),
    "saturated": frozenset({"unlike"}),
}
"""Check → checks that only repeat it. A finding that is a symptom of another is left out."""

CLASS_PRIOR: Final = "class-prior"
"""The net whose prediction does not depend on the pixels, so that no check concerns it."""
_ROUNDING: Final = 1e-4
"""Relative difference between features of the same patch in batches of different sizes."""
_ORDER: Final[dict[Subject, int]] = {"pixels": 0, "place": 1, "answer": 2}
_UNLIKE: Final = {
    "picture": "The picture's colours and details are",
    "spectrum": "Its mean spectrum is",
    "features": "The features that the network computes from it are",
}


def assess(
    model: Model,
    patch: Raster,
    prediction: Prediction | None = None,
    *,
    known: Novelty | None = None,
    features: Mapping[str, float] | None = None,
    deep: bool = False,
) -> Verdict:
    """Assess whether to trust a model's prediction for a patch or picture.

    This takes about one more forward pass, which :func:`landcover.trust.result.predict` avoids,
    and eight more with ``deep``.

    Args:
        model: the model.
        patch: its input.
        prediction: its prediction; without it, the checks of the answer are left out.
        known: distances fitted for the model; by default from :func:`novelty_of`.
        features: the patch's :meth:`~landcover.trust.novelty.Novelty.feature_distance`, if already
            computed.
        deep: also check whether a shift of 100 m changes the prediction.

    Raises:
        ModelMismatch: the patch does not meet the card's requirements.
    """
    if architecture(model.card) == CLASS_PRIOR:
        return _verdict(Checks(unchecked=[_baseline(model)]), quality_from(patch, ()), model)
    checks = Checks(findings=[_escalate(one) for one in findings(patch)], parts=["pixels"])
    if known is None:
        known, why = novelty_of(model)
        checks.unchecked += [why] * bool(why)
    # If the scale is wrong or the pixels are unusable, finer checks would only repeat that.
    severe = (one for one in checks.findings if one.level == "severe")
    if all(one.check in ESCALATED for one in severe):
        _check_pixels(checks, model, patch, known, features)
    if patch.is_rgb:
        checks.unchecked.append(_NO_PLACE_OF_PICTURE)
    elif not patch.has_place:
        checks.unchecked.append(_NO_PLACE)
    elif known is not None:
        checks.parts.append("place")
    case = Case(model=model, patch=patch, prediction=prediction, known=known, deep=deep)
    checks.findings += [one for finder in FINDERS for one in finder(case)]
    if prediction is not None:
        checks.parts.append("prediction")
    return _verdict(checks, quality_from(patch, checks.findings), model)


@dataclass(kw_only=True)
class Checks:
    """What the checks of one patch have found so far.

    Attributes:
        findings: all findings.
        parts: the parts that were checked.
        unchecked: one sentence for each check that could not be made.
        distances: distances from the training patches.
    """

    findings: list[Finding] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)
    distances: dict[str, float] = field(default_factory=dict)


def _check_pixels(
    checks: Checks,
    model: Model,
    patch: Raster,
    known: Novelty | None,
    features: Mapping[str, float] | None,
) -> None:
    """Run the physical checks of reflectance, and compare the patch with the training data."""
    values = cells(patch)
    if not patch.is_rgb:  # brightness is not reflectance
        checks.findings += pixel_findings(patch, values)
        if lost := [name for name in BAND_NAMES if name not in patch.bands]:
            checks.unchecked.append(_FEW_BANDS.format(lost=", ".join(lost)))
        elif values.shape[1] < MIN_CELLS:
            checks.unchecked.append(_FEW_CELLS)
    if known is not None:
        seen = known.feature_distance(model, patch) if features is None else features
        own = {**known.spectrum_distance(values), **known.picture_distance(patch)}
        checks.distances = {**own, **seen}
        checks.parts += ["training data"] * bool(checks.distances)
        checks.findings += novelty_finding(checks.distances, known)


def novelty_of(model: Model) -> tuple[Novelty | None, str]:
    """Load the distances fitted for a model, or None with a sentence that gives the reason.

    A file that was made for another card is not used, since its bounds would be wrong.
    """
    if bands := estimated_bands(model.card):
        return None, _ESTIMATED.format(count=len(bands))
    if model.folder is None:
        return None, _NOT_FITTED.format(title=model.card.title)
    file = model.folder / files.FOLDER / f"{novelty.FILE}.safetensors"
    stamp = file.stat().st_mtime_ns if file.is_file() else 0
    return _cached(model.folder, model.card.hash, model.card.title, stamp)


_NOT_FITTED: Final = (
    "Whether the patch is unlike the training data of {title} was not checked, because nothing "
    "was fitted for it: run `landcover trust fit`."
)

_ESTIMATED: Final = (
    "Whether the patch is unlike the training data was not checked, because that is fitted for "
    "measured bands, and {count} of 12 are estimated."
)
_FEW_BANDS: Final = (
    "Haze, snow, shade, noise, level, order of bands and the mean spectrum were not checked, "
    "because this source lacks {lost}."
)
_NO_PLACE_OF_PICTURE: Final = (
    "Place and season were not checked, because a picture does not state them."
)
_NO_PLACE: Final = (
    "Country and season were not checked, because the source has no position on Earth."
)
_FEW_CELLS: Final = (
    "Haze, snow, shade, noise, level, order of bands and the mean spectrum were not checked, "
    "because too few pixels have data."
)


@lru_cache(maxsize=8)
def _cached(folder: Path, card_hash: str, title: str, stamp: int) -> tuple[Novelty | None, str]:  # noqa: ARG001 - cache key of the file
    try:
        found = novelty.load(folder, card_hash)
    except CorruptModel as error:
        return None, (
            f"Whether the patch is unlike the training data of {title} was not checked: {error}"
        )
    return found, "" if found else _NOT_FITTED.format(title=title)


def novelty_finding(distances: Mapping[str, float], known: Novelty) -> Iterator[Finding]:
    """Yield a finding for the distance that exceeds its bound the most, if one does."""
    beyond = {name: known.ratio({name: value}) for name, value in distances.items()}
    # A severe distance counts before one that is larger, but not severe.
    worst = max(beyond, key=lambda n: (beyond[n] > known.severe_ratio(n), beyond[n]), default="")
    if worst and beyond[worst] > 1 + _ROUNDING:
        ratio, limit = beyond[worst], known.severe_ratio(worst)
        severe = ratio > limit
        yield finding(
            "unlike",
            "severe" if severe else "warn",
            (ratio, limit if severe else 1.0),
            f"{_UNLIKE[worst]} unlike the model's training data ({ratio:.1f} times the distance "
            "that 98 of 100 good patches stay within): check bands, level and date."
            if known.pictures is None
            else f"{_UNLIKE[worst]} unlike the model's training data, as if it was drawn, "
            "photographed, blurred or resized: give a Sentinel-2 picture with pixels of 10 m.",
        )


def drop_repeats(found: Sequence[Finding]) -> list[Finding]:
    """Leave out findings that only repeat another one (:data:`REPEATS`)."""
    there = {one.check for one in found}
    repeated = {other for check in there for other in REPEATS.get(check, ())}
    return [one for one in found if one.check not in repeated]


def _verdict(checks: Checks, quality: Quality, model: Model) -> Verdict:
    kept = sorted(
        drop_repeats(checks.findings),
        # A check that names the cause comes before one that only finds the patch unusual.
        key=lambda f: (f.level != "severe", _ORDER[f.about], f.check == "unlike"),
    )
    severe = any(one.level == "severe" for one in kept)
    decision: Decision = "cannot tell" if severe else "warn" if kept else "answer"
    passed = AVAILABLE_PASSED if checks.unchecked else ALL_PASSED
    if decision == "answer" and architecture(model.card) in BASELINE_NETS:
        decision, passed = "unchecked", _baseline(model)
    warnings = tuple(one.sentence for one in kept if one.about != "answer")
    return Verdict(
        decision=decision,
        reason=kept[0].sentence if kept else passed,
        findings=tuple(kept),
        quality=quality.with_fields(warnings=warnings, abstained=severe),
        distances=checks.distances,
        unchecked=tuple(one for one in checks.unchecked if one != passed),
        checked=tuple(checks.parts),
    )


def _baseline(model: Model) -> str:
    return f"{model.card.title} is a baseline: it {BASELINE_NETS[architecture(model.card)]}."


def _escalate(one: Finding) -> Finding:
    return one.with_fields(level="severe") if one.check in ESCALATED else one
