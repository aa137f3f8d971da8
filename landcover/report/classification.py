"""The report of a classification: the object that ``landcover classify --json`` prints.

Text and CSV are made from it, so that all three say the same. One report serves patches and
pictures: a picture has no place or date, and says beside its answer what it gives up.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import model_validator

from landcover import __version__
from landcover.core.bands import EUROSAT_PIXELS, PIXEL_M
from landcover.core.classes import BY_NAME, THEMES
from landcover.core.raster import Raster
from landcover.core.schema import Schema
from landcover.core.text import place_text, plain, time_text
from landcover.decide.conformal import Certainty
from landcover.models.card import EVEN
from landcover.models.model import LabelScore
from landcover.models.thresholds import AIMS, DEFAULT_AIM
from landcover.trust.result import Result
from landcover.trust.verdict import DECISION_LABELS, Quality, Verdict

__all__ = ["RGB_MODEL_REASON", "ClassificationReport", "View", "label_rows", "report_of", "view"]

VERSION: Final = 1
RGB_MODEL_REASON: Final = "chosen because this is a picture of red, green and blue"
UNSURE: Final = "not sure, for no cover has half of the probability"
PATCH_COLUMNS: Final = (
    "source",
    "acquired",
    "latitude",
    "longitude",
    "model",
    "card_hash",
    "theme",
    "label",
    "probability",
    "threshold",
    "predicted",
    "certainty",
    "aim",
)
PICTURE_COLUMNS: Final = (
    "source",
    "row",
    "col",
    "model",
    "card_hash",
    "theme",
    "label",
    "probability",
    "predicted",
)


@dataclass(frozen=True, kw_only=True)
class View:
    """A window of a picture, and where it lies.

    Attributes:
        picture: the window, of the size that models look at.
        row, col: its upper left pixel in the whole.
        whole: rows and columns of the whole.
    """

    picture: Raster
    row: int
    col: int
    full_size: tuple[int, int]


def view(whole: Raster, at: tuple[int, int] | None = None) -> View:
    """The window whose upper left pixel is ``at`` (row, column), else the middle one.

    Raises:
        BadInput: it does not lie wholly inside the picture.
    """
    row, col = whole.centre_corner(EUROSAT_PIXELS) if at is None else at
    window = whole.window(row, col, EUROSAT_PIXELS)
    return View(picture=window, row=row, col=col, full_size=(whole.height, whole.width))


class LabelRow(Schema):
    """One class of a report. Where the program abstains, none is predicted or certain."""

    label: str
    theme: str
    probability: float
    threshold: float
    predicted: bool
    certainty: Certainty | None


class Centre(Schema):
    """Middle of the window, WGS 84 degrees."""

    latitude: float
    longitude: float


class Corner(Schema):
    """Upper left pixel of a window in the whole picture."""

    row: int
    col: int


class Origin(Schema):
    """Where pixels and answer come from.

    ``bounds`` are west, south, east, north in ``crs`` (metres). ``window``, ``picture_pixels``
    (rows and columns of the whole) and ``model_choice`` (why this model was asked) are there
    for pictures only.
    """

    source: str
    level: str
    scene: str | None
    processing_baseline: str | None
    scaling: str
    resampling: str
    band_order: str
    missing_bands: tuple[str, ...]
    notes: tuple[str, ...]
    acquired: str | None
    crs: str | None
    bounds: tuple[float, float, float, float] | None
    centre: Centre | None
    pixels: tuple[int, int]
    pixel_m: int | float | None
    window: Corner | None = None
    picture_pixels: tuple[int, int] | None = None
    bands: tuple[str, ...]
    model: str
    model_choice: str | None = None
    card_hash: str
    landcover: str


class ClassificationReport(Schema):
    """What a model says of a patch or picture, with the verdict and where it comes from.

    Attributes:
        source: what the user named.
        labels: the classes; of a patch in the nomenclature's order.
        abstained: whether the verdict is "cannot tell".
        limits: what a picture gives up; only pictures have it.
    """

    source: str
    model: str
    aim: str
    aim_fallback: tuple[str, ...]
    labels: tuple[LabelRow, ...]
    abstained: bool
    quality: Quality
    verdict: Verdict
    limits: tuple[str, ...] | None = None
    provenance: Origin
    schema_version: Literal[1]

    @model_validator(mode="before")
    @classmethod
    def _share_quality(cls, raw: Any) -> Any:  # noqa: ANN401 - of whatever is to be checked
        """In JSON quality and abstained stand once, and the verdict needs them too."""
        if not (isinstance(raw, dict) and isinstance(raw.get("quality"), dict)):
            return raw
        quality = {**raw["quality"], "abstained": raw.get("abstained")}
        verdict = raw.get("verdict")
        if isinstance(verdict, dict):
            verdict = {**verdict, "quality": quality}
        return {**raw, "quality": quality, "verdict": verdict}

    @property
    def ranked(self) -> tuple[LabelRow, ...]:
        """The classes, the most probable first."""
        return tuple(sorted(self.labels, key=lambda row: -row.probability))

    @property
    def summary(self) -> str:
        """The classes that are called, the most probable first, or why there are none."""
        if self.abstained:
            return "no answer, because the pixels cannot be trusted"
        found = [row for row in self.ranked if row.predicted]
        if not found:
            return "no class reaches its threshold"
        said = ", ".join(f"{BY_NAME[row.label].short} {row.probability:.0%}" for row in found)
        unsure = self.limits is not None and found[0].probability < EVEN
        return f"{said}; {UNSURE}" if unsure else said

    @property
    def warning_lines(self) -> list[str]:
        """The verdict with its reason, and what else speaks against the answer, a line each."""
        if self.limits is not None:
            return [f"  warning: {text}" for text in self.quality.warnings]
        return self.verdict_lines

    @property
    def verdict_lines(self) -> list[str]:
        """The verdict with its reason, further findings, and what was not checked."""
        judged = self.verdict
        return [
            f"  verdict: {DECISION_LABELS[judged.decision]}. {plain(judged.reason)}",
            *(f"  warning: {plain(one.sentence)}" for one in judged.findings[1:]),
            *(f"  not checked: {plain(text)}" for text in judged.unchecked),
        ]

    def as_text(self) -> str:
        """The report as a person reads it in a terminal, the most probable class first.

        A patch's classes are grouped by theme.
        """
        lines = [f"{plain(self.source)}: {self.summary}", *self._where(), *self.warning_lines]
        if self.limits is None:
            for theme in self._themes():
                rows = [row for row in self.ranked if row.theme == theme]
                lines += ["", f"  {theme}", *map(_patch_line, rows)]
        else:
            lines += [f"  note: {text}" for text in self.provenance.notes]
            lines += ["", *map(_picture_line, self.ranked), ""]
            lines += [f"  {text}" for text in self.limits]
        return "\n".join(lines) + "\n"

    def as_csv(self) -> str:
        """The report as a CSV table, one class a row, with a heading."""
        origin = self.provenance
        if origin.centre is not None:
            columns: Sequence[str] = PATCH_COLUMNS
            place = {
                "acquired": origin.acquired or "",
                "latitude": f"{origin.centre.latitude:.6f}",
                "longitude": f"{origin.centre.longitude:.6f}",
            }
        else:
            columns = PICTURE_COLUMNS
            place = {} if origin.window is None else origin.window.as_dict()
        shared = {
            "source": no_formula(self.source),
            **place,
            "model": self.model,
            "card_hash": origin.card_hash,
            "aim": self.aim,
        }
        out = io.StringIO()
        writer = csv.DictWriter(out, columns, lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows({**shared, **row.as_dict()} for row in self.labels)
        return out.getvalue()

    def _where(self) -> list[str]:
        """Place and time, or the window of a picture; then the model and its aim."""
        origin = self.provenance
        model = f"  model {self.model}, card {origin.card_hash}"
        if origin.window is not None and origin.picture_pixels is not None:
            rows, cols = origin.picture_pixels
            height, width = origin.pixels
            said = f"  {height} × {width} pixels"
            if (rows, cols) != (height, width):
                said += (
                    f" from row {origin.window.row}, column {origin.window.col} of "
                    f"{rows} × {cols}; --window ROW,COL shows another part"
                )
            choice = f"  model {self.model}, {origin.model_choice}, card {origin.card_hash}"
            return [said, choice]
        time = time_text(origin.acquired)
        if origin.centre is None:
            return [f"  {time}, no place", model, *self._aim()]
        place = place_text(origin.centre.latitude, origin.centre.longitude)
        return [f"  {time}, {place}, {origin.crs}", model, *self._aim()]

    def _aim(self) -> list[str]:
        if self.aim == DEFAULT_AIM:
            return []
        lines = [f"  aim: {AIMS[self.aim].title}, as measured on validation"]
        if self.aim_fallback:
            kept = "; ".join(self.aim_fallback)
            lines.append(f"  not brought there, so they keep their usual threshold: {kept}")
        return lines

    def _themes(self) -> list[str]:
        """Themes that have classes here, by their highest probability."""
        best: dict[str, float] = {}
        for row in self.ranked:
            best.setdefault(row.theme, row.probability)
        return sorted((theme for theme in THEMES if theme in best), key=lambda t: -best[t])


def report_of(
    found: Result,
    source: str,
    *,
    seen: View | None = None,
    limits: tuple[str, ...] = (),
    choice: str = RGB_MODEL_REASON,
) -> ClassificationReport:
    """The report of a result.

    Args:
        found: prediction and verdict.
        source: what the user named.
        seen: for a picture the window that was looked at.
        limits: what the picture gives up (:func:`landcover.report.picture_limits.limits_of`).
        choice: why this model was asked about a picture.
    """
    prediction, quality = found.prediction, found.quality
    picture = {} if seen is None else {"limits": limits}
    return ClassificationReport(
        source=plain(source),
        model=prediction.model,
        aim=prediction.aim,
        aim_fallback=prediction.aim_fallback,
        labels=label_rows(found),
        abstained=quality.abstained,
        quality=quality,
        verdict=found.verdict,
        **picture,
        provenance=_origin(found, seen, choice),
        schema_version=VERSION,
    )


def label_rows(found: Result) -> tuple[LabelRow, ...]:
    """The classes of a result in the nomenclature's order."""
    order = list(BY_NAME)
    labels = sorted(found.prediction.labels, key=lambda item: order.index(item.label))
    return tuple(_row(item, abstained=found.quality.abstained) for item in labels)


def _row(item: LabelScore, *, abstained: bool) -> LabelRow:
    return LabelRow(
        label=item.label,
        theme=BY_NAME[item.label].theme,
        probability=item.probability,
        threshold=item.threshold,
        predicted=item.predicted and not abstained,
        certainty=None if abstained else item.certainty,
    )


def _origin(found: Result, seen: View | None, choice: str) -> Origin:
    raster, prediction = found.raster, found.prediction
    centre = bounds = None
    pixel: float | None = raster.pixel_m
    if raster.has_place:
        _, (a, b, c, d, e, f) = raster.georeference
        corners = [(0, 0), (0, raster.width), (raster.height, 0), (raster.height, raster.width)]
        xs = [a * col + b * row + c for row, col in corners]
        ys = [d * col + e * row + f for row, col in corners]
        bounds = (min(xs), min(ys), max(xs), max(ys))
        latitude, longitude = raster.centre
        centre = Centre(latitude=latitude, longitude=longitude)
        pixel = PIXEL_M
    values: dict[str, Any] = {
        **raster.provenance.as_dict(),
        "acquired": raster.acquired.isoformat() if raster.acquired else None,
        "crs": raster.crs,
        "bounds": bounds,
        "centre": centre,
        "pixels": (raster.height, raster.width),
        "pixel_m": pixel,
        "bands": raster.bands,
        "model": prediction.model,
        "card_hash": prediction.card_hash,
        "landcover": __version__,
    }
    if seen is not None:
        values["window"] = Corner(row=seen.row, col=seen.col)
        values |= {"picture_pixels": seen.full_size, "model_choice": choice}
    return Origin(**values)


def _patch_line(row: LabelRow) -> str:
    # Names come last: the longest has 86 letters and would push everything else aside.
    mark = "yes" if row.predicted else "-"
    chance, needed = 100 * row.probability, 100 * row.threshold
    word = f"{row.certainty:<11}" if row.certainty else ""
    return f"    {mark:<4}{chance:>5.1f} %   needs {needed:>5.1f} %   {word}{row.label}"


def _picture_line(row: LabelRow) -> str:
    mark = "yes" if row.predicted else "-"
    return f"    {mark:<4}{100 * row.probability:>5.1f} %   {row.label}"


def no_formula(text: str) -> str:
    """A user's text that no spreadsheet runs: it would take ``=…`` for a formula."""
    return "'" + text if text.startswith(("=", "+", "-", "@")) else text
