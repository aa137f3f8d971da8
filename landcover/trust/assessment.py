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

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

from landcover.core.bands import BAND_NAMES
from landcover.core.classes import BY_NAME
from landcover.core.errors import CorruptModel
from landcover.core.raster import Raster
from landcover.models.model import Model, Prediction
from landcover.trust import files, novelty, shift_stability
from landcover.trust.novelty import Novelty
from landcover.trust.pixel_checks import MIN_CELLS, cells, pixel_findings
from landcover.trust.quality import findings, quality_from
from landcover.trust.verdict import (
    ALL_PASSED,
    AVAILABLE_PASSED,
    Decision,
    Finding,
    Quality,
    Subject,
    Verdict,
    finding,
)

__all__ = [
    "ESCALATED",
    "HALF_A_YEAR",
    "OUT_OF_SEASON",
    "REPEATS",
    "UNDECIDED",
    "UNSTABLE",
    "assess",
    "confidence",
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

UNDECIDED: Final = 0.1
"""A class is undecided if its :func:`confidence` is below this value."""
OUT_OF_SEASON: Final = 30
"""Days of the year from the nearest training date above which there is a warning."""
HALF_A_YEAR: Final = 182
UNSTABLE: Final = 0.2
"""Mean share of the predicted classes that a shift of 100 m may change before there is a warning.
One in twenty patches loses as much (``trust/stability.json`` of the default model)."""

_ROUNDING: Final = 1e-4
"""Relative difference between features of the same patch in batches of different sizes."""
_ORDER: Final[dict[Subject, int]] = {"pixels": 0, "place": 1, "answer": 2}
_UNLIKE: Final = {
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
    own = [_escalate(one) for one in findings(patch)]
    if patch.is_rgb:  # brightness is not reflectance, so the checks below do not apply
        return _verdict(own, quality_from(patch, own), {}, ())
    unchecked: list[str] = []
    if known is None:
        known, why = novelty_of(model)
        unchecked += [why] * bool(why)
    distances: dict[str, float] = {}
    # If the scale is wrong or the pixels are unusable, finer checks would only repeat that.
    if not any(one.level == "severe" and one.check not in ESCALATED for one in own):
        values = cells(patch)
        own += pixel_findings(patch, values)
        if lost := [name for name in BAND_NAMES if name not in patch.bands]:
            unchecked.append(_FEW_BANDS.format(lost=", ".join(lost)))
        elif values.shape[1] < MIN_CELLS:
            unchecked.append(_FEW_CELLS)
        if known is not None:
            seen = known.feature_distance(model, patch) if features is None else features
            distances = {**known.spectrum_distance(values), **seen}
            own += novelty_finding(distances, known)
    if not patch.has_place:
        unchecked.append(_NO_PLACE)
    elif known is not None:
        own += _season(patch, known)
    if prediction is not None:
        own += (*_undecided(prediction), *(_unstable(model, patch) if deep else ()))
    return _verdict(own, quality_from(patch, own), distances, tuple(unchecked))


def novelty_of(model: Model) -> tuple[Novelty | None, str]:
    """Load the distances fitted for a model, or None with a sentence that gives the reason.

    A file that was made for another card is not used, since its bounds would be wrong.
    """
    if model.folder is None:
        return None, _NOT_FITTED.format(title=model.card.title)
    file = model.folder / files.FOLDER / f"{novelty.FILE}.safetensors"
    stamp = file.stat().st_mtime_ns if file.is_file() else 0
    return _cached(model.folder, model.card.hash, model.card.title, stamp)


_NOT_FITTED: Final = (
    "Whether the patch is unlike the training data of {title} was not checked, because nothing "
    "was fitted for it: run `landcover trust fit`."
)


_FEW_BANDS: Final = (
    "Haze, snow, shade, noise, level, order of bands and the mean spectrum were not checked, "
    "because this source lacks {lost}."
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
    worst = max(beyond, key=beyond.__getitem__, default="")
    if worst and beyond[worst] > 1 + _ROUNDING:
        ratio = beyond[worst]
        yield finding(
            "unlike",
            "severe" if ratio > novelty.SEVERE_RATIO else "warn",
            (ratio, novelty.SEVERE_RATIO if ratio > novelty.SEVERE_RATIO else 1.0),
            f"{_UNLIKE[worst]} unlike the model's training data ({ratio:.1f} times the distance "
            "that 98 of 100 good patches stay within): check bands, level and date.",
        )


def _verdict(
    found: list[Finding],
    quality: Quality,
    distances: dict[str, float],
    unchecked: tuple[str, ...],
) -> Verdict:
    there = {one.check for one in found}
    repeated = {other for check in there for other in REPEATS.get(check, ())}
    kept = sorted(
        (one for one in found if one.check not in repeated),
        # A check that names the cause comes before one that only finds the patch unusual.
        key=lambda f: (f.level != "severe", _ORDER[f.about], f.check == "unlike"),
    )
    severe = any(one.level == "severe" for one in kept)
    decision: Decision = "cannot tell" if severe else "warn" if kept else "answer"
    reason = kept[0].sentence if kept else AVAILABLE_PASSED if unchecked else ALL_PASSED
    warnings = tuple(one.sentence for one in kept if one.about != "answer")
    return Verdict(
        decision=decision,
        reason=reason,
        findings=tuple(kept),
        quality=quality.with_fields(warnings=warnings, abstained=severe),
        distances=distances,
        unchecked=unchecked,
    )


def _escalate(one: Finding) -> Finding:
    return one.with_fields(level="severe") if one.check in ESCALATED else one


def _season(patch: Raster, known: Novelty) -> Iterator[Finding]:
    if patch.acquired is None:
        return
    day = patch.acquired.timetuple().tm_yday
    if patch.centre[0] < 0:  # in the southern hemisphere the seasons are reversed
        day = (day + HALF_A_YEAR - 1) % 365 + 1
    away = novelty.days_apart(day, known.days)
    if away > OUT_OF_SEASON:
        yield finding(
            "season",
            "warn",
            (float(away), float(OUT_OF_SEASON)),
            f"The date is {away} days of the year from any in the training data, so expect more "
            "mistakes.",
            "place",
        )


def confidence(prediction: Prediction) -> dict[str, float]:
    """Return class → distance of its probability from the threshold: 0 at it, 1 at 0 or 1."""
    found = {}
    for item in prediction.labels:
        above = item.probability >= item.threshold
        room = 1 - item.threshold if above else item.threshold
        away = abs(item.probability - item.threshold)
        found[item.label] = away / room if room > 0 else 1.0
    return found


def _undecided(prediction: Prediction) -> Iterator[Finding]:
    sure = confidence(prediction)
    named = prediction.predicted
    if not named:
        yield finding(
            "undecided", "warn", (0.0, UNDECIDED), "No land cover reaches its threshold.", "answer"
        )
        return
    surest = max(sure[item.label] for item in named)
    if surest < UNDECIDED:
        names = ", ".join(BY_NAME[item.label].short for item in named)
        yield finding(
            "undecided",
            "warn",
            (surest, UNDECIDED),
            "Every predicted land cover is so close to its threshold that it could just as well be "
            f"absent: {names}.",
            "answer",
        )


def _unstable(model: Model, patch: Raster) -> Iterator[Finding]:
    found = shift_stability.stability(model, patch)
    lost = 1 - found.score
    if lost > UNSTABLE:
        yield finding(
            "unstable",
            "warn",
            (lost, UNSTABLE),
            "A shift of 100 m changes the predicted land covers (on average "
            f"{found.score:.0%} of them stay).",
            "answer",
        )
