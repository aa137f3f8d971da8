"""Run all checks of a patch or picture and decide: looks reliable, check this, or can't tell.

Three kinds of checks find reasons for doubt (:class:`landcover.trust.verdict.Finding`):

- of the *pixels*: :mod:`landcover.trust.quality` (gaps, scale, offset, saturation),
  :mod:`landcover.trust.pixel_checks` (haze, snow, shade, level, noise, lost bands) and
  :mod:`landcover.trust.novelty` (unlike the training patches); of a colour picture only those
  of :mod:`landcover.trust.picture_checks`;
- of the *place*: outside the ten countries, out of the seasons that the model has seen;
- of the *answer*: every class that is called is near its threshold, or a shift of 100 m
  changes the answer (only when asked for, since it takes eight more forward passes).

A grave finding means that no label should be given; any other, that the answer comes with
a warning. How often good patches are doubted, and how many bad ones are caught, is
measured by :mod:`landcover.trust.bench.measure`.
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
from landcover.trust.pixel_checks import FEWEST, cells, physical
from landcover.trust.quality import findings, of_findings
from landcover.trust.verdict import (
    ALL_PASSED,
    AVAILABLE_PASSED,
    About,
    Decision,
    Finding,
    Quality,
    Verdict,
    finding,
)

__all__ = [
    "ECHOES",
    "ESCALATED",
    "HALF_A_YEAR",
    "OUT_OF_SEASON",
    "UNDECIDED",
    "UNSTABLE",
    "judge",
    "known_of",
    "sureness",
    "unlike",
]

ESCALATED: Final = frozenset({"offset", "negative"})
"""Checks of ``trust.quality`` that warn there and forbid an answer here: an offset of 0.1
doubles the reflectance of plants in visible light, and none of 510 good patches looks so."""
ECHOES: Final[dict[str, frozenset[str]]] = {
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
"""Check → checks that only repeat it: who is told of the cause need not hear of its signs."""

UNDECIDED: Final = 0.1
"""Nearer to the threshold than this share of the way to certainty, a cover is undecided."""
OUT_OF_SEASON: Final = 30
"""Days of the year from the nearest training date."""
HALF_A_YEAR: Final = 182
UNSTABLE: Final = 0.2
"""Share of the named covers that a shift of 100 m may change on average. One in twenty patches
loses as much (``trust/stability.json`` of the default model)."""

_ROUNDING: Final = 1e-4
"""By which features of the same patch may differ in batches of other sizes."""
_ORDER: Final[dict[About, int]] = {"pixels": 0, "place": 1, "answer": 2}
_UNLIKE: Final = {
    "spectrum": "Its mean spectrum is",
    "features": "What the network sees in it is",
}


def judge(
    model: Model,
    patch: Raster,
    prediction: Prediction | None = None,
    *,
    known: Novelty | None = None,
    features: Mapping[str, float] | None = None,
    deep: bool = False,
) -> Verdict:
    """Whether to believe what a model says of a patch or picture.

    It costs about one more pass of the net, which :func:`landcover.trust.result.predict` saves;
    a deep one nine more.

    Args:
        model: the model that was asked.
        patch: what it looked at.
        prediction: what it said, for the checks of the answer; they are left out without.
        known: what was fitted for the model; :func:`known_of` otherwise.
        features: the patch's :meth:`~landcover.trust.novelty.Novelty.of_features`, where the caller
            has it already.
        deep: check too whether a shift of 100 m changes the answer.

    Raises:
        ModelMismatch: the patch is not what the model was made for.
    """
    own = [_escalate(one) for one in findings(patch)]
    if patch.is_rgb:  # brightness is no measurement, so the checks below have nothing to rest on
        return _verdict(own, of_findings(patch, own), {}, ())
    unchecked: list[str] = []
    if known is None:
        known, why = known_of(model)
        unchecked += [why] * bool(why)
    distances: dict[str, float] = {}
    # Where the scale is wrong or nothing is to be seen, finer checks would only echo that.
    if not any(one.level == "grave" and one.check not in ESCALATED for one in own):
        values = cells(patch)
        own += physical(patch, values)
        if lost := [name for name in BAND_NAMES if name not in patch.bands]:
            unchecked.append(_FEW_BANDS.format(lost=", ".join(lost)))
        elif values.shape[1] < FEWEST:
            unchecked.append(_FEW_CELLS)
        if known is not None:
            seen = known.of_features(model, patch) if features is None else features
            distances = {**known.of_pixels(values), **seen}
            own += unlike(distances, known)
    if not patch.has_place:
        unchecked.append(_NO_PLACE)
    elif known is not None:
        own += _season(patch, known)
    if prediction is not None:
        own += (*_undecided(prediction), *(_unstable(model, patch) if deep else ()))
    return _verdict(own, of_findings(patch, own), distances, tuple(unchecked))


def known_of(model: Model) -> tuple[Novelty | None, str]:
    """What was fitted for a model, or a sentence on why there is nothing.

    A file that was made for another card is not used, since its bounds would be wrong.
    """
    if model.folder is None:
        return None, _NOT_FITTED.format(title=model.card.title)
    file = model.folder / files.FOLDER / f"{novelty.FILE}.safetensors"
    stamp = file.stat().st_mtime_ns if file.is_file() else 0
    return _kept(model.folder, model.card.hash, model.card.title, stamp)


_NOT_FITTED: Final = (
    "Whether the patch is unlike what {title} has learnt from was not checked, because nothing "
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
def _kept(folder: Path, card_hash: str, title: str, stamp: int) -> tuple[Novelty | None, str]:  # noqa: ARG001 - a changed file is another key
    try:
        found = novelty.load(folder, card_hash)
    except CorruptModel as error:
        return None, (
            f"Whether the patch is unlike what {title} has learnt from was not checked: {error}"
        )
    return found, "" if found else _NOT_FITTED.format(title=title)


def unlike(distances: Mapping[str, float], known: Novelty) -> Iterator[Finding]:
    """The finding of the distance that exceeds its bound the most, where one does."""
    beyond = {name: known.beyond({name: value}) for name, value in distances.items()}
    worst = max(beyond, key=beyond.__getitem__, default="")
    if worst and beyond[worst] > 1 + _ROUNDING:
        ratio = beyond[worst]
        yield finding(
            "unlike",
            "grave" if ratio > novelty.FAR else "warn",
            (ratio, novelty.FAR if ratio > novelty.FAR else 1.0),
            f"{_UNLIKE[worst]} unlike anything that the model has learnt from ({ratio:.1f} times "
            "as far away as 98 of 100 good patches are): check bands, level and date.",
        )


def _verdict(
    found: list[Finding],
    quality: Quality,
    distances: dict[str, float],
    unchecked: tuple[str, ...],
) -> Verdict:
    there = {one.check for one in found}
    echoes = {echo for check in there for echo in ECHOES.get(check, ())}
    kept = sorted(
        (one for one in found if one.check not in echoes),
        # Who names a cause comes before who only sees that something is odd.
        key=lambda f: (f.level != "grave", _ORDER[f.about], f.check == "unlike"),
    )
    grave = any(one.level == "grave" for one in kept)
    decision: Decision = "cannot tell" if grave else "warn" if kept else "answer"
    reason = kept[0].sentence if kept else AVAILABLE_PASSED if unchecked else ALL_PASSED
    said = tuple(one.sentence for one in kept if one.about != "answer")
    return Verdict(
        decision=decision,
        reason=reason,
        findings=tuple(kept),
        quality=quality.with_fields(warnings=said, abstained=grave),
        distances=distances,
        unchecked=unchecked,
    )


def _escalate(one: Finding) -> Finding:
    return one.with_fields(level="grave") if one.check in ESCALATED else one


def _season(patch: Raster, known: Novelty) -> Iterator[Finding]:
    if patch.acquired is None:
        return
    day = patch.acquired.timetuple().tm_yday
    if patch.centre[0] < 0:  # south of the equator the year is the other way round
        day = (day + HALF_A_YEAR - 1) % 365 + 1
    away = novelty.days_apart(day, known.days)
    if away > OUT_OF_SEASON:
        yield finding(
            "season",
            "warn",
            (float(away), float(OUT_OF_SEASON)),
            f"The season is {away} days from any that the model has seen, so expect more mistakes.",
            "place",
        )


def sureness(prediction: Prediction) -> dict[str, float]:
    """Class → how far its probability is from the threshold: 0 at it, 1 at 0 or 1."""
    found = {}
    for item in prediction.labels:
        above = item.probability >= item.threshold
        room = 1 - item.threshold if above else item.threshold
        away = abs(item.probability - item.threshold)
        found[item.label] = away / room if room > 0 else 1.0
    return found


def _undecided(prediction: Prediction) -> Iterator[Finding]:
    sure = sureness(prediction)
    named = prediction.predicted
    if not named:
        yield finding(
            "undecided", "warn", (0.0, UNDECIDED), "No cover reaches its threshold.", "answer"
        )
        return
    surest = max(sure[item.label] for item in named)
    if surest < UNDECIDED:
        names = ", ".join(BY_NAME[item.label].short for item in named)
        yield finding(
            "undecided",
            "warn",
            (surest, UNDECIDED),
            f"Every cover that is named is so near to its threshold that it might as well not be: "
            f"{names}.",
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
            f"A shift of 100 m changes the answer ({found.score:.0%} of it stays).",
            "answer",
        )
