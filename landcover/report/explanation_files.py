"""Explanations as files: GeoTIFF for maps, JSON for programs, PNG for people.

All say which model, weights and method they come from, so that a map that is found years
later can be made again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from landcover.core.classes import BY_NAME
from landcover.core.errors import BadInput
from landcover.core.raster import Raster
from landcover.explain.band_attribution import GROUPS, BandEvidence
from landcover.explain.explanation import METHODS, Explanation
from landcover.io import geotiff_writer

__all__ = ["SUFFIXES", "as_geotiff", "as_json", "bands_text"]

SUFFIXES: Final = (".png", ".tif", ".json")
"""What files may end in."""


def as_json(record: dict[str, Any]) -> bytes:
    """A record as an indented JSON file."""
    return (json.dumps(record, ensure_ascii=False, allow_nan=False, indent=1) + "\n").encode()


def as_geotiff(patch: Raster, explanations: Sequence[Explanation]) -> bytes:
    """A GeoTIFF in the patch's CRS: float32, one band an explanation, NaN without data.

    Each band has its class and method as description (and its model, where there are
    several), its unit, and the value in full colour as the tag ``FULL_COLOUR``.

    Raises:
        BadInput: a picture has no place; or there is no explanation.
    """
    if not patch.has_place:
        raise BadInput(
            "A picture has no place on the ground, so there is no GeoTIFF of it: "
            "write a .png or .json file."
        )
    if not explanations:
        raise BadInput("There is no explanation to write: name a class and a method.")
    models = {each.card_hash: each.model for each in explanations}

    def fill(file: Any) -> None:  # noqa: ANN401 - rasterio's dataset, which has no types
        for number, each in enumerate(explanations, start=1):
            file.write(np.where(patch.valid, each.attribution, np.float32("nan")), number)
            said = f"{BY_NAME[each.label].short}: {METHODS[each.method].title}"
            said += f", {each.model}" if len(models) > 1 else ""
            file.set_band_description(number, said)
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
            MODEL=", ".join(models.values()),
            MODEL_CARD_HASH=", ".join(models),
            MEANING="above 0 a pixel speaks for the class, below 0 against it",
        )

    return geotiff_writer.write_maps(patch, len(explanations), fill)


def bands_text(evidence: BandEvidence) -> str:
    """A class's dependence on bands as a person reads it in a terminal."""
    name = BY_NAME[evidence.label].short
    lines = [f"{name} without some bands: the score ({evidence.score:+.2f}) falls by"]
    for group in GROUPS:
        if group in evidence.groups:
            bands = ", ".join(f"{b} {evidence.bands[b]:+.2f}" for b in evidence.members[group])
            lines.append(f"  {group:<19}{evidence.groups[group]:+.2f}   ({bands})")
    if not evidence.groups:
        lines.append("  " + ", ".join(f"{b} {value:+.2f}" for b, value in evidence.bands.items()))
    return "\n".join(lines)
