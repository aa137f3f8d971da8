"""STAC items from the columns of a catalogue, an untrusted file.

rustac can do this too, but panics at some values, which prints a stack and cannot be caught.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pyarrow as pa
import shapely
from shapely.geometry import mapping

from landcover.stac.catalog_columns import SIDES
from landcover.stac.layouts.found_scene import stamp

__all__ = ["items_of"]

_TOP: Final = ("type", "stac_version", "stac_extensions", "id", "collection")
_OWN: Final = frozenset({*_TOP, "geometry", "bbox", "assets", "datetime"})


def items_of(table: pa.Table) -> list[dict[str, Any]]:
    """Convert the rows of a catalogue whose columns have their known types.

    Raises:
        ValueError: a row has no box or time, or an impossible one.
    """
    return [_item(row) for row in table.to_pylist()]


def _item(row: Mapping[str, Any]) -> dict[str, Any]:
    box, time = row["bbox"], row["datetime"]
    if box is None or time is None:
        raise ValueError("a row has no box or time")
    properties = {k: v for k, v in row.items() if k not in _OWN and v is not None}
    assets = row["assets"] or {}
    return {
        **{name: row[name] for name in _TOP if row.get(name) is not None},
        "geometry": _geometry(row["geometry"]),
        "bbox": [box[side] for side in SIDES],
        "properties": {"datetime": stamp(time), **properties},
        "links": [],
        "assets": {key: given for key, asset in assets.items() if (given := _given(asset))},
    }


def _given(asset: Mapping[str, Any] | None) -> dict[str, Any]:
    return {key: value for key, value in (asset or {}).items() if value is not None}


def _geometry(wkb: bytes | None) -> dict[str, Any] | None:
    shape = None if wkb is None else shapely.from_wkb(wkb, on_invalid="ignore")
    if shape is None:
        return None
    found = mapping(shape)
    return {**found, "coordinates": _lists(found.get("coordinates", ()))}


def _lists(values: Any) -> Any:  # noqa: ANN401 - numbers, or tuples of them at any depth
    return [_lists(value) for value in values] if isinstance(values, tuple) else values
