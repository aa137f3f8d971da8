"""Columns of a catalogue's Parquet file that are read, and their required types."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from landcover.core.bands import L1C_BAND_NAMES
from landcover.core.errors import BadInput
from landcover.io.guard import shown

__all__ = ["KINDS", "SIDES", "readable_columns"]

SIDES: Final = ("xmin", "ymin", "xmax", "ymax")


def _is_text(kind: pa.DataType) -> bool:
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(plain) or pa.types.is_large_string(plain))


def _is_whole(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_null(kind))


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) and not pa.types.is_nested(kind.value_type))


_TEXTS: Final = ("type", "stac_version", "id", "landcover:level", "landcover:layout")
_OPTIONAL: Final[Mapping[str, Callable[[Any], bool]]] = {
    "stac_extensions": _is_list,
    "collection": _is_text,
    "landcover:date_from": _is_text,
    "landcover:offset_from": _is_text,
    "landcover:offset": _is_whole,
    "proj:code": _is_text,
    "s2:processing_baseline": _is_text,
    "platform": _is_text,
    "eo:cloud_cover": pa.types.is_floating,
}
"""Optional columns and their required types; all other columns are ignored."""
_ASSETS: Final = (*L1C_BAND_NAMES, "SCL", "visual", "stack")
_ASSET_PARTS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "href": _is_text,
    "type": _is_text,
    "roles": _is_list,
    "proj:shape": _is_list,
    "proj:transform": _is_list,
}
_TEXT_LIST: Final = pa.list_(pa.string())
KINDS: Final[Mapping[str, pa.DataType]] = {
    **dict.fromkeys((*_TEXTS, *_OPTIONAL), pa.string()),
    "stac_extensions": _TEXT_LIST,
    "landcover:offset": pa.int64(),
    "eo:cloud_cover": pa.float64(),
    "datetime": pa.timestamp("ms", "UTC"),
    "geometry": pa.binary(),
    "bbox": pa.struct([(side, pa.float64()) for side in SIDES]),
    "href": pa.string(),
    "roles": _TEXT_LIST,
    "proj:shape": pa.list_(pa.int64()),
    "proj:transform": pa.list_(pa.float64()),
}
"""Column or part of an asset → its type after reading."""


def readable_columns(schema: pa.Schema, path: Path) -> tuple[str, ...]:
    """The columns to read; a file may have more, because other programs add some.

    Raises:
        BadInput: a required column is missing or has another type.
    """
    kinds = {name: schema.field(name).type for name in schema.names}
    needed: dict[str, Callable[[Any], bool]] = {
        **dict.fromkeys(_TEXTS, _is_text),
        "datetime": pa.types.is_timestamp,
        "geometry": lambda kind: pa.types.is_binary(kind) or pa.types.is_large_binary(kind),
        "bbox": lambda kind: pa.types.is_struct(kind) and _has(kind, SIDES, pa.types.is_floating),
        "assets": pa.types.is_struct,
    }
    wrong = [name for name, fits in needed.items() if name not in kinds or not fits(kinds[name])]
    if wrong or len(kinds) != len(schema.names):
        raise BadInput(
            f"'{shown(path.name)}' is a Parquet file, but not a catalogue of landcover "
            f"({', '.join(wrong) or 'a column'} missing or of another type): "
            "make one with landcover index FOLDER --out FILE."
        )
    optional = [name for name, fits in _OPTIONAL.items() if name in kinds and fits(kinds[name])]
    needed.pop("assets")
    return (*needed, *optional, *_asset_columns(kinds["assets"]))


def _asset_columns(assets: pa.StructType) -> list[str]:
    """The columns of the assets that are used here and have the required types."""
    columns = []
    for key in _ASSETS:
        if key not in assets.names or not pa.types.is_struct(assets.field(key).type):
            continue
        parts = assets.field(key).type
        columns += [
            f"assets.{key}.{part}"
            for part, fits in _ASSET_PARTS.items()
            if part in parts.names and fits(parts.field(part).type)
        ]
    return columns


def _has(kind: pa.StructType, names: Sequence[str], fits: Callable[[Any], bool]) -> bool:
    return all(kind.names.count(name) == 1 and fits(kind.field(name).type) for name in names)
