"""Several explanations of one patch on one picture: a row a class, a column a method.

Where there are two models, they stand side by side: as columns where there is one method, else
one below the other.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Final

from PIL import Image, ImageDraw

from landcover import __version__
from landcover.core.classes import BY_NAME
from landcover.core.raster import ByteArray, Raster
from landcover.core.text import place_text, plain, time_text
from landcover.explain.explanation import METHODS, Explanation, legend, overlay
from landcover.report.sheet import FOOTER_LINE, GAP, INK, LINE, NOTE_LINE, PAPER, QUIET, RULE, Rgb
from landcover.report.sheet import _drawable as drawable
from landcover.report.sheet import _fit as fit
from landcover.report.sheet import _font as font
from landcover.report.sheet import _wrap as wrap

SIDE: Final = 360
"""Pixels of a view: three a pixel of the patch."""
BAR: Final = 12
HEAD: Final = 62


def as_png(
    patch: Raster,
    explanations: Sequence[Explanation],
    sentences: Sequence[str],
    *,
    opacity: float = 0.8,
    above: Sequence[str] = (),
    captions: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> bytes:
    """A PNG file with the picture and all explanations, each with its scale and sentence.

    Args:
        patch: what was explained.
        explanations: of that patch, by one model or several; one or more.
        sentences: one for each explanation.
        opacity: of the attribution, 0 to 1.
        above: what stands above all maps, such as whether to believe the answer.
        captions: one for each explanation, between its title and its map; or none.
        notes: what stands below all maps, above where they come from.
    """
    labels = list(dict.fromkeys(each.label for each in explanations))
    methods = list(dict.fromkeys(each.method for each in explanations))
    models = list(dict.fromkeys(each.card_hash for each in explanations))
    aside, below_another = (len(models), 1) if len(methods) == 1 else (len(methods), len(models))
    wrapped = [wrap(text, font(12), SIDE) for text in sentences]
    below = 2 * BAR + 30 + NOTE_LINE * max(map(len, wrapped))
    title_height = LINE + (NOTE_LINE if captions else 0)
    across, down = SIDE + GAP, title_height + SIDE + below + GAP
    width = GAP + across * (1 + aside)
    head = [part for text in above for part in wrap(text, font(14), width - 2 * GAP)]
    footer = _notes(patch, explanations, notes, width - 2 * GAP)
    top = HEAD + GAP + LINE * len(head)
    height = top + down * len(labels) * below_another + FOOTER_LINE * len(footer) + GAP
    image = Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(image)
    names = ", ".join(BY_NAME[label].short for label in labels)
    _write(pen, (GAP, GAP - 4), f"What speaks for and against {names}", 22, width=width - 2 * GAP)
    _write(pen, (GAP, GAP + 26), _subtitle(patch), 14, width=width - 2 * GAP, colour=QUIET)
    for row, line in enumerate(head):
        _write(pen, (GAP, HEAD + GAP // 2 + row * LINE), line, 14, width=width - 2 * GAP)
    _write(pen, (GAP, top), "The picture, as the eye would see it", 14, width=SIDE)
    _view(image, (GAP, top + title_height), picture(patch))
    said = captions or [""] * len(wrapped)
    for each, lines, caption in zip(explanations, wrapped, said, strict=True):
        model = models.index(each.card_hash)
        column = model if len(methods) == 1 else methods.index(each.method)
        x = GAP + across * (1 + column)
        y = top + down * (labels.index(each.label) * below_another + model % below_another)
        title = f"{BY_NAME[each.label].short}: {METHODS[each.method].title}"
        _write(pen, (x, y), title, 14, width=SIDE)
        _write(pen, (x, y + LINE - 4), caption, 12, width=SIDE, colour=QUIET)
        y += title_height
        _view(image, (x, y), overlay(each, patch, opacity))
        _scale(image, pen, (x, y + SIDE + 8), each)
        for row, line in enumerate(lines):
            at = (x, y + SIDE + 2 * BAR + 26 + row * NOTE_LINE)
            _write(pen, at, line, 12, width=SIDE + GAP)
    y = height - GAP - FOOTER_LINE * len(footer)
    pen.line((GAP, y - 8, width - GAP, y - 8), fill=RULE)
    for row, line in enumerate(footer):
        _write(pen, (GAP, y + row * FOOTER_LINE), line, 12, width=width - 2 * GAP, colour=QUIET)
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


def picture(patch: Raster) -> ByteArray:
    """The patch as the eye would see it, uint8 RGBA ``(y, x, 4)``."""
    return patch.image()


def _view(image: Image.Image, at: tuple[int, int], values: ByteArray) -> None:
    ground = Image.new("RGB", (SIDE, SIDE), RULE)
    view = Image.fromarray(values).resize((SIDE, SIDE), Image.Resampling.NEAREST)
    ground.paste(view, (0, 0), view)
    image.paste(ground, at)


def _scale(
    image: Image.Image, pen: ImageDraw.ImageDraw, at: tuple[int, int], each: Explanation
) -> None:
    key = legend(each, width=SIDE, height=BAR)
    image.paste(Image.fromarray(key.bar), at)
    below = at[1] + BAR + 3
    small = font(11)
    number = f"{each.scale:.2g}"
    for x, text, anchor in (
        (at[0], f"−{number}: against", "la"),
        (at[0] + SIDE // 2, "0", "ma"),
        (at[0] + SIDE, f"for: +{number}", "ra"),
    ):
        pen.text((x, below), drawable(text, small), fill=INK, font=small, anchor=anchor)


def _write(
    pen: ImageDraw.ImageDraw,
    at: tuple[int, int],
    text: str,
    size: int,
    *,
    width: int,
    colour: Rgb = INK,
) -> None:
    letters = font(size)
    pen.text(at, fit(drawable(text, letters), letters, width), fill=colour, font=letters)


def _subtitle(patch: Raster) -> str:
    if not patch.has_place:
        return f"{plain(patch.provenance.source)}, {patch.width} × {patch.height} pixels"
    acquired = time_text(patch.acquired.isoformat() if patch.acquired else None)
    size = f"{patch.width * 10} × {patch.height * 10} m"
    return f"{plain(patch.provenance.source)}, {acquired}, {place_text(*patch.centre)}, {size}"


def _notes(
    patch: Raster, explanations: Sequence[Explanation], notes: Sequence[str], width: int
) -> list[str]:
    models = dict.fromkeys(f"{each.model}, card {each.card_hash}" for each in explanations)
    units = dict.fromkeys(
        f"{METHODS[e.method].title}: {e.unit}, full colour is the {e.scale_rule}"
        + (f", compared with {e.baseline}" if METHODS[e.method].uses_baseline else "")
        for e in explanations
    )
    sensor = "" if patch.is_rgb else " Contains modified Copernicus Sentinel data."
    lines = [
        *notes,
        *(f"{text}." for text in units),
        f"{'; '.join(models)}, landcover {__version__}.{sensor}",
    ]
    return [part for line in lines for part in wrap(line, font(12), width)]
