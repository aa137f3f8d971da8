"""Checks of the place, the season and the prediction, as a list of functions.

To add a check, write a function that takes a :class:`Case` and yields findings, and add it to
:data:`FINDERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from landcover.core.classes import cover_of
from landcover.core.raster import Raster
from landcover.models import band_choice
from landcover.models.band_subset import estimated_bands
from landcover.models.card import EXCLUSIVE_THRESHOLD
from landcover.models.model import Model, Prediction
from landcover.trust import novelty, shift_stability
from landcover.trust.novelty import Novelty
from landcover.trust.verdict import Finding, finding

__all__ = [
    "FINDERS",
    "HALF_A_YEAR",
    "OUT_OF_SEASON",
    "UNDECIDED",
    "UNSTABLE",
    "Case",
    "confidence",
]

UNDECIDED: Final = 0.1
"""A class is undecided if its :func:`confidence` is below this value."""
OUT_OF_SEASON: Final = 30
"""Days of the year from the nearest training date above which there is a warning."""
HALF_A_YEAR: Final = 182
UNSTABLE: Final = 0.2
"""Mean share of the predicted classes that a shift of 100 m may change before there is a warning.
One in twenty patches loses as much (``trust/stability.json`` of the default model)."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """What a check of the answer may use.

    Attributes:
        model: the model.
        patch: its input.
        prediction: its prediction; None if only the patch is assessed.
        known: distances fitted for the model, if there are any.
        deep: whether checks that take further forward passes are wanted.
    """

    model: Model
    patch: Raster
    prediction: Prediction | None = None
    known: Novelty | None = None
    deep: bool = False


def confidence(prediction: Prediction) -> dict[str, float]:
    """Return class → distance of its probability from the threshold: 0 at it, 1 at 0 or 1."""
    found = {}
    for item in prediction.labels:
        above = item.probability >= item.threshold
        room = 1 - item.threshold if above else item.threshold
        away = abs(item.probability - item.threshold)
        found[item.label] = away / room if room > 0 else 1.0
    return found


def _season(case: Case) -> Iterator[Finding]:
    patch, known = case.patch, case.known
    if known is None or not known.days or patch.acquired is None or not patch.has_place:
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


def _undecided(case: Case) -> Iterator[Finding]:
    if case.prediction is None:
        return
    if case.model.card.exclusive:
        yield from _undecided_among_exclusive(case.prediction)
        return
    sure = confidence(case.prediction)
    named = case.prediction.predicted
    if not named:
        yield finding(
            "undecided", "warn", (0.0, UNDECIDED), "No land cover reaches its threshold.", "answer"
        )
        return
    surest = max(sure[item.label] for item in named)
    if surest < UNDECIDED:
        names = ", ".join(cover_of(item.label).short for item in named)
        yield finding(
            "undecided",
            "warn",
            (surest, UNDECIDED),
            "Every predicted land cover is so close to its threshold that it could just as well be "
            f"absent: {names}.",
            "answer",
        )


def _undecided_among_exclusive(prediction: Prediction) -> Iterator[Finding]:
    best = max(item.probability for item in prediction.labels)
    if best < EXCLUSIVE_THRESHOLD:
        yield finding(
            "undecided",
            "warn",
            (best, EXCLUSIVE_THRESHOLD),
            f"No land cover reaches a probability of {EXCLUSIVE_THRESHOLD:.0%}.",
            "answer",
        )


def _unstable(case: Case) -> Iterator[Finding]:
    # Pictures have no scale in metres and are not shifted.
    if not case.deep or case.prediction is None or case.patch.is_rgb:
        return
    found = shift_stability.stability(case.model, case.patch)
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


def _estimated(case: Case) -> Iterator[Finding]:
    """Warn if a model estimates bands, and that costs much or was not measured."""
    card = case.model.card
    if not estimated_bands(card):
        return
    table = band_choice.read()
    loss = band_choice.loss_of(card, table)
    if loss is None or loss.large:
        lost = 0.0 if loss is None else max(loss.row.macro_loss.value, loss.row.micro_loss.value)
        sentence = band_choice.gives_up(card, table)
        yield finding("estimated-bands", "warn", (lost, band_choice.LARGE), sentence, "answer")


FINDERS: Final[tuple[Callable[[Case], Iterator[Finding]], ...]] = (
    _season,
    _undecided,
    _unstable,
    _estimated,
)
"""The checks, each of which yields findings for a case."""
