"""An animation of an area through its dates: what the satellite saw, what hides it, what is there.

It is a GIF, which every browser, slide and message shows. What hides the ground is hatched, so that
a white field is not taken for snow nor a shadow for water.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from landcover.areas.sky import CLEAR, CLOUD, NO_ANSWER, SHADE, SNOW
from landcover.core.classes import Rgb
from landcover.core.errors import BadInput
from landcover.core.raster import ByteArray
from landcover.core.text import plain
from landcover.time.dated import REASONS

__all__ = ["SIDE", "Frame", "animated"]

SIDE: Final = 480
"""Longer side of a picture in pixels, about; small areas are enlarged by whole numbers."""
_BAR: Final = 44
_MARGIN: Final = 8
_FONT: Final = 15
_SMALL: Final = 12
_FRAME_MS: Final = 1_200
_LAST_MS: Final = 2_400
_HATCH: Final = 8
"""Pixels from line to line of the hatching."""
_INKS: Final[dict[int, Rgb]] = {
    CLOUD: (220, 38, 127),
    SHADE: (255, 176, 0),
    SNOW: (0, 158, 235),
    NO_ANSWER: (90, 90, 90),
}
"""Colours of the hatching; they stay apart for colour-blind eyes."""
_SAMPLE: Final = 1_000_000
_MOST_EXACT: Final = 64
_PAPER: Final[Rgb] = (250, 250, 250)
_TEXT: Final[Rgb] = (20, 20, 20)


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One date.

    Attributes:
        title: such as ``2021-06-26``.
        words: what is said of it below, such as ``Water 254 ha``.
        picture: uint8 ``(y, x, 3)``.
        mask: what hides the ground, :data:`landcover.areas.sky.FLAGS`, ``(row, column)`` of any
            coarser grid over the same ground.
        cover: colour of the cover of each cell, uint8 ``(row, column, 3)``; None without one.
    """

    title: str
    words: str
    picture: ByteArray
    mask: ByteArray
    cover: ByteArray | None = None


def animated(frames: Sequence[Frame], legend: Sequence[tuple[str, Rgb]] = ()) -> bytes:
    """Draw a GIF.

    Args:
        frames: in the order of their dates, all of one size.
        legend: names and colours of the covers.

    Raises:
        BadInput: there is no frame.
    """
    if not frames:
        raise BadInput("No date can be drawn: choose others, or leave the animation out.")
    drawn = [_drawn(frame, legend) for frame in frames]
    palette = _palette(drawn, [_PAPER, _TEXT, *_INKS.values(), *(ink for _, ink in legend)])
    pictures = [one.quantize(palette=palette, dither=Image.Dither.NONE) for one in drawn]
    out = io.BytesIO()
    pictures[0].save(
        out,
        "GIF",
        save_all=True,
        append_images=pictures[1:],
        duration=[_FRAME_MS] * (len(pictures) - 1) + [_LAST_MS],
        loop=0,
        disposal=1,
    )
    return out.getvalue()


def _drawn(frame: Frame, legend: Sequence[tuple[str, Rgb]]) -> Image.Image:
    height, width = frame.picture.shape[:2]
    longer = max(height, width)
    factor = max(1, SIDE // longer)
    size = (width * factor, height * factor)
    if longer > SIDE:
        size = max(1, round(width * SIDE / longer)), max(1, round(height * SIDE / longer))
    panels = [_hatched(Image.fromarray(frame.picture).resize(size), frame.mask)]
    if frame.cover is not None:
        cells = Image.fromarray(frame.cover).resize(size, Image.Resampling.NEAREST)
        panels.append(_hatched(cells, frame.mask))
    lines = _legend_lines(legend, frame.mask) if legend or frame.mask.any() else []
    wide = max(size[0] * len(panels) + _MARGIN * (len(panels) - 1), 240)
    rows = _placed(lines, wide)
    # All frames have the same size, so room for the legend does not depend on the mask.
    room = _SMALL + 8
    deep = room * max(1, len(_placed(_legend_lines(legend, None), wide)))
    whole = Image.new("RGB", (wide, size[1] + _BAR + deep), _PAPER)
    for number, panel in enumerate(panels):
        whole.paste(panel, (number * (size[0] + _MARGIN), 0))
    draw = ImageDraw.Draw(whole)
    draw.text((4, size[1] + 3), _latin(frame.title), _TEXT, ImageFont.load_default(_FONT))
    small = ImageFont.load_default(_SMALL)
    draw.text((4, size[1] + 24), _latin(frame.words), _TEXT, small)
    for line, entries in enumerate(rows):
        top = size[1] + _BAR + line * room
        for left, name, ink in entries:
            draw.rectangle((left, top + 1, left + 11, top + 12), fill=ink, outline=_TEXT)
            draw.text((left + 16, top), _latin(name), _TEXT, small)
    return whole


def _hatched(picture: Image.Image, mask: ByteArray) -> Image.Image:
    """The picture with lines over what is hidden."""
    if (mask == CLEAR).all():
        return picture
    flags = np.asarray(Image.fromarray(mask).resize(picture.size, Image.Resampling.NEAREST))
    row, column = np.indices(flags.shape)
    line = (row + column) % _HATCH < 2
    pixels = np.array(picture)
    for flag, ink in _INKS.items():
        here = flags == flag
        pixels[here] = (pixels[here] // 4 * 3 + np.array(ink, dtype=np.uint8) // 4).astype(np.uint8)
        pixels[here & line] = ink
    return Image.fromarray(pixels)


def _legend_lines(
    legend: Sequence[tuple[str, Rgb]], mask: ByteArray | None
) -> list[tuple[str, Rgb]]:
    """Entries of the legend: the covers, and what hides the ground (all of it without a mask)."""
    hidden = [flag for flag in _INKS if mask is None or (mask == flag).any()]
    return [*legend, *((REASONS[flag], _INKS[flag]) for flag in hidden)]


def _placed(entries: Sequence[tuple[str, Rgb]], wide: int) -> list[list[tuple[int, str, Rgb]]]:
    """The entries in lines, each with the column where it starts."""
    font = ImageFont.load_default(_SMALL)
    rows: list[list[tuple[int, str, Rgb]]] = [[]]
    left = 4
    for name, ink in entries:
        takes = 16 + int(font.getlength(_latin(name))) + 12
        if rows[-1] and left + takes > wide:
            rows.append([])
            left = 4
        rows[-1].append((left, name, ink))
        left += takes
    return rows


def _palette(pictures: Sequence[Image.Image], exact: Sequence[Rgb]) -> Image.Image:
    """A palette for all frames, because colours that differ from frame to frame flicker.

    It has the colours of the legend exactly, and those of a sample of all pixels about.
    """
    pixels = np.concatenate([np.asarray(one).reshape(-1, 3) for one in pictures])
    some: npt.NDArray[np.uint8] = pixels[:: max(1, len(pixels) // _SAMPLE)]
    kept = list(dict.fromkeys(exact))[:_MOST_EXACT]
    found = Image.fromarray(some[None]).quantize(256 - len(kept), Image.Quantize.MEDIANCUT)
    colours = (found.getpalette() or [])[: 3 * (256 - len(kept))]
    made = Image.new("P", (1, 1))
    made.putpalette([*(value for ink in kept for value in ink), *colours])
    return made


def _latin(text: str) -> str:
    """The text in the letters of Pillow's own font."""
    return plain(text).encode("latin-1", "replace").decode("latin-1")
