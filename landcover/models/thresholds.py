"""Aims of a decision, and a card's thresholds for them.

A threshold trades missed classes against false detections. Which error is worse depends
on the application, so a card holds thresholds for several aims, chosen on validation by
:mod:`landcover.train.decisions`: the highest F1, the highest F2 (a missed class counts four
times as much as a false one), and the levels of precision or recall in :data:`LEVELS`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final

from landcover.core.errors import BadInput
from landcover.models.card import Card

__all__ = [
    "AIMS",
    "DEFAULT_AIM",
    "LEVELS",
    "Aim",
    "Thresholds",
    "available_aims",
    "parse_aim",
    "thresholds_for",
]

LEVELS: Final[tuple[float, ...]] = tuple(round(0.05 * step, 2) for step in range(10, 20))
"""Levels of precision and recall for which cards have thresholds: 0.5 to 0.95."""
DEFAULT_AIM: Final = "f1"
_ASKED: Final = re.compile(
    r"(precision|recall)\s*[=-]\s*([0-9]{1,3}(?:\.[0-9]{1,6})?|\.[0-9]{1,6})\s*(%?)"
)


@dataclass(frozen=True, kw_only=True)
class Aim:
    """What a set of thresholds optimises.

    Attributes:
        name: name in cards and records, such as ``precision-0.8``.
        title: name to display.
        kind: ``f1``, ``f2``, ``precision`` or ``recall``.
        level: the required precision or recall, 0 to 1; None for F1 and F2.
    """

    name: str
    title: str
    kind: str
    level: float | None = None


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """A card's thresholds for an aim.

    Attributes:
        aim: the aim's name.
        of: class → threshold, each class of the card once.
        fallback: classes that could not reach the aim on validation; they keep the
            card's default threshold.
    """

    aim: str
    of: dict[str, float]
    fallback: tuple[str, ...] = ()


def _level(kind: str, level: float) -> Aim:
    words = {"precision": "few false alarms: precision", "recall": "few missed: recall"}
    return Aim(
        name=f"{kind}-{level:g}",
        title=f"{words[kind]} {level:.0%} or more",
        kind=kind,
        level=level,
    )


AIMS: Final[dict[str, Aim]] = {
    aim.name: aim
    for aim in (
        Aim(name="f1", title="balanced (F1)", kind="f1"),
        Aim(name="f2", title="find more (F2)", kind="f2"),
        *(_level("precision", level) for level in LEVELS),
        *(_level("recall", level) for level in LEVELS),
    )
}
"""Name → aim, the default one first."""


def parse_aim(text: str) -> Aim:
    """Parse a user's aim, such as ``f1``, ``f2``, ``precision=0.8`` or ``recall=90%``.

    A level between two of :data:`LEVELS` is rounded up.

    Raises:
        BadInput: it is not an aim, or its level is outside 0.5 to 0.95.
    """
    plain = text.strip().lower()
    if plain in AIMS:
        return AIMS[plain]
    found = _ASKED.fullmatch(plain)
    if found is not None:
        level = float(found[2]) / (100 if found[3] else 1)
        step = math.ceil(round(20 * level, 6))
        if level >= LEVELS[0] and step / 20 <= LEVELS[-1]:
            return AIMS[f"{found[1]}-{step / 20:g}"]
    raise BadInput(
        f"'{text.strip()[:40]}' is not an aim: give f1, f2, precision=P or recall=R, "
        f"with P and R from {LEVELS[0]:g} to {LEVELS[-1]:g}."
    )


def thresholds_for(card: Card, aim: str = DEFAULT_AIM) -> Thresholds:
    """Return a card's thresholds for an aim, in the order of its classes.

    Raises:
        BadInput: the aim is unknown, or the card has no thresholds for it.
    """
    wanted = parse_aim(aim)
    if wanted.name == DEFAULT_AIM:
        return Thresholds(
            aim=wanted.name, of={name: card.thresholds[name] for name in card.classes}
        )
    if wanted.name not in card.aims:
        raise BadInput(
            f"{card.title} has no thresholds for the aim '{wanted.name}': "
            "leave the aim out, or choose another model."
        )
    own = card.aims[wanted.name]
    return Thresholds(
        aim=wanted.name,
        of={name: own.get(name, card.thresholds[name]) for name in card.classes},
        fallback=tuple(name for name in card.classes if name not in own),
    )


def available_aims(card: Card) -> tuple[Aim, ...]:
    """Return the aims for which a card has thresholds, the default one first."""
    return tuple(aim for aim in AIMS.values() if aim.name == DEFAULT_AIM or card.aims.get(aim.name))
