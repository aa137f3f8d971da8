"""Where the pixels and the prediction come from, as rows of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from landcover.core.bands import COMPOSITES
from landcover.core.raster import Raster
from pages.parts.shared import choice

if TYPE_CHECKING:  # at run time it would load torch before the map is drawn
    from landcover.models.card import Card
    from landcover.trust.result import Result


def rows(chosen: choice.Chosen, pixels: Raster, found: Result, card: Card) -> dict[str, str]:
    """Return the source of a patch or of a window of a colour picture, and of the prediction."""
    source, picture = pixels.provenance, choice.picture_of(chosen)
    own = _of_patch(pixels, found) if picture is None else _of_picture(chosen, picture)
    return {
        "Source": source.source,
        **own,
        **_of_place(pixels),
        "Scaling": source.scaling,
        "Notes": "; ".join(source.notes) or "none",
        "Pixels without data": f"{pixels.nodata_fraction:.1%}",
        "Model": f"{card.title}, card {found.prediction.card_hash}",
        "Trained on": _trained_on(card.training),
        **({} if card.exclusive else {"Thresholds": card.threshold_rule}),
        "Calibration": _calibrated(card),
    }


def _of_patch(patch: Raster, found: Result) -> dict[str, str]:
    source = patch.provenance
    return {
        "Scene": source.scene or "not stated",
        "Taken": f"{patch.acquired:%Y-%m-%d %H:%M} UTC" if patch.acquired else "not stated",
        "Level": source.level,
        "Processing baseline": source.baseline or "not stated",
        "Bands": f"{' '.join(patch.bands)}, order taken from: {source.band_order}",
        "Missing bands": ", ".join(source.missing_bands) or "none",
        **({"Estimated bands": found.gives_up} if found.gives_up else {}),
        "Resampling": source.resampling,
        "Reflected pixels": f"{source.padded_fraction:.0%}",
        "Cloud and shadow here": _share(found.quality.cloud_fraction),
        "Contrast of the views": "reflectance from black to white: "
        + "; ".join(f"{v.name} {v.low:g} to {v.high:g}" for v in COMPOSITES)
        + "; gamma 1.6, the same for every patch",
    }


def _of_picture(chosen: choice.Chosen, picture: Raster) -> dict[str, str]:
    return {
        "Size": f"{picture.height} × {picture.width} pixels",
        "Window": f"from row {chosen.row}, column {chosen.col}",
    }


def _of_place(pixels: Raster) -> dict[str, str]:
    if not pixels.has_place:
        return {"Place": "unknown; a pixel is taken as 10 m"}
    crs, (a, _, west, _, e, north) = pixels.georeference
    return {
        "Coordinate reference system": crs,
        "Upper left corner": f"{west:.1f}, {north:.1f} (pixels of {a:g} × {-e:g} m)",
    }


def _calibrated(card: Card) -> str:
    """Return which calibration the probabilities have, or why none."""
    if card.calibration.method == "none":
        tried = card.calibration.evidence is not None
        return "none" + ": none lowered the log loss on held-out places" * tried
    if card.calibration.kept is None:
        return card.calibration.method
    kept = len(card.calibration.kept)
    return f"scale and shift of {kept} of {len(card.classes)} classes, kept where the error fell"


def _share(fraction: float | None) -> str:
    if fraction is None:
        return "not measured: the source has no scene classification"
    return f"{fraction:.1%}"


def _trained_on(training: dict[str, Any]) -> str:
    splits = " and ".join(str(name) for name in training.get("splits", ())) or "not stated"
    return f"{training.get('dataset', 'not stated')}, split {splits}"
