"""The report of a classification: the object that ``landcover classify --json`` prints.

Text and CSV (:mod:`landcover.report.classification_table`) are written from the same object, so
all three forms agree. One report serves patches and colour pictures: a picture has no location or
date, and its report lists its limits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import model_validator

from landcover import __version__
from landcover.core.bands import EUROSAT_PIXELS, PIXEL_M
from landcover.core.classes import BY_NAME, OWN_THEME, THEMES, cover_of
from landcover.core.raster import Raster
from landcover.core.schema import Schema
from landcover.core.text import place_text, plain, time_text
from landcover.decide.conformal import Basis, Certainty
from landcover.models.model import LabelScore
from landcover.models.thresholds import AIMS, DEFAULT_AIM
from landcover.trust.result import Result
from landcover.trust.verdict import Quality, Verdict
from landcover.trust.wording import OUTCOMES, Outcome, next_step, outcome

__all__ = ["RGB_MODEL_REASON", "ClassificationReport", "View", "label_rows", "report_of", "view"]

VERSION: Final = 1
RGB_MODEL_REASON: Final = "chosen because this picture has only red, green and blue"


@dataclass(frozen=True, kw_only=True)
class View:
    """A window of a picture and its position.

    Attributes:
        picture: the window, of the size that models take as input.
        row, col: its upper left pixel in the full picture.
        full_size: rows and columns of the full picture.
    """

    picture: Raster
    row: int
    col: int
    full_size: tuple[int, int]


def view(picture: Raster, at: tuple[int, int] | None = None) -> View:
    """Cut the window whose upper left pixel is ``at`` (row, column), by default the centre one.

    Raises:
        BadInput: the window does not lie entirely inside the picture.
    """
    row, col = picture.centre_corner(EUROSAT_PIXELS) if at is None else at
    window = picture.window(row, col, EUROSAT_PIXELS)
    return View(picture=window, row=row, col=col, full_size=(picture.height, picture.width))


class LabelRow(Schema):
    """One class of a report.

    ``outcome`` is the decision and the certainty in one word (:data:`OUTCOMES`). If the verdict is
    "can't tell", no class is predicted or certain, and none has an outcome.
    """

    label: str
    theme: str
    probability: float
    threshold: float
    predicted: bool
    certainty: Certainty | None
    outcome: Outcome | None


class Centre(Schema):
    """Centre of the window, in degrees (WGS 84)."""

    latitude: float
    longitude: float


class Corner(Schema):
    """Upper left pixel of a window in the full picture."""

    row: int
    col: int


class Origin(Schema):
    """Provenance of the pixels and of the prediction.

    ``bounds`` are west, south, east, north in ``crs`` (metres). Only pictures have ``window``,
    ``picture_pixels`` (rows and columns of the full picture) and ``model_choice`` (why this model
    was used). Only models that estimate bands have ``estimated_bands`` and ``gives_up``, a sentence
    on what that costs.
    """

    source: str
    level: str
    scene: str | None
    processing_baseline: str | None
    scaling: str
    resampling: str
    band_order: str
    missing_bands: tuple[str, ...]
    native_pixel_m: float | None
    padded_fraction: float
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
    estimated_bands: tuple[str, ...] | None = None
    gives_up: str | None = None
    card_hash: str
    landcover: str


class ClassificationReport(Schema):
    """The prediction for a patch or picture, with the verdict and the provenance.

    Attributes:
        source: the path or name that the user gave.
        headline: which land covers are there, and whether to rely on it.
        next_step: what to do about the most severe finding; empty if its sentence says it, or if
            there is none.
        labels: the classes; for a patch in the order of the nomenclature.
        abstained: whether the verdict is "cannot tell".
        limits: the limits of a picture compared with twelve bands; only pictures have it.
        label_sets: what the certainties rest on; only models with label sets have it.
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
    label_sets: Basis | None = None
    provenance: Origin
    schema_version: Literal[1]
    headline: str
    next_step: str

    @model_validator(mode="before")
    @classmethod
    def _share_quality(cls, raw: Any) -> Any:  # noqa: ANN401 - raw input of any type
        """Copy quality and abstained into the verdict, since JSON has them only once."""
        if not (isinstance(raw, dict) and isinstance(raw.get("quality"), dict)):
            return raw
        quality = {**raw["quality"], "abstained": raw.get("abstained")}
        verdict = raw.get("verdict")
        if isinstance(verdict, dict):
            verdict = {**verdict, "quality": quality}
        return {**raw, "quality": quality, "verdict": verdict}

    @property
    def ranked(self) -> tuple[LabelRow, ...]:
        """The classes by falling probability."""
        return tuple(sorted(self.labels, key=lambda row: -row.probability))

    @property
    def verdict_lines(self) -> list[str]:
        """The verdict with its reason, what to do, further findings and skipped checks."""
        judged = self.verdict
        return [
            f"  verdict: {judged.label}. {plain(judged.reason)}",
            *([f"  next: {self.next_step}"] if self.next_step else []),
            *(f"  warning: {plain(one.sentence)}" for one in judged.findings[1:]),
            *(f"  not checked: {plain(text)}" for text in judged.unchecked),
        ]

    def as_text(self) -> str:
        """Format the report for a terminal, classes by falling probability.

        The classes of a patch are grouped by theme.
        """
        lines = [f"{plain(self.source)}: {self.headline}", *self._where(), *self.verdict_lines]
        if self.limits is None:
            for theme in self._themes():
                rows = tuple(row for row in self.ranked if row.theme == theme)
                lines += ["", f"  {theme}", *(_label_line(row, row.label) for row in rows)]
        else:
            lines += [f"  note: {text}" for text in self.provenance.notes]
            rows = self.ranked
            lines += ["", *(_label_line(row, cover_of(row.label).short) for row in rows), ""]
            lines += [f"  {text}" for text in self.limits]
        lines += ["", *self._meanings()] if self._meanings() else []
        return "\n".join(lines) + "\n"

    def _meanings(self) -> list[str]:
        """What the words next to the probabilities mean."""
        used = {row.outcome for row in self.labels}
        return [f"  {word}: {meaning}" for word, meaning in OUTCOMES.items()
                if word in used and word != "not found"]  # fmt: skip

    def _where(self) -> list[str]:
        """Location and time, or the window of a picture; then the model and its aim."""
        origin = self.provenance
        model = "\n".join([f"  model {self.model}, card {origin.card_hash}", *self._cost()])
        if origin.window is not None and origin.picture_pixels is not None:
            rows, cols = origin.picture_pixels
            height, width = origin.pixels
            size = f"  {height} × {width} pixels"
            if (rows, cols) != (height, width):
                size += (
                    f" from row {origin.window.row}, column {origin.window.col} of "
                    f"{rows} × {cols}; choose another part with --window ROW,COL"
                )
            choice = f"  model {self.model}, {origin.model_choice}, card {origin.card_hash}"
            return [size, choice]
        time = time_text(origin.acquired)
        if origin.centre is None:
            return [f"  {time}, no location", model, *self._aim()]
        place = place_text(origin.centre.latitude, origin.centre.longitude)
        return [f"  {time}, {place}, {origin.crs}", model, *self._aim()]

    def _cost(self) -> list[str]:
        """What the missing bands cost, unless a finding says it."""
        cost = self.provenance.gives_up
        said = {one.sentence for one in self.verdict.findings}
        return [f"  {cost}"] if cost and cost not in said else []

    def _aim(self) -> list[str]:
        if self.aim == DEFAULT_AIM:
            return []
        lines = [f"  aim: {AIMS[self.aim].title}, as measured on validation"]
        if self.aim_fallback:
            kept = "; ".join(self.aim_fallback)
            lines.append(f"  target not reached, so these keep their usual threshold: {kept}")
        return lines

    def _themes(self) -> list[str]:
        """The themes of the classes, by falling highest probability."""
        best: dict[str, float] = {}
        for row in self.ranked:
            best.setdefault(row.theme, row.probability)
        every = (*THEMES, OWN_THEME)
        return sorted((theme for theme in every if theme in best), key=lambda t: -best[t])


def report_of(
    found: Result,
    source: str,
    *,
    seen: View | None = None,
    limits: tuple[str, ...] = (),
    choice: str = RGB_MODEL_REASON,
) -> ClassificationReport:
    """Make the report of a result.

    Args:
        found: prediction and verdict.
        source: the path or name that the user gave.
        seen: for a picture, the window that was classified.
        limits: the limits of a picture (:func:`landcover.report.picture_limits.limits_of`).
        choice: why this model was used for a picture.
    """
    prediction, quality = found.prediction, found.quality
    extra: dict[str, Any] = {} if seen is None else {"limits": limits}
    if prediction.basis is not None:
        extra["label_sets"] = prediction.basis
    return ClassificationReport(
        source=plain(source),
        model=prediction.model,
        aim=prediction.aim,
        aim_fallback=prediction.aim_fallback,
        labels=label_rows(found),
        abstained=quality.abstained,
        quality=quality,
        verdict=found.verdict,
        **extra,
        provenance=_origin(found, seen, choice),
        schema_version=VERSION,
        headline=found.headline,
        next_step=next_step(found.verdict),
    )


def label_rows(found: Result) -> tuple[LabelRow, ...]:
    """List the classes of a result in the order of the nomenclature, others as in the card."""
    order = {name: place for place, name in enumerate(BY_NAME)}
    labels = sorted(found.prediction.labels, key=lambda item: order.get(item.label, len(order)))
    return tuple(_row(item, abstained=found.quality.abstained) for item in labels)


def _row(item: LabelScore, *, abstained: bool) -> LabelRow:
    return LabelRow(
        label=item.label,
        theme=cover_of(item.label).theme,
        probability=item.probability,
        threshold=item.threshold,
        predicted=item.predicted and not abstained,
        certainty=None if abstained else item.certainty,
        outcome=None if abstained else outcome(item),
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
    if found.estimated:
        values |= {"estimated_bands": found.estimated, "gives_up": found.gives_up}
    if seen is not None:
        values["window"] = Corner(row=seen.row, col=seen.col)
        values |= {"picture_pixels": seen.full_size, "model_choice": choice}
    return Origin(**values)


def _label_line(row: LabelRow, name: str) -> str:
    # Names come last: the longest has 86 letters and would misalign the other columns.
    word = "-" if row.outcome in (None, "not found") else row.outcome
    return f"    {word:<9}{100 * row.probability:>5.1f} %   {name}"
