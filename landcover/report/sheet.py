"""One picture that holds a whole result, for a report or a talk.

Two views side by side (the picture, and the attribution over it), the classes found with
their probabilities, the colour scale, and where everything comes from.
"""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from landcover import __version__
from landcover.core.bands import COMPOSITES
from landcover.core.classes import BY_NAME
from landcover.core.raster import ByteArray, Raster
from landcover.core.text import place_text, plain, time_text
from landcover.explain.explanation import METHODS, Explanation, legend, overlay
from landcover.models.model import LabelScore, Prediction
from landcover.trust.verdict import Quality

SIDE: Final = 480
"""Pixels of a view: four a pixel of the patch."""
GAP: Final = 24
WIDTH: Final = 2 * SIDE + 3 * GAP
LINE: Final = 24
FOOTER_LINE: Final = 18
NOTE_LINE: Final = 17
MAX_ROWS: Final = 8
"""Classes listed; more than this are hardly ever found in one patch."""

PAPER: Final = (255, 255, 255)
INK: Final = (31, 35, 40)
QUIET: Final = (87, 96, 106)
RULE: Final = (208, 215, 222)

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Rgb = tuple[int, int, int]


def as_png(
    patch: Raster,
    prediction: Prediction,
    explanation: Explanation | None = None,
    *,
    quality: Quality | None = None,
    opacity: float = 0.8,
    reading: str = "",
) -> bytes:
    """A PNG file, 1032 pixels wide, that shows and says the whole result.

    Args:
        patch: what was classified.
        prediction: of that patch.
        explanation: of that patch; without one the right view is the false-colour picture.
        quality: of that patch; where it abstains, no class is listed as found.
        opacity: of the attribution, 0 to 1.
        reading: what the explanation says, in a sentence.
    """
    found, title = _found(prediction, quality, explanation)
    notes = _legend_notes(explanation, reading) if explanation else []
    origin = [
        part
        for line in _origin(patch, prediction, quality)
        for part in _wrap(line, _font(12), WIDTH - 2 * GAP)
    ]
    block = max((len(found) + 1) * LINE, 44 + len(notes) * NOTE_LINE if notes else 0)
    height = 3 * GAP + 70 + LINE + SIDE + block + len(origin) * FOOTER_LINE
    sheet = _Sheet(height)
    sheet.write((GAP, GAP - 4), title, 22, bold=True)
    sheet.write((GAP, GAP + 26), _subtitle(patch), 14, QUIET)
    top = GAP + 56
    right = SIDE + 2 * GAP
    sheet.view((GAP, top), patch.image(COMPOSITES[0]), _view_text(0))
    if explanation is None:
        sheet.view((right, top), patch.image(COMPOSITES[1]), _view_text(1))
    else:
        name = BY_NAME[explanation.label].short
        text = f"{METHODS[explanation.method].title} for {name}"
        sheet.view((right, top), overlay(explanation, patch, opacity), text)
    below = top + LINE + SIDE + 14
    sheet.classes((GAP, below), found)
    if explanation is not None:
        sheet.legend((right, below), explanation, notes)
    sheet.footer(height, origin)
    return sheet.png()


def _found(
    prediction: Prediction, quality: Quality | None, explanation: Explanation | None
) -> tuple[tuple[LabelScore, ...], str]:
    """The classes to list, and the title that sums them up."""
    listed = prediction.predicted[:MAX_ROWS]
    names = ", ".join(BY_NAME[item.label].short for item in listed)
    if quality is not None and quality.abstained:
        listed, names = (), "No answer: the pixels cannot be trusted"
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
    return f"{plain(patch.provenance.source)}, {acquired}, {place_text(*patch.centre)}, {size}"


def _legend_notes(explanation: Explanation, reading: str) -> list[str]:
    notes = (reading, legend(explanation).note, f"Compared with: {explanation.baseline}.")
    return [part for note in notes if note for part in _wrap(note, _font(12), SIDE)]


def _origin(patch: Raster, prediction: Prediction, quality: Quality | None) -> list[str]:
    origin = patch.provenance
    scene = plain(origin.scene or origin.source)
    pixels = f"Sentinel-2 {origin.level}, {scene}, {patch.crs}, {origin.scaling}"
    answer = f"{prediction.model}, card {prediction.card_hash}, landcover {__version__}"
    warnings = quality.warnings if quality else ()
    return [
        *(f"Warning: {text}" for text in warnings[:1]),
        f"Pixels: {pixels}, resampling: {origin.resampling}.",
        f"Answer: {answer}. Contains modified Copernicus Sentinel data.",
    ]


class _Sheet:
    """White paper with the few things that we draw on it."""

    def __init__(self, height: int) -> None:
        self.image = Image.new("RGB", (WIDTH, height), PAPER)
        self.pen = ImageDraw.Draw(self.image)

    def write(
        self,
        at: tuple[int, int],
        text: str,
        size: int,
        colour: Rgb = INK,
        *,
        bold: bool = False,
        width: int | None = None,
    ) -> None:
        """One line, cut with an ellipsis where it is longer than ``width``."""
        font = _font(size, bold=bold)
        room = WIDTH - GAP - at[0] if width is None else width
        self.pen.text(at, _fit(_drawable(text, font), font, room), fill=colour, font=font)

    def view(self, at: tuple[int, int], picture: ByteArray, text: str) -> None:
        """A picture ``(y, x, 4)``, enlarged, with a line above it; no data is hatched grey."""
        self.write(at, text, 14, width=SIDE)
        x, y = at[0], at[1] + LINE
        ground = Image.new("RGB", (SIDE, SIDE), RULE)
        view = Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.NEAREST)
        ground.paste(view, (0, 0), view)
        self.image.paste(ground, (x, y))

    def classes(self, at: tuple[int, int], found: Sequence[LabelScore]) -> None:
        """Each class with its colour, probability and threshold."""
        x, y = at
        self.write(at, "Class, probability, threshold", 13, QUIET)
        for item in found:
            y += LINE
            cover = BY_NAME[item.label]
            self.pen.rectangle((x, y + 2, x + 14, y + 16), fill=cover.rgb, outline=QUIET)
            self.write((x + 24, y), cover.short, 14, bold=item.predicted, width=194)
            self._bar((x + 220, y + 5), item)
            decision = "found" if item.predicted else "not found"
            text = f"{item.probability:.2f} of {item.threshold:.2f} needed: {decision}"
            self.write((x + 290, y), text, 12, width=SIDE - 290)

    def _bar(self, at: tuple[int, int], item: LabelScore) -> None:
        x, y, width, height = *at, 60, 8
        self.pen.rectangle((x, y, x + width, y + height), fill=RULE)
        end = x + round(width * min(max(item.probability, 0.0), 1.0))
        self.pen.rectangle((x, y, end, y + height), fill=INK if item.predicted else QUIET)
        tick = x + round(width * item.threshold)
        self.pen.line((tick, y - 3, tick, y + height + 3), fill=INK, width=2)

    def legend(self, at: tuple[int, int], explanation: Explanation, notes: Sequence[str]) -> None:
        """The colour bar with its texts."""
        x, y = at
        key = legend(explanation, width=SIDE)
        self.image.paste(Image.fromarray(key.bar), (x, y + 2))
        self.write((x, y + 20), key.against, 13, width=200)
        middle = _font(13)
        self.pen.text((x + SIDE // 2, y + 20), key.neutral, fill=INK, font=middle, anchor="ma")
        text = _drawable(key.speaks_for, middle)
        self.pen.text((x + SIDE, y + 20), text, fill=INK, font=middle, anchor="ra")
        for number, line in enumerate(notes):
            self.write((x, y + 44 + number * NOTE_LINE), line, 12, QUIET, width=SIDE)

    def footer(self, height: int, lines: Sequence[str]) -> None:
        """Where everything comes from, above the lower edge."""
        y = height - GAP - FOOTER_LINE * len(lines)
        self.pen.line((GAP, y - 10, WIDTH - GAP, y - 10), fill=RULE)
        for line in lines:
            self.write((GAP, y), line, 12, QUIET)
            y += FOOTER_LINE

    def png(self) -> bytes:
        """The sheet as a PNG file."""
        out = io.BytesIO()
        self.image.save(out, "PNG", optimize=True)
        return out.getvalue()


@lru_cache(maxsize=32)
def _font(size: int, *, bold: bool = False) -> Font:
    """DejaVu Sans, which comes with captum by way of matplotlib; else Pillow's own font."""
    spec = importlib.util.find_spec("matplotlib")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
        path = Path(folder) / "mpl-data" / "fonts" / "ttf" / name
        if path.is_file():
            return ImageFont.truetype(str(path), size)
    return ImageFont.load_default(size)


_ASCII: Final = str.maketrans({"×": "x", "–": "-", "−": "-", "≥": ">=", "·": ";", "²": "2"})


def _drawable(text: str, font: Font) -> str:
    """The text in letters that the font has: Pillow's own knows little beyond ASCII."""
    if isinstance(font, ImageFont.FreeTypeFont) and "DejaVu" in str(font.getname()[0]):
        return text
    return text.translate(_ASCII).encode("ascii", "replace").decode()


def _fit(text: str, font: Font, width: int) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…"


def _wrap(text: str, font: Font, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
