"""Outlines of areas: bytes changed, cuts, odd coordinates, and databases that compute."""

from __future__ import annotations

import io
import math
import sqlite3
import struct
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import shapely

from tools.hostile.corpus.case import CANARY, URL, Case, Gate, of_bytes, random_of
from tools.hostile.corpus.models import VALUES, text_of

__all__ = ["cases"]

KIND: Final = "outlines of areas"
GATE: Final[Gate] = "outline"
_FLIPS, _CUTS = 150, 30
RING: Final = [[13.6, 48.1], [13.9, 48.1], [13.9, 48.3], [13.6, 48.3], [13.6, 48.1]]
_KML: Final = (
    '<?xml version="1.0"?><kml xmlns="http://www.opengis.net/kml/2.2"><Document><Placemark>'
    "<name>Valley</name>{}</Placemark></Document></kml>"
)

_TABLES: Final = """
PRAGMA page_size = 512;
CREATE TABLE gpkg_spatial_ref_sys (srs_name TEXT, srs_id INTEGER PRIMARY KEY, organization TEXT,
    organization_coordsys_id INTEGER, definition TEXT);
CREATE TABLE gpkg_geometry_columns (table_name TEXT, column_name TEXT, geometry_type_name TEXT,
    srs_id INTEGER, z INTEGER, m INTEGER);
CREATE TABLE areas (fid INTEGER PRIMARY KEY, geom BLOB, name TEXT);
INSERT INTO gpkg_spatial_ref_sys VALUES ('x', 4326, 'EPSG', 4326, 'undefined');
INSERT INTO gpkg_geometry_columns VALUES ('areas', 'geom', 'POLYGON', 4326, 0, 0);
"""
_OWN_CRS: Final = "UPDATE gpkg_spatial_ref_sys SET organization = 'x', definition = "
_COMMANDS: Final = {
    "a view for ever": """
        DROP TABLE areas; CREATE VIEW areas AS
        WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n AS geom FROM c;""",
    "a view of the CRSs": """
        DROP TABLE gpkg_spatial_ref_sys; CREATE VIEW gpkg_spatial_ref_sys AS
        WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n AS srs_id FROM c;
        """,
    "a column that computes": """
        DROP TABLE areas; CREATE TABLE areas (fid INTEGER, geom AS (zeroblob(900000000)));
        INSERT INTO areas (fid) VALUES (1);""",
    "no column": "UPDATE gpkg_geometry_columns SET column_name = 'none';",
    "a table of a command": """
        UPDATE gpkg_geometry_columns SET table_name = 'a"; DROP TABLE areas; --';""",
    "no rows": "DELETE FROM areas;",
    "texts": "UPDATE areas SET geom = 'POLYGON';",
    "a file as CRS": f"{_OWN_CRS} '{CANARY}';",
    "an address as CRS": f"{_OWN_CRS} '{URL}/crs';",
    "a pipeline as CRS": f"{_OWN_CRS} '+proj=pipeline +step +proj=utm +zone=33';",
    "a CRS of numbers": "UPDATE gpkg_spatial_ref_sys SET organization_coordsys_id = 1e300;",
    "many layers": """
        INSERT INTO gpkg_geometry_columns
        WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 50000)
        SELECT 'areas', 'geom', 'POLYGON', 4326, 0, 0 FROM c;""",
}


def cases() -> Iterator[Case]:
    """Damaged files of every format, and files that are what nobody expects."""
    sound: dict[str, Callable[[], bytes]] = {
        "a.geojson": partial(text_of, geojson(RING)),
        "a.gpkg": geopackage,
        "a.kml": lambda: kml(RING).encode(),
        "a.kmz": lambda: kmz(kml(RING)),
        "a.wkt": shapely.Polygon(RING).wkt.encode,
    }
    for file, make in sound.items():
        yield of_bytes(KIND, f"sound {file}", f"sound-{file}", make, gate=GATE)
        whole = make()
        drawn = random_of(KIND, file)
        for number in range(_FLIPS):
            data = bytearray(whole)
            for _ in range(1 + number % 3):
                data[drawn.randrange(len(data))] = drawn.randrange(256)
            yield of_bytes(KIND, f"{file}, flips {number}", file, bytes(data), gate=GATE)
        for number in range(_CUTS):
            end = len(whole) * number // _CUTS
            yield of_bytes(KIND, f"{file} at {end}", file, whole[:end], gate=GATE)
    yield from _geojson()
    yield from _texts()
    yield from _geopackages()


def geojson(*rings: Any, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """A feature with a polygon."""
    geometry = {"type": "Polygon", "coordinates": list(rings)}
    return {"type": "Feature", "properties": {"name": "Valley"}, "geometry": geometry, **changes}


def kml(ring: list[list[float]]) -> str:
    """A document with a polygon."""
    text = " ".join(f"{lon},{lat}" for lon, lat in ring)
    return _KML.format(
        f"<Polygon><outerBoundaryIs><LinearRing><coordinates>{text}</coordinates></LinearRing>"
        "</outerBoundaryIs></Polygon>"
    )


def kmz(text: str, name: str = "doc.kml") -> bytes:
    """A zip with a document."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(name, text)
    return written.getvalue()


def geopackage(*commands: str, geometry: bytes | None = None) -> bytes:
    """A database with a polygon, changed by further commands."""
    blob = b"GP\0\1" + struct.pack("<i", 4326) + shapely.Polygon(RING).wkb
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.gpkg"
        base = sqlite3.connect(path)
        base.executescript(_TABLES)
        base.execute("INSERT INTO areas (geom, name) VALUES (?, 'Valley')", (geometry or blob,))
        for command in commands:
            base.executescript(command)
        base.commit()
        base.close()
        return path.read_bytes()


def star(points: int) -> list[list[float]]:
    """A ring whose every edge crosses nearly every other."""
    turn = 2 * math.pi * (points // 2) / points
    found = [[13 + math.sin(i * turn), 48 + math.cos(i * turn)] for i in range(points)]
    return [*found, found[0]]


def _geojson() -> Iterator[Case]:
    for name, value in VALUES.items():
        for where, raw in (
            ("all", value),
            ("geometry", geojson(RING, geometry=value)),
            ("coordinates", geojson(geometry={"type": "Polygon", "coordinates": value})),
            ("ring", geojson(value)),
            ("point", geojson([value, *RING])),
            ("x", geojson([[value, 48], *RING])),
            ("crs", geojson(RING, crs=value)),
            ("name", geojson(RING, properties={"name": value})),
        ):
            data = partial(text_of, raw)
            yield of_bytes(KIND, f"{where}: {name}", "a.geojson", data, gate=GATE)
    nested: Any = geojson(RING)["geometry"]
    for _ in range(40):
        nested = {"type": "GeometryCollection", "geometries": [nested]}
    odd: dict[str, Any] = {
        "a star of 99": geojson(star(99)),
        "a star of 1,999": geojson(star(1_999)),
        "a star of 19,999": geojson(star(19_999)),
        "stars on each other": {
            "type": "MultiPolygon",
            "coordinates": [[[[x + n / 1_000, y] for x, y in RING]] for n in range(3_000)],
        },
        "many holes": geojson(RING, *[[[13.7, 48.2]] * 4] * 20_000),
        "nested collections": nested,
        "the whole Earth": geojson([[-180, -90], [180, -90], [180, 90], [-180, 90], [-180, -90]]),
        "beyond the poles": geojson([[0, 80], [90, 95], [180, 80], [0, 80]]),
        "far east": geojson([[1e5, 0], [1e5 + 1, 0], [1e5, 1], [1e5, 0]]),
        "a link": geojson(RING, crs={"type": "link", "properties": {"href": f"{URL}/crs"}}),
        "a file as CRS": geojson(RING, crs={"type": "name", "properties": {"name": CANARY}}),
        "PROJ text": geojson(RING, crs={"type": "name", "properties": {"name": "+proj=utm"}}),
    }
    for name, raw in odd.items():
        yield of_bytes(KIND, name, "a.geojson", partial(text_of, raw), gate=GATE)


def _texts() -> Iterator[Case]:
    bomb = '<!DOCTYPE k [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    wide = "1,1 " * 2_000_000
    texts: dict[str, bytes] = {
        "a.kml": kml(RING).replace("<kml", bomb + "<kml").encode(),
        "b.kml": f'<!DOCTYPE k [<!ENTITY a SYSTEM "file://{CANARY}">]><kml>&a;</kml>'.encode(),
        "c.kml": ("<kml>" + "<a>" * 200_000).encode(),
        "d.kml": _KML.format(f"<NetworkLink><href>{URL}</href></NetworkLink>").encode(),
        "e.kml": _KML.format(
            "<Polygon><outerBoundaryIs><LinearRing><coordinates>"
            f"{wide}</coordinates></LinearRing></outerBoundaryIs></Polygon>"
        ).encode(),
        "a.kmz": kmz(" " * 400_000_000),
        "b.kmz": kmz(kml(RING), "../../doc.kml"),
        "c.kmz": kmz(kml(RING), "a.txt"),
        "a.wkt": b"POLYGON((" * 100_000,
        "b.wkt": b"GEOMETRYCOLLECTION(" * 100_000 + b"POINT(1 1)" + b")" * 100_000,
        "c.wkt": b"POLYGON ((nan nan, inf 1, 1 inf, nan nan))",
        "d.wkt": b"SRID=32633;POLYGON ((1e300 1e300, 2e300 1e300, 2e300 2e300, 1e300 1e300))",
        "e.wkt": b"POLYGON ((" + b"1 1, " * 3_000_000 + b"1 1))",
        "a.txt": b"1e400,1e400,1e400,1e400",
        "b.txt": b"nan,nan,nan,nan",
        "c.txt": b"\0" * 1_000_000,
        "d.txt": b"9" * 15_000_000,
    }
    for file, data in texts.items():
        yield of_bytes(KIND, f"odd {file}", file, data, gate=GATE)


def _geopackages() -> Iterator[Case]:
    head = b"GP\0\1" + struct.pack("<i", 4326)
    deep = b"\1\7\0\0\0\1\0\0\0" * 200_000 + b"\1\7\0\0\0\0\0\0\0"
    geometries = {
        "no geometry": b"",
        "a header alone": head,
        "another envelope": b"GP\0\7" + head[4:] + shapely.Polygon(RING).wkb,
        "collections in collections": head + deep,
        "two billion points": head + b"\1\3\0\0\0\1\0\0\0\xff\xff\xff\x7f",
        "two billion rings": head + b"\1\3\0\0\0\xff\xff\xff\x7f",
        "a curve": head + b"\1\x0a\0\0\0\1\0\0\0\1\x08\0\0\0\0\0\0\0",
        "no numbers": head + shapely.Polygon(RING).wkb[:-32] + b"\xff" * 32,
    }
    for name, blob in geometries.items():
        data = partial(geopackage, geometry=head[:1] + blob[1:] if blob else b"GP")
        yield of_bytes(KIND, f"GeoPackage: {name}", "a.gpkg", data, gate=GATE)
    for name, command in _COMMANDS.items():
        data = partial(geopackage, command)
        yield of_bytes(KIND, f"GeoPackage: {name}", "a.gpkg", data, gate=GATE)
