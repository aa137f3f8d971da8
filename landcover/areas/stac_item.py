"""The STAC item of a map: what, where, when, and with which model (STAC 1.1, MLM 1.4)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from landcover import __version__
from landcover.areas import legend
from landcover.areas.facts import JOINED, MapFacts, identity
from landcover.areas.layout import COVER, DECISION, PRESENCE, UNIT, Layer, LayerBand
from landcover.areas.outline import outline_of
from landcover.areas.plan import Plan
from landcover.areas.product_files import Written
from landcover.areas.pyramid import Pyramid
from landcover.core.bands import BANDS
from landcover.core.projection import crs_of, epsg_of, wkt_of
from landcover.core.text import plain
from landcover.stac.layouts.footprint import bbox_of, geojson_of

__all__ = ["EXTENSIONS", "as_json", "item_of"]

_SCHEMA: Final = "https://stac-extensions.github.io/{}/schema.json"
EXTENSIONS: Final[tuple[str, ...]] = tuple(
    _SCHEMA.format(name)
    for name in (
        "projection/v2.0.0",
        "raster/v2.0.0",
        "classification/v2.0.0",
        "processing/v1.1.0",
        "file/v2.1.0",
        "mlm/v1.4.0",
    )
)
_COG: Final = "image/tiff; application=geotiff; profile=cloud-optimized"
_MISSION_START: Final = "2015-06-23T00:00:00Z"
"""Launch of Sentinel-2A: start of the time of a map whose scenes have no date."""
_CHUNK: Final = 1 << 20
_NORM_DIGITS: Final = 9


def item_of(
    plan: Plan, pyramids: Mapping[str, Pyramid], facts: MapFacts, written: Written, folder: Path
) -> dict[str, Any]:
    """The item as JSON-ready values.

    Args:
        plan: the grids.
        pyramids: the layers, built.
        facts: how the map was made.
        written: final paths of all files.
        folder: where the files other than the item are now.

    Raises:
        OffEarth: the map is nowhere on Earth.
        OSError: a file cannot be read.
    """
    finest = pyramids.get(COVER, pyramids[PRESENCE])
    outline = outline_of(finest.layer, finest.smallest())
    made = facts.created or datetime.now(UTC)
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": list(EXTENSIONS),
        "id": f"{_slug(written.presence.stem)}-{identity(facts, plan)}",
        "geometry": geojson_of(outline),
        "bbox": list(bbox_of(outline)),
        "properties": {
            "title": f"Land cover of {plain(facts.area or written.presence.stem)}",
            "description": _description(pyramids),
            "created": _time(made),
            **_when(facts, made),
            **_crs(finest.layer),
            "constellation": "sentinel-2",
            "gsd": float(finest.layer.grid.pixel_m),
            "license": "other",
            "processing:level": "L3",
            "processing:software": {"landcover": __version__},
            "processing:lineage": _lineage(facts),
            "landcover:step_pixels": plan.step,
            "landcover:estimated_bands": list(facts.estimated_bands),
            "landcover:card": facts.card.hash,
            **({"landcover:cover_head": facts.cover_hash} if facts.cover_hash else {}),
            "bands": [_input_band(name) for name in facts.card.bands],
            **_model(facts),
        },
        "links": _links(facts),
        "assets": _assets(pyramids, facts, written, folder),
    }


def _links(facts: MapFacts) -> list[dict[str, str]]:
    """Links to the scenes of which the address is known, each once."""
    names = dict.fromkeys(name for scene in facts.scenes for name in scene.name.split(JOINED))
    return [
        {"rel": "derived_from", "href": facts.items[name], "title": plain(name)}
        for name in names
        if name in facts.items
    ]


def as_json(item: Mapping[str, Any]) -> bytes:
    """The item as a JSON file."""
    return (json.dumps(item, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _description(pyramids: Mapping[str, Pyramid]) -> str:
    return " ".join(pyramid.layer.title for pyramid in pyramids.values())


def _when(facts: MapFacts, made: datetime) -> dict[str, str | None]:
    """The sensing time, or the first and the last one."""
    if facts.dates is None:
        return {
            "datetime": None,
            "start_datetime": _MISSION_START,
            "end_datetime": _time(made),
        }
    first, last = map(_time, facts.dates)
    if first == last:
        return {"datetime": first}
    return {"datetime": first, "start_datetime": first, "end_datetime": last}


def _time(moment: datetime) -> str:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _crs(layer: Layer) -> dict[str, Any]:
    crs = crs_of(layer.grid.crs)
    code = epsg_of(crs)
    if code is None:
        return {"proj:code": None, "proj:wkt2": wkt_of(crs)}
    return {"proj:code": f"EPSG:{code}"}


def _lineage(facts: MapFacts) -> str:
    scenes = ", ".join(plain(scene.name) for scene in facts.scenes) or plain(facts.source)
    baselines = sorted({scene.baseline for scene in facts.scenes if scene.baseline})
    parts = [
        f"Computed from {scenes} ({facts.level}"
        + (f", processing baseline {', '.join(baselines)})" if baselines else ")"),
        f"with {plain(facts.card.title)} (card {facts.card.hash})",
    ]
    if facts.estimated_bands:
        parts.append(f"with {', '.join(facts.estimated_bands)} estimated from the other bands")
    return ", ".join(parts) + ". " + " ".join(map(plain, facts.notes))


def _model(facts: MapFacts) -> dict[str, Any]:
    """Fields of the MLM extension."""
    card = facts.card
    batch = [-1, len(card.bands), card.pixels, card.pixels]
    scaling = [
        {
            "type": "z-score",
            "mean": round(mean, _NORM_DIGITS),
            "stddev": round(std, _NORM_DIGITS),
        }
        for mean, std in zip(card.mean, card.std, strict=True)
    ]
    outputs = [_output("presence", ["classification"], card.classes, ("batch", "class"))]
    if facts.covers:
        axes = ("batch", "class", "height", "width")
        outputs.append(_output("cover", ["semantic-segmentation"], facts.covers, axes))
    return {
        "mlm:name": re.sub(r"[^A-Za-z0-9_.-]", "-", card.name),
        "mlm:architecture": card.net,
        "mlm:framework": "PyTorch",
        "mlm:framework_version": torch.__version__,
        "mlm:tasks": [task for output in outputs for task in output["tasks"]],
        "mlm:total_parameters": card.parameters,
        "mlm:accelerator": None,
        "mlm:input": [
            {
                "name": f"{card.level} {card.units}",
                "bands": list(card.bands),
                "input": {
                    "shape": batch,
                    "dim_order": ["batch", "bands", "height", "width"],
                    "data_type": "float32",
                },
                "value_scaling": scaling,
                "resize_type": None,
            }
        ],
        "mlm:output": outputs,
        "mlm:hyperparameters": {
            "calibration": card.calibration.method,
            "aim": facts.aim,
            "threshold_rule": card.threshold_rule,
            "weights_sha256": card.weights_sha256,
        },
    }


def _output(
    name: str, tasks: list[str], classes: tuple[str, ...], axes: tuple[str, ...]
) -> dict[str, Any]:
    return {
        "name": name,
        "tasks": tasks,
        "result": {
            "shape": [len(classes) if axis == "class" else -1 for axis in axes],
            "dim_order": list(axes),
            "data_type": "float32",
        },
        "classification:classes": _classes(classes),
    }


def _classes(names: tuple[str, ...]) -> list[dict[str, Any]]:
    return [
        {
            "value": entry.number,
            "name": _slug(entry.name),
            "title": entry.name,
            "description": entry.name,
            "color_hint": entry.hex[1:].upper(),
        }
        for entry in legend.entries(names)
    ]


def _input_band(name: str) -> dict[str, Any]:
    known = {band.name: band for band in BANDS}.get(name)
    return {"name": name} if known is None else {"name": name, "description": known.title}


def _assets(
    pyramids: Mapping[str, Pyramid], facts: MapFacts, written: Written, folder: Path
) -> dict[str, Any]:
    assets = {name: _raster(pyramids[name], path, folder) for name, path in written.rasters.items()}
    assets["hectares"] = _file(
        folder / written.table.name, "text/csv", "Hectares of each cover", ["metadata"]
    )
    for name, path in zip(written.rasters, written.styles, strict=True):
        assets[f"{name}-style"] = _file(
            folder / path.name, "application/xml", f"QGIS style of the {name}", ["metadata"]
        )
    card = facts.card
    assets["model"] = {
        "href": f"urn:landcover:model:{_slug(card.name)}:{card.hash}",
        "title": f"{plain(card.title)}, card {card.hash}",
        "type": "application/vnd.safetensors",
        "roles": ["mlm:model"],
        "mlm:artifact_type": "safetensors.torch.save_file",
    }
    return assets


def _raster(pyramid: Pyramid, path: Path, folder: Path) -> dict[str, Any]:
    layer = pyramid.layer
    grid = layer.grid
    return {
        **_file(folder / path.name, _COG, layer.title, ["data"]),
        "proj:shape": [grid.height, grid.width],
        "proj:transform": list(grid.transform),
        "raster:spatial_resolution": float(grid.pixel_m),
        "raster:sampling": "area",
        "data_type": "uint8",
        "nodata": layer.nodata,
        "bands": [_band(layer, band) for band in layer.bands],
        **(_decided(pyramid) if layer.name == DECISION else {}),
    }


def _band(layer: Layer, band: LayerBand) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": band.name,
        "description": f"{band.name}: {band.about}",
        "data_type": "uint8",
        "nodata": layer.nodata,
    }
    if band.is_share:
        return {**found, "unit": "1", "raster:scale": UNIT, "raster:offset": 0}
    if band.kind == "flag":
        flags = [
            {"value": entry.number, "name": _slug(entry.name), "description": entry.name}
            for entry in legend.flag_entries()
        ]
        return {**found, "classification:classes": flags}
    if layer.name == DECISION:
        return found  # stated for the asset
    none = {"value": 0, "name": "none", "description": "no class is predicted"}
    return {**found, "classification:classes": [none, *_classes(layer.classes)]}


def _decided(pyramid: Pyramid) -> dict[str, Any]:
    """The classes of the decision, with the number of cells of each and their share."""
    layer, (rows, columns) = pyramid.layer, pyramid.shapes[0]
    counts = np.zeros(256, dtype=np.int64)
    tall = max(1, _CHUNK // columns)
    for top in range(0, rows, tall):
        cells = pyramid.part(0, top, min(tall, rows - top))
        counts += np.bincount(cells.reshape(-1), minlength=256)
    decided = max(int(counts[1:].sum()), 1)
    classes = [
        {
            **one,
            "count": int(counts[one["value"]]),
            "percentage": round(100 * int(counts[one["value"]]) / decided, 4),
        }
        for one in _classes(layer.classes)
    ]
    none = {
        "value": layer.nodata,
        "name": "no-decision",
        "description": "nothing is decided",
        "nodata": True,
        "count": int(counts[layer.nodata]),
    }
    return {"classification:classes": [none, *classes]}


def _file(path: Path, kind: str, title: str, roles: list[str]) -> dict[str, Any]:
    """An asset beside the item, with its size and its SHA-256 sum as a multihash."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return {
        "href": f"./{path.name}",
        "type": kind,
        "title": title,
        "roles": roles,
        "file:size": path.stat().st_size,
        "file:checksum": f"1220{digest.hexdigest()}",
    }


def _slug(name: str) -> str:
    """A name of letters, digits and hyphens."""
    return re.sub(r"[^0-9a-z]+", "-", name.lower()).strip("-") or "map"
