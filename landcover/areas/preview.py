"""Layers of a map as coloured pictures for a web map.

Values are warped first and coloured afterwards, so that a pixel has the colour of one value, and
patterns keep their size.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from landcover.areas.canvas import Canvas
from landcover.areas.layout import NODATA
from landcover.areas.legend import PATTERNS, LegendEntry, entries, flag_entries
from landcover.core.classes import Rgb
from landcover.core.raster import ByteArray
from landcover.core.window import Window
from landcover.io.web_mercator import MapPicture, warp_layers

__all__ = [
    "NO_DATA_COLOUR",
    "RAMP",
    "coloured",
    "confidence_layer",
    "decision_layer",
    "flag_layer",
    "numbers_layer",
    "patterned",
    "picture_layer",
    "probability_layer",
    "ramp",
]

RAMP: Final[tuple[Rgb, ...]] = (
    (68, 1, 84),
    (59, 82, 139),
    (33, 145, 140),
    (94, 201, 98),
    (253, 231, 37),
)
"""Colours of the probabilities 0, ¼, ½, ¾ and 1 (viridis): brighter is more, without colour too."""
NO_DATA_COLOUR: Final[Rgb] = (128, 128, 128)
PIXELS: Final = 1200
"""About how many pixels along its longer side a coloured layer has at least."""
_MOST_FINER: Final = 24
_LEAST_FINER: Final = 1.25
_PERIOD: Final = 8
"""Pixels after which a pattern repeats."""
_STROKE: Final = 0.45
"""Opacity of the strokes, which are black or white."""


@dataclass(frozen=True, kw_only=True)
class _Warped:
    layers: ByteArray
    edges: tuple[float, float, float, float]

    def picture(self, rgba: ByteArray) -> MapPicture:
        return MapPicture(rgba, *self.edges)


def picture_layer(canvas: Canvas) -> MapPicture:
    """True colour."""
    warped = _warped(canvas.picture, canvas.picture_window, empty=0)
    return warped.picture(warped.layers.transpose(1, 2, 0))


def decision_layer(
    canvas: Canvas,
    *,
    covers: frozenset[str],
    least: float = 0.0,
    patterns: bool = False,
) -> MapPicture:
    """The most probable cover of each cell, in the colours of the legend.

    Args:
        canvas: the map.
        covers: names of the covers to show.
        least: least confidence of a cell to show, 0 to 1.
        patterns: whether to draw the legend's patterns over the colours.
    """
    warped = _warped(canvas.shown(covers, least)[None], canvas.plan.cover, empty=0)
    numbers, legend = warped.layers[0], entries(canvas.covers)
    rgba = coloured(numbers, legend)
    if patterns:
        kinds, inks = np.zeros(256, np.intp), np.zeros((256, 3), np.uint8)
        for entry in legend:
            kinds[entry.number] = PATTERNS.index(entry.pattern)
            inks[entry.number] = int(entry.ink[1:3], 16)
        strokes = (numbers > 0) & patterned(kinds[numbers])
        mixed = _STROKE * inks[numbers] + (1 - _STROKE) * rgba[..., :3]
        rgba[..., :3] = np.where(strokes[..., None], np.rint(mixed), rgba[..., :3])
    return warped.picture(rgba)


def numbers_layer(numbers: ByteArray, window: Window, colours: Sequence[Rgb]) -> MapPicture:
    """Numbers of kinds in their colours; 0 is transparent.

    Args:
        numbers: uint8 ``(y, x)``.
        window: its grid.
        colours: of the numbers, from 0.
    """
    warped = _warped(numbers[None], window, empty=0)
    table = np.zeros((256, 4), dtype=np.uint8)
    table[1 : len(colours)] = [(*rgb, 255) for rgb in colours[1:]]
    return warped.picture(table[warped.layers[0]])


def probability_layer(
    layer: ByteArray, window: Window, *, least: float = 0.0, reversed_: bool = False
) -> MapPicture:
    """Probabilities in steps of 0.004 by :data:`RAMP`; transparent without an answer.

    Args:
        layer: uint8 ``(y, x)``.
        window: its grid.
        least: probabilities below are transparent, 0 to 1.
        reversed_: whether low values are bright.
    """
    warped = _warped(layer[None], window, empty=NODATA)
    steps = np.linspace(0.0, 1.0, 251)
    table = np.zeros((256, 4), dtype=np.uint8)
    table[:251, :3] = ramp(1.0 - steps if reversed_ else steps)
    table[:251, 3] = np.where(steps >= least, 255, 0)
    return warped.picture(table[warped.layers[0]])


def confidence_layer(canvas: Canvas, least: float = 0.0) -> MapPicture:
    """How sure the decision of each cell is."""
    return probability_layer(canvas.confidence, canvas.confidence_window, least=least)


def flag_layer(canvas: Canvas) -> MapPicture:
    """What hides the ground: cells that are flagged, and windows unlike anything learnt."""
    flags = canvas.flags if canvas.covers else canvas.flags_of_windows
    window = canvas.plan.cover if canvas.covers else canvas.plan.presence
    warped = _warped(flags[None], window, empty=0)
    rgba = coloured(warped.layers[0], flag_entries()[1:])
    rgba[warped.layers[0] == NODATA] = (*NO_DATA_COLOUR, 255)
    return warped.picture(rgba)


def coloured(numbers: ByteArray, legend: Iterable[LegendEntry]) -> ByteArray:
    """Paint numbers ``(y, x)`` as RGBA in the colours of a legend; others are transparent."""
    table = np.zeros((256, 4), dtype=np.uint8)
    for entry in legend:
        table[entry.number] = (*entry.rgb, 255)
    painted: ByteArray = table[numbers]
    return painted


def ramp(values: npt.NDArray[np.float64]) -> ByteArray:
    """Colours ``(…, 3)`` of values of 0 to 1."""
    places = np.linspace(0.0, 1.0, len(RAMP))
    channels = [np.interp(values, places, [rgb[axis] for rgb in RAMP]) for axis in range(3)]
    return np.rint(np.stack(channels, axis=-1)).astype(np.uint8)


def patterned(kinds: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
    """Where the strokes of patterns are; kinds are indices of the legend's patterns."""
    height, width = kinds.shape
    y, x = np.arange(height)[:, None] % _PERIOD, np.arange(width)[None] % _PERIOD
    strokes = {
        "plain": np.zeros((1, 1), dtype=bool),
        "dots": (y % 4 == 0) & (x % 4 == 0),
        "rising": (x + y) % _PERIOD == 0,
        "falling": (x - y) % _PERIOD == 0,
        "level": (y % 4 == 0) & (x >= 0),
        "grid": (x == 0) | (y == 0),
    }
    found = np.zeros(kinds.shape, dtype=bool)
    for kind, name in enumerate(PATTERNS):
        found |= strokes[name] & (kinds == kind)
    return found


def _warped(layers: ByteArray, window: Window, *, empty: int) -> _Warped:
    side = max(layers.shape[1:])
    finer = min(_MOST_FINER, max(_LEAST_FINER, PIXELS / side))
    found, edges = warp_layers(layers, window, finer=finer, empty=empty)
    return _Warped(layers=found, edges=edges)
