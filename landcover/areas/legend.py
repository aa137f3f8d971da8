"""What a legend of a map needs: name, colour, letters and pattern of each class.

Colour is never the only sign: several of CORINE's greens and yellows look the same to many people,
so each class also has letters of its own and a pattern that differs from its neighbours'.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final, Literal

from landcover.areas.layout import FLAGS
from landcover.core import own_classes
from landcover.core.classes import BY_NAME, LandCover, Rgb, cover_of
from landcover.core.covers import COVERS, Cover

__all__ = ["PATTERNS", "LegendEntry", "Pattern", "entries", "flag_entries", "palette", "swatch"]

Pattern = Literal["plain", "dots", "rising", "falling", "level", "grid"]
PATTERNS: Final[tuple[Pattern, ...]] = ("plain", "dots", "rising", "falling", "level", "grid")
"""Plain, dots, or lines: rising to the right, falling, level, or a grid."""
_KNOWN: Final[dict[str, LandCover | Cover]] = {
    **BY_NAME,
    **{cover.name: cover for cover in COVERS},
}
_NOTHING: Final[Rgb] = (0, 0, 0)
"""Colour of "no decision", which is transparent."""
_SPARE: Final[tuple[Rgb, ...]] = (
    (120, 94, 240),
    (220, 38, 127),
    (254, 97, 0),
    (255, 176, 0),
    (100, 143, 255),
    (0, 158, 115),
    (86, 180, 233),
    (90, 90, 90),
)
"""Colours of names that are neither classes nor covers."""
_FLAG_COLOURS: Final[tuple[Rgb, ...]] = (
    (255, 255, 255),
    (170, 170, 170),
    (60, 60, 90),
    (150, 220, 255),
    (220, 38, 127),
)
_DRAWN: Final[dict[Pattern, str]] = {
    "plain": "",
    "dots": "M4 5h2M12 5h2M8 10h2M16 10h2M4 15h2M12 15h2",
    "rising": "M0 10L10 0M0 20L20 0M10 20L20 10",
    "falling": "M10 0L20 10M0 0L20 20M0 10L10 20",
    "level": "M0 5h20M0 10h20M0 15h20",
    "grid": "M0 7h20M0 14h20M7 0v20M14 0v20",
}
"""Path of each pattern in a square of 20."""


@dataclass(frozen=True, kw_only=True)
class LegendEntry:
    """One class or flag of a legend.

    Attributes:
        number: its value in the decision, counted from 1; of a flag its value in the mask.
        name: in full.
        short: for narrow places.
        rgb: its colour.
        letters: two characters that no other entry of the legend has.
        pattern: drawn over the colour.
    """

    number: int
    name: str
    short: str
    rgb: Rgb
    letters: str
    pattern: Pattern

    @property
    def hex(self) -> str:
        """The colour as ``#rrggbb``."""
        return "#{:02x}{:02x}{:02x}".format(*self.rgb)

    @property
    def ink(self) -> str:
        """Black or white, whichever is easier to read on the colour."""
        red, green, blue = (_linear(value / 255) for value in self.rgb)
        return "#000000" if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.18 else "#ffffff"


def entries(classes: Sequence[str]) -> tuple[LegendEntry, ...]:
    """The legend of the decision, or of the bands of a map.

    Args:
        classes: names of classes or of covers, in the order of their numbers.
    """
    known = [_known(name) for name in classes]
    shorts = [one.short if one else name for one, name in zip(known, classes, strict=True)]
    rows = zip(classes, shorts, _colours(classes), _letters(shorts), strict=True)
    return tuple(_entry(number, *row) for number, row in enumerate(rows, start=1))


def flag_entries() -> tuple[LegendEntry, ...]:
    """The legend of the mask."""
    rows = zip(FLAGS, FLAGS, _FLAG_COLOURS, _letters(FLAGS), strict=True)
    return tuple(_entry(number, *row) for number, row in enumerate(rows))


def palette(classes: Sequence[str]) -> tuple[Rgb, ...]:
    """Colours of the numbers of the decision, from 0, which stands for no decision."""
    return (_NOTHING, *_colours(classes))


def swatch(entry: LegendEntry, side: int = 24) -> str:
    """The entry's sign as an SVG image: colour, pattern and letters.

    Args:
        entry: of the legend.
        side: pixels along a side.
    """
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{side}" height="{side}" '
        f'viewBox="0 0 20 20" role="img" aria-label="{escape(entry.name)}">'
        f'<rect width="20" height="20" fill="{entry.hex}" stroke="#555555"/>'
        f'<path d="{_DRAWN[entry.pattern]}" stroke="{entry.ink}" stroke-opacity="0.45" '
        'fill="none"/>'
        f'<text x="10" y="14" text-anchor="middle" font-size="10" font-family="sans-serif" '
        f'font-weight="bold" fill="{entry.ink}" stroke="{entry.hex}" stroke-width="2" '
        f'paint-order="stroke">{escape(entry.letters)}</text></svg>'
    )


def _entry(number: int, name: str, short: str, rgb: Rgb, letters: str) -> LegendEntry:
    pattern = PATTERNS[number % len(PATTERNS)]
    return LegendEntry(
        number=number, name=name, short=short, rgb=rgb, letters=letters, pattern=pattern
    )


def _known(name: str) -> LandCover | Cover | None:
    """The class or cover of that name, also a class of one's own; None if there is none."""
    if name not in _KNOWN and own_classes.look_of(name) is not None:
        return cover_of(name)
    return _KNOWN.get(name)


def _colours(classes: Iterable[str]) -> tuple[Rgb, ...]:
    """A colour for each name, none twice."""
    found: list[Rgb] = []
    for name in classes:
        known = _known(name)
        wanted = [known.rgb] if known else []
        free = [rgb for rgb in (*wanted, *_SPARE) if rgb not in found]
        found.append(free[0] if free else _mixed(len(found)))
    return tuple(found)


def _mixed(number: int) -> Rgb:
    """One of many colours that differ from each other."""
    return (37 * number) % 256, (91 * number + 80) % 256, (151 * number + 160) % 256


def _letters(names: Sequence[str]) -> tuple[str, ...]:
    """Two characters for each name: initials of two words, or the first letters of one."""
    found: list[str] = []
    for number, name in enumerate(names):
        words = "".join(c if c.isalnum() else " " for c in name).split() or ["?"]
        first = words[0][0].upper()
        choices = [f"{first}{word[0].lower()}" for word in words[1:]]
        choices += [f"{first}{letter.lower()}" for letter in words[0][1:]]
        free = [one for one in choices if one not in found and one != "Il"]  # both look the same
        found.append(free[0] if free else f"{number:02d}")
    return tuple(found)


def _linear(value: float) -> float:
    """Brightness of a component of sRGB, both 0 to 1."""
    low: float = value / 12.92
    return low if value <= 0.04045 else float(((value + 0.055) / 1.055) ** 2.4)
