"""Files of corrections: GeoJSON of others (``.geojson``), and the program's own (``.json``)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from tools.hostile.corpus.case import CANARY, URL, Case, Gate, of_bytes, random_of
from tools.hostile.corpus.models import VALUES, text_of

__all__ = ["cases"]

GATE: Final[Gate] = "corrections"
_CUTS, _FLIPS = 60, 400


def cases() -> Iterator[Case]:
    """Files of every such kind."""
    yield from _values()
    yield from _geometries()
    yield from _shapes()
    yield from _damaged()


def feature(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """A feature with all that a correction can have."""
    ring = [[13.0, 48.0], [13.02, 48.0], [13.02, 48.01], [13.0, 48.01], [13.0, 48.0]]
    properties = {
        "confirmed": ["Pastures"],
        "struck": ["Arable land"],
        "added": ["Mixed forest"],
        "complete": True,
        "acquired": "2020-07-14T10:10:31Z",
        "pixels_sha256": "0" * 64,
        "source": "a.tif",
        "answer": {"Pastures": 0.75},
        "model": "landcover-mosaic",
        "card_hash": "0" * 12,
        "made": "2026-11-29T12:00:00Z",
    }
    sound = {
        "type": "Feature",
        "id": "0" * 12,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": properties,
    }
    return {**sound, **changes}


def collection(*features: Any, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """A file with these features."""
    return {"type": "FeatureCollection", "features": list(features), **changes}


def kept(*rows: Any, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """The program's own file with these corrections."""
    return {"version": 1, "corrections": list(rows), **changes}


def row(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """A correction in the program's own file."""
    return {**feature()["properties"], "outline": [[48.0, 13.0], [48.01, 13.02]], **changes}


def _case(kind: str, name: str, values: Any, file: str = "a.geojson") -> Case:  # noqa: ANN401
    return of_bytes(kind, name, file, partial(text_of, values), gate=GATE)


def _values() -> Iterator[Case]:
    """Each value of a feature, of a correction and of what is around them replaced."""
    kind = "corrections: values"
    sound = feature()
    for name, value in VALUES.items():
        yield _case(kind, f"all: {name}", value)
        for key in ("type", "features", "crs"):
            yield _case(kind, f"{key}: {name}", {**collection(sound), key: value})
        for key in sound:
            yield _case(kind, f"feature, {key}: {name}", collection({**sound, key: value}))
        for key in sound["properties"]:
            changed = {**sound["properties"], key: value}
            yield _case(kind, f"{key}: {name}", collection(feature(properties=changed)))
        for key in ("confirmed", "struck", "added"):
            changed = {**sound["properties"], key: [value]}
            yield _case(kind, f"{key} of: {name}", collection(feature(properties=changed)))
        for key in row():
            yield _case(kind, f"own, {key}: {name}", kept(row(**{key: value})), "a.json")
        for key in ("version", "corrections"):
            own = {**kept(row()), key: value}
            yield _case(kind, f"own, {key}: {name}", own, "a.json")


def _geometries() -> Iterator[Case]:
    kind = "corrections: geometries"
    for name, value in VALUES.items():
        point = {"type": "Point", "coordinates": [value, 48]}
        yield _case(kind, f"point of {name}", collection(feature(geometry=point)))
        for coordinates in ([value], [[value]], [[[13, 48], value, [13, 49]]]):
            depth = json.dumps(coordinates, default=str).count("[")
            polygon = {"type": "Polygon", "coordinates": coordinates}
            name_of = f"polygon of {name} at {depth}"
            yield _case(kind, name_of, collection(feature(geometry=polygon)))
    rings: dict[str, Any] = {
        "a ring of 100,000 points": [[[13 + k / 1e6, 48] for k in range(100_000)]],
        "10,000 rings": [[[13, 48], [13, 49], [14, 49]]] * 10_000,
        "an empty ring": [[]],
        "one dimension": [[[13], [13]]],
        "nine dimensions": [[list(range(9))] * 4],
        "outside of the Earth": [[[1e5, 48], [13, 91], [13, 48]]],
        "across the date line": [[[179.9, 0], [-179.9, 0], [-179.9, 1], [179.9, 1]]],
        "a pole": [[[0, 90], [120, 90], [240, 90]]],
    }
    for name, coordinates in rings.items():
        polygon = {"type": "Polygon", "coordinates": coordinates}
        yield _case(kind, name, collection(feature(geometry=polygon)))
    inner = {"type": "Polygon", "coordinates": feature()["geometry"]["coordinates"]}
    for _ in range(200):
        inner = {"type": "GeometryCollection", "geometries": [inner]}
    yield _case(kind, "a collection of a collection of …", collection(feature(geometry=inner)))


def _shapes() -> Iterator[Case]:
    """Many, strange or lying features."""
    kind = "corrections: collections"
    sound = feature()
    lying = {**sound["properties"], "source": f"{CANARY}/secret.tif"}
    crs = {"type": "link", "properties": {"href": f"{URL}/crs", "type": "proj4"}}
    shapes: dict[str, Any] = {
        "2,000 features": collection(
            *(
                feature(geometry={"type": "Point", "coordinates": [k / 50, 48]})
                for k in range(2_000)
            )
        ),
        "5,001 features": collection(*[sound] * 5_001),
        "100,000 features": collection(*[{}] * 100_000),
        "a million properties": collection(feature(properties={f"a{k}": k for k in range(10**6)})),
        "names of a path": collection(feature(properties=lying)),
        "a linked CRS": collection(sound, crs=crs),
        "metres": collection(sound, crs={"type": "name", "properties": {"name": "EPSG:3857"}}),
        "a feature alone": sound,
        "all classes twice": collection(
            feature(properties={"confirmed": ["Pastures"], "struck": ["Pastures"]})
        ),
    }
    for name, values in shapes.items():
        yield _case(kind, name, values)
    texts: dict[str, bytes] = {
        "nothing": b"",
        "zeros": b"\0" * 1_000_000,
        "30 MB": b'{"type": "FeatureCollection", "features": [' + b" " * 30_000_000 + b"]}",
        "a key twice": b'{"type": "FeatureCollection", "features": [], "features": [1]}',
        "UTF-16": json.dumps(collection(sound)).encode("utf-16"),
        "a byte order mark": b"\xef\xbb\xbf" + json.dumps(collection(sound)).encode(),
        "XML": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
        "deep": b"[" * 1_000_000,
        "a comment": b"// no\n" + json.dumps(collection(sound)).encode(),
    }
    for name, data in texts.items():
        yield of_bytes(kind, name, "a.geojson", data, gate=GATE)
    yield _case("sound corrections", "GeoJSON", collection(sound), "sound.geojson")
    yield _case("sound corrections", "the program's own", kept(row()), "sound.json")


def _damaged() -> Iterator[Case]:
    """Bytes changed, and files cut."""
    own: tuple[tuple[str, Callable[[], bytes]], ...] = (
        ("a.geojson", partial(text_of, collection(feature(), feature()))),
        ("a.json", partial(text_of, kept(row(), row()))),
    )
    for file, sound in own:
        whole = sound()
        drawn = random_of("corrections", file)
        for number in range(_FLIPS):
            data = bytearray(whole)
            for _ in range(1 + number % 3):
                data[drawn.randrange(len(data))] = drawn.randrange(256)
            yield of_bytes("corrections: flips", f"{file} {number}", file, bytes(data), gate=GATE)
        for number in range(_CUTS):
            end = len(whole) * number // _CUTS
            yield of_bytes("corrections: cuts", f"{file} at {end}", file, whole[:end], gate=GATE)
