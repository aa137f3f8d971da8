"""Explanations as GeoTIFF and JSON files.

Every file names the model, the weights and the method, so that its map can be reproduced later.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from landcover.core.classes import cover_of
from landcover.core.errors import BadInput
from landcover.core.raster import Raster
from landcover.explain.band_attribution import GROUPS, BandEvidence
from landcover.explain.explanation import METHODS, Explanation
from landcover.io import geotiff_writer

__all__ = ["SUFFIXES", "as_geotiff", "as_json", "bands_text"]

SUFFIXES: Final = (".png", ".tif", ".json")
"""Allowed file extensions."""


def as_json(record: dict[str, Any]) -> bytes:
    """Format a record as an indented JSON file."""
    return (json.dumps(record, ensure_ascii=False, allow_nan=False, indent=1) + "\n").encode()


def as_geotiff(
    patch: Raster,
    explanations: Sequence[Explanation],
    tags: Mapping[str, str] | None = None,
) -> bytes:
    """Write explanations as a GeoTIFF in the patch's CRS: float32, one band per explanation.

    Pixels without data are NaN. Each band has its class and method (and its model, if there are
    several) as description, its unit, and the value drawn in full colour as tag ``FULL_COLOUR``.

    Args:
        patch: the patch that was explained.
        explanations: one or more.
        tags: what the file says of the result (:func:`landcover.report.tags.tags_of`).

    Raises:
        BadInput: the patch is a picture without a location, or there is no explanation.
    """
    if not patch.has_place:
        raise BadInput(
            "A picture has no location, so it cannot be written as a GeoTIFF: "
            "write a .png or .json file."
        )
    if not explanations:
        raise BadInput("There is no explanation to write: name a class and a method.")
    models = {each.card_hash: each.model for each in explanations}

    def fill(file: Any) -> None:  # noqa: ANN401 - rasterio's dataset, which has no types
        for number, each in enumerate(explanations, start=1):
            file.write(np.where(patch.valid, each.attribution, np.float32("nan")), number)
            title = f"{cover_of(each.label).short}: {METHODS[each.method].title}"
            title += f", {each.model}" if len(models) > 1 else ""
            file.set_band_description(number, title)
            file.update_tags(
                number,
                LABEL=each.label,
                METHOD=each.method,
                MODEL=each.model,
                MODEL_CARD_HASH=each.card_hash,
                BASELINE=each.baseline,
                FULL_COLOUR=f"{each.scale:.9g}",
                SCALE_RULE=each.scale_rule,
            )
        file.units = [each.unit for each in explanations]
        file.update_tags(
            MODEL_CARD_HASH=", ".join(models),
            MEANING="above 0 a pixel is evidence for the class, below 0 against it",
        )

    own = {"MODEL": ", ".join(models.values())}
    return geotiff_writer.write_maps(patch, len(explanations), fill, {**(tags or {}), **own})


def bands_text(evidence: BandEvidence) -> str:
    """Format how a class's score depends on the bands, for a terminal."""
    name = cover_of(evidence.label).short
    lines = [f"{name} without some bands: the score ({evidence.score:+.2f}) falls by"]
    for group in GROUPS:
        if group in evidence.groups:
            bands = ", ".join(f"{b} {evidence.bands[b]:+.2f}" for b in evidence.members[group])
            lines.append(f"  {group:<19}{evidence.groups[group]:+.2f}   ({bands})")
    if not evidence.groups:
        lines.append("  " + ", ".join(f"{b} {value:+.2f}" for b, value in evidence.bands.items()))
    return "\n".join(lines)
