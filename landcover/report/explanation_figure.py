"""One figure with several explanations of a patch: a row per class, a column per method.

The maps of two models are placed in neighbouring columns if there is one method, otherwise one
below the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from landcover import __version__
from landcover.core.classes import cover_of
from landcover.core.raster import Raster
from landcover.core.text import plain, time_text
from landcover.explain.explanation import METHODS, Explanation, legend, overlay
from landcover.report.page import GAP, LINE, QUIET, SMALL_LINE, Page, wrapped

__all__ = ["BAR", "HEAD", "NOTE_LINE", "SIDE", "as_png"]

SIDE: Final = 360
"""Side of a map in pixels: three per pixel of the patch."""
BAR: Final = 12
NOTE_LINE: Final = 17
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
    """Draw the patch and all explanations, each with its scale and sentence, as a PNG file.

    Args:
        patch: the patch that was explained.
        explanations: one or more, of one model or several.
        sentences: one for each explanation.
        opacity: of the attribution, 0 to 1.
        above: lines above all maps, such as the verdict.
        captions: one for each explanation, between its title and its map; or none.
        notes: lines below all maps, above the provenance.
    """
    labels = list(dict.fromkeys(each.label for each in explanations))
    methods = list(dict.fromkeys(each.method for each in explanations))
    models = list(dict.fromkeys(each.card_hash for each in explanations))
    aside, below_another = (len(models), 1) if len(methods) == 1 else (len(methods), len(models))
    paragraphs = [wrapped(text, 12, SIDE) for text in sentences]
    below = 2 * BAR + 30 + NOTE_LINE * max(map(len, paragraphs))
    title_height = LINE + (NOTE_LINE if captions else 0)
    across, down = SIDE + GAP, title_height + SIDE + below + GAP
    width = GAP + across * (1 + aside)
    head = [part for text in above for part in wrapped(text, 14, width - 2 * GAP)]
    footer = _notes(patch, explanations, notes, width - 2 * GAP)
    top = HEAD + GAP + LINE * len(head)
    height = top + down * len(labels) * below_another + SMALL_LINE * len(footer) + GAP
    page, inside = Page(width, height), width - 2 * GAP
    names = ", ".join(cover_of(label).short for label in labels)
    page.write((GAP, GAP - 4), f"Evidence for and against {names}", 22)
    page.write((GAP, GAP + 26), _subtitle(patch), 14, QUIET)
    page.paragraph((GAP, HEAD + GAP // 2), head, 14, line=LINE, width=inside)
    page.write((GAP, top), "The picture in true colour", 14, width=SIDE)
    page.view((GAP, top + title_height), SIDE, patch.image())
    texts = captions or [""] * len(paragraphs)
    for each, lines, caption in zip(explanations, paragraphs, texts, strict=True):
        model = models.index(each.card_hash)
        column = model if len(methods) == 1 else methods.index(each.method)
        x = GAP + across * (1 + column)
        y = top + down * (labels.index(each.label) * below_another + model % below_another)
        title = f"{cover_of(each.label).short}: {METHODS[each.method].title}"
        page.write((x, y), title, 14, width=SIDE)
        page.write((x, y + LINE - 4), caption, 12, QUIET, width=SIDE)
        y += title_height
        page.view((x, y), SIDE, overlay(each, patch, opacity))
        _scale(page, (x, y + SIDE + 8), each)
        below_scale = (x, y + SIDE + 2 * BAR + 26)
        page.paragraph(below_scale, lines, 12, line=NOTE_LINE, width=SIDE + GAP)
    page.footer(footer)
    return page.png()


def _scale(page: Page, at: tuple[int, int], each: Explanation) -> None:
    """Draw the colour bar of a map with its numbers."""
    (x, y), number = at, f"{each.scale:.2g}"
    page.paste(at, legend(each, width=SIDE, height=BAR).bar)
    below = y + BAR + 3
    page.write((x, below), f"−{number}: against", 11, width=SIDE // 2)
    page.write((x + SIDE // 2, below), "0", 11, width=SIDE, align="center")
    page.write((x + SIDE, below), f"for: +{number}", 11, width=SIDE, align="right")


def _subtitle(patch: Raster) -> str:
    if patch.is_rgb:
        return f"{plain(patch.provenance.source)}, {patch.width} × {patch.height} pixels"
    acquired = time_text(patch.acquired.isoformat() if patch.acquired else None)
    size = f"{patch.width * 10} × {patch.height * 10} m"
    return f"{plain(patch.provenance.source)}, {acquired}, {patch.where}, {size}"


def _notes(
    patch: Raster, explanations: Sequence[Explanation], notes: Sequence[str], width: int
) -> list[str]:
    models = dict.fromkeys(f"{each.model}, card {each.card_hash}" for each in explanations)
    units = dict.fromkeys(
        f"{METHODS[e.method].title}: {e.unit}, full colour is the {e.scale_rule}"
        + (f", compared with {e.baseline}" if METHODS[e.method].uses_baseline else "")
        for e in explanations
    )
    several = len({each.scale for each in explanations}) > 1
    apart = "The maps have different scales: compare where they are strongest, not their colours."
    sensor = "" if patch.is_rgb else " Contains modified Copernicus Sentinel data."
    lines = [
        *notes,
        *(f"{text}." for text in units),
        *([apart] if several else []),
        f"{'; '.join(models)}, landcover {__version__}.{sensor}",
    ]
    return [part for line in lines for part in wrapped(line, 12, width)]
