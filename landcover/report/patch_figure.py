"""One figure with a complete result, for a report or a talk.

It shows the patch and the attribution side by side, the predicted classes with their
probabilities, the colour scale and the provenance.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from landcover import __version__
from landcover.core.bands import COMPOSITES
from landcover.core.classes import cover_of
from landcover.core.raster import ByteArray, Raster
from landcover.core.text import plain, time_text
from landcover.explain.explanation import METHODS, Explanation, legend, overlay
from landcover.models.model import LabelScore, Prediction
from landcover.report.page import GAP, INK, LINE, QUIET, RULE, SMALL_LINE, Page, wrapped
from landcover.trust.verdict import Quality

__all__ = ["MAX_ROWS", "NOTE_LINE", "SIDE", "WIDTH", "At", "as_png"]

SIDE: Final = 480
"""Side of an image in pixels: four per pixel of the patch."""
WIDTH: Final = 2 * SIDE + 3 * GAP
NOTE_LINE: Final = 17
MAX_ROWS: Final = 8
"""Number of classes listed; a patch hardly ever has more."""

At = tuple[int, int]


def as_png(
    patch: Raster,
    prediction: Prediction,
    explanation: Explanation | None = None,
    *,
    quality: Quality | None = None,
    opacity: float = 0.8,
    reading: str = "",
) -> bytes:
    """Draw the complete result as a PNG file, 1032 pixels wide.

    Args:
        patch: the patch that was classified.
        prediction: of that patch.
        explanation: of that patch; without one, the right image is the false-colour picture.
        quality: of that patch; if it abstains, no class is listed as found.
        opacity: of the attribution, 0 to 1.
        reading: a sentence that describes the explanation.
    """
    found, title = _found(prediction, quality, explanation)
    notes = _legend_notes(explanation, reading) if explanation else []
    origin = [
        part
        for line in _origin(patch, prediction, quality)
        for part in wrapped(line, 12, WIDTH - 2 * GAP)
    ]
    block = max((len(found) + 1) * LINE, 44 + len(notes) * NOTE_LINE if notes else 0)
    height = 3 * GAP + 70 + LINE + SIDE + block + len(origin) * SMALL_LINE
    page = Page(WIDTH, height)
    page.write((GAP, GAP - 4), title, 22, bold=True)
    page.write((GAP, GAP + 26), _subtitle(patch), 14, QUIET)
    top = GAP + 56
    right = SIDE + 2 * GAP
    _view(page, (GAP, top), patch.image(COMPOSITES[0]), _view_text(0))
    if explanation is None:
        # Without infrared there is only one view.
        if COMPOSITES[1] in patch.composites:
            _view(page, (right, top), patch.image(COMPOSITES[1]), _view_text(1))
    else:
        name = cover_of(explanation.label).short
        text = f"{METHODS[explanation.method].title} for {name}"
        _view(page, (right, top), overlay(explanation, patch, opacity), text)
    below = top + LINE + SIDE + 14
    _classes(page, (GAP, below), found)
    if explanation is not None:
        _legend(page, (right, below), explanation, notes)
    page.footer(origin)
    return page.png()


def _found(
    prediction: Prediction, quality: Quality | None, explanation: Explanation | None
) -> tuple[tuple[LabelScore, ...], str]:
    """Choose the classes to list and the title that names them."""
    listed = prediction.predicted[:MAX_ROWS]
    names = ", ".join(cover_of(item.label).short for item in listed)
    if quality is not None and quality.abstained:
        listed, names = (), "No prediction: the pixels cannot be trusted"
    elif not listed:
        names = "No class reaches its threshold"
        listed = tuple(sorted(prediction.labels, key=lambda item: -item.probability)[:3])
    if explanation is not None and explanation.label not in {item.label for item in listed}:
        listed = (*listed, prediction.of(explanation.label))
    return listed, names


def _view_text(which: int) -> str:
    composite = COMPOSITES[which]
    bands = " ".join(composite.bands)
    stretch = f"reflectance {composite.low:g} to {composite.high:g}"
    return f"{composite.name} ({bands}), {stretch}"


def _subtitle(patch: Raster) -> str:
    acquired = time_text(patch.acquired.isoformat() if patch.acquired else None)
    size = f"{patch.width * 10} × {patch.height * 10} m"
    return f"{plain(patch.provenance.source)}, {acquired}, {patch.where}, {size}"


def _legend_notes(explanation: Explanation, reading: str) -> list[str]:
    notes = (reading, legend(explanation).note, f"Compared with: {explanation.baseline}.")
    return [part for note in notes if note for part in wrapped(note, 12, SIDE)]


def _origin(patch: Raster, prediction: Prediction, quality: Quality | None) -> list[str]:
    origin = patch.provenance
    scene = plain(origin.scene or origin.source)
    pixels = f"Sentinel-2 {origin.level}, {scene}, {patch.crs}, {origin.scaling}"
    model = f"{prediction.model}, card {prediction.card_hash}, landcover {__version__}"
    warnings = quality.warnings if quality else ()
    return [
        *(f"Warning: {text}" for text in warnings[:1]),
        f"Pixels: {pixels}, resampling: {origin.resampling}.",
        f"Model: {model}. Contains modified Copernicus Sentinel data.",
    ]


def _view(page: Page, at: At, picture: ByteArray, text: str) -> None:
    page.write(at, text, 14, width=SIDE)
    page.view((at[0], at[1] + LINE), SIDE, picture)


def _classes(page: Page, at: At, found: Sequence[LabelScore]) -> None:
    """List each class with its colour, probability and threshold."""
    x, y = at
    page.write(at, "Class, probability, threshold", 13, QUIET)
    for item in found:
        y += LINE
        known = cover_of(item.label)
        page.rectangle((x, y + 2), 14, 14, known.rgb, QUIET)
        page.write((x + 24, y), known.short, 14, bold=item.predicted, width=194)
        _bar(page, (x + 220, y + 5), item)
        decision = "found" if item.predicted else "not found"
        text = f"{item.probability:.2f} of {item.threshold:.2f} needed: {decision}"
        page.write((x + 290, y), text, 12, width=SIDE - 290)


def _bar(page: Page, at: At, item: LabelScore) -> None:
    """Draw the probability as a bar, with the threshold as a tick."""
    (x, y), width, height = at, 60, 8
    page.rectangle(at, width, height, RULE)
    share = min(max(item.probability, 0.0), 1.0)
    page.rectangle(at, width * share, height, INK if item.predicted else QUIET)
    tick = x + round(width * item.threshold)
    page.line((tick, y - 3), (tick, y + height + 3), INK, 2)


def _legend(page: Page, at: At, explanation: Explanation, notes: list[str]) -> None:
    """Draw the colour bar with its texts."""
    x, y = at
    key = legend(explanation, width=SIDE)
    page.paste((x, y + 2), key.bar)
    page.write((x, y + 20), key.against, 13, width=200)
    page.write((x + SIDE // 2, y + 20), key.neutral, 13, width=SIDE, align="center")
    page.write((x + SIDE, y + 20), key.in_favour, 13, width=SIDE, align="right")
    page.paragraph((x, y + 44), notes, 12, QUIET, line=NOTE_LINE, width=SIDE)
