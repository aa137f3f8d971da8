"""Validation of STAC items against the real schemas, without a network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pystac.validation
from jsonschema import Draft7Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

OWN = Path(__file__).parents[1] / "data" / "stac-schemas"
CORE = Path(pystac.validation.__file__).parent / "jsonschemas"
STAC = "https://schemas.stacspec.org/v1.1.0"


def complaints(item: dict[str, Any]) -> list[str]:
    """What the schemas of STAC and of the item's extensions object to."""
    registry = _registry()
    found = []
    for address in (f"{STAC}/item-spec/json-schema/item.json", *item["stac_extensions"]):
        schema = registry[address].contents
        checker = Draft7Validator(schema, registry=registry)
        found += [
            f"{address}: {error.json_path}: {error.message[:200]}"
            for error in checker.iter_errors(item)
        ]
    return found


def _registry() -> Registry[Any]:
    pages = {}
    for path in OWN.glob("*.json"):
        name, _, version = path.stem.rpartition("-")
        pages[f"https://stac-extensions.github.io/{name}/{version}/schema.json"] = path
    for path in (CORE / "stac-spec" / "v1.1.0").glob("*.json"):
        pages[f"{STAC}/item-spec/json-schema/{path.name}"] = path
    for path in (CORE / "geojson").glob("*.json"):
        pages[f"https://geojson.org/schema/{path.name}"] = path
    registry: Registry[Any] = Registry()
    for address, path in pages.items():
        resource = Resource.from_contents(
            json.loads(path.read_text()), default_specification=DRAFT7
        )
        registry = registry.with_resource(address, resource)
    return registry
