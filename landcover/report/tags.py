"""What every file of a result says of itself: source, place, verdict, labels and model.

A GeoTIFF has it as tags, a PNG file as text chunks, a table as columns, a JSON file as an object.
"""

from __future__ import annotations

import io
from collections.abc import Mapping

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from landcover import __version__
from landcover.core.text import plain
from landcover.trust.result import Result

__all__ = ["tags_of", "with_tags"]


def tags_of(found: Result) -> dict[str, str]:
    """Return the tags of a result: name → one line of text; what is not known is absent.

    Longitude and latitude are those of the centre, in degrees (WGS 84).
    """
    raster, prediction = found.raster, found.prediction
    tags = {"source": plain(raster.provenance.source)}
    if raster.provenance.scene:
        tags["scene"] = plain(raster.provenance.scene)
    if raster.acquired is not None:
        tags["acquired"] = raster.acquired.isoformat()
    if raster.has_place:
        latitude, longitude = raster.centre
        tags |= {"latitude": f"{latitude:.6f}", "longitude": f"{longitude:.6f}"}
    labels = () if found.quality.abstained else prediction.predicted
    tags |= {
        "verdict": found.verdict.label,
        "reason": found.verdict.reason,
        "headline": found.headline,
        "labels": "; ".join(f"{score.label} ({score.probability:.0%})" for score in labels)
        or "none",
        "model": f"{prediction.model}, card {prediction.card_hash}, aim {prediction.aim}",
        "software": f"landcover {__version__}",
    }
    return tags


def with_tags(png: bytes, tags: Mapping[str, str]) -> bytes:
    """Add tags to a PNG file as text chunks; its pixels stay the same."""
    chunks = PngInfo()
    for name, text in tags.items():
        chunks.add_itxt(name.capitalize(), text)
    out = io.BytesIO()
    with Image.open(io.BytesIO(png)) as picture:
        picture.save(out, "PNG", pnginfo=chunks, optimize=True)
    return out.getvalue()
