"""Areas: boxes, GeoJSON, GeoPackage, KML and WKT, and one sentence for each that cannot be used."""

from __future__ import annotations

import contextlib
import json
import math
import pickle
import sqlite3
import struct
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.crs import CRS

from landcover.areas.area_file import Area, as_area, read_area
from landcover.core import limits
from landcover.core.errors import BadInput, LandcoverError
from landcover.core.projection import project
from tests.support.examples import examples

SQUARE = [[13.6, 48.1], [13.9, 48.1], [13.9, 48.3], [13.6, 48.3], [13.6, 48.1]]
HOLE = [[13.7, 48.15], [13.8, 48.15], [13.8, 48.2], [13.7, 48.15]]
BOWTIE = [[13.6, 48.1], [13.9, 48.3], [13.9, 48.1], [13.6, 48.3], [13.6, 48.1]]


def geojson(*rings: Any, kind: str = "Polygon", **members: Any) -> str:
    geometry = {"type": kind, "coordinates": list(rings)}
    feature = {"type": "Feature", "properties": {"name": "Valley"}, "geometry": geometry}
    return json.dumps({"type": "FeatureCollection", "features": [feature], **members})


def kml(*texts: str, name: str = "Valley", body: str = "") -> str:
    rings = "".join(
        f"<{side}><LinearRing><coordinates>{text}</coordinates></LinearRing></{side}>"
        for text, side in zip(texts, ("outerBoundaryIs", "innerBoundaryIs"), strict=False)
    )
    polygon = f"<MultiGeometry><Polygon>{rings}</Polygon></MultiGeometry>" if texts else ""
    return (
        '<?xml version="1.0"?><kml xmlns="http://www.opengis.net/kml/2.2"><Document>'
        f"<Placemark><name>{name}</name>{polygon}{body}</Placemark></Document></kml>"
    )


def words(ring: Any) -> str:
    return "\n  ".join(f"{lon},{lat},0" for lon, lat in ring)


def gpkg(
    path: Path,
    shapes: list[Any],
    *,
    srs: int = 4326,
    envelope: int = 1,
    definition: str = "",
    table: str = "areas",
) -> Path:
    with sqlite3.connect(path) as base:
        base.executescript(
            "CREATE TABLE gpkg_spatial_ref_sys (srs_name TEXT, srs_id INTEGER PRIMARY KEY, "
            "organization TEXT, organization_coordsys_id INTEGER, definition TEXT);"
            "CREATE TABLE gpkg_geometry_columns (table_name TEXT, column_name TEXT, "
            "geometry_type_name TEXT, srs_id INTEGER, z INTEGER, m INTEGER);"
            f'CREATE TABLE "{table}" (fid INTEGER PRIMARY KEY, geom BLOB, name TEXT);'
        )
        own = "NONE" if srs in (-1, 0) or definition else "EPSG"
        base.execute(
            "INSERT INTO gpkg_spatial_ref_sys VALUES ('x', ?, ?, ?, ?)",
            (srs, own, srs, definition or "undefined"),
        )
        base.execute(
            "INSERT INTO gpkg_geometry_columns VALUES (?, 'geom', 'POLYGON', ?, 0, 0)", (table, srs)
        )
        for shape in shapes:
            blob = shape
            if not isinstance(shape, bytes):
                head = b"GP\0" + bytes([envelope << 1 | 1]) + struct.pack("<i", srs)
                bounds = struct.pack("<4d", *(0.0,) * 4) if envelope else b""
                blob = head + bounds + shape.wkb
            base.execute(f'INSERT INTO "{table}" (geom, name) VALUES (?, ?)', (blob, "Valley"))
    base.close()
    return path


def kmz(path: Path, text: str) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("doc.kml", text)
        packed.writestr("files/icon.png", b"x")
    return path


def same(area: Area, ring: Any = SQUARE, *holes: Any) -> bool:
    return bool(area.geometry.equals(shapely.Polygon(ring, holes)))


@pytest.mark.parametrize(
    "text",
    [
        "13.6,48.1,13.9,48.3",
        " 13.6 48.1 13.9 48.3\n",
        "[13.6, 48.1, 13.9, 4.83e1]",
        geojson(SQUARE),
        json.dumps({"type": "Polygon", "coordinates": [SQUARE]}),
        json.dumps({"type": "MultiPolygon", "coordinates": [[SQUARE]]}),
        json.dumps({"type": "GeometryCollection", "geometries": [{"type": "Polygon", "coordinates": [SQUARE]}]}),
        geojson(SQUARE, crs={"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}),
        geojson(SQUARE, crs={"type": "name", "properties": {"name": "EPSG:4326"}}),
        geojson(SQUARE, crs={"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG:6.9:4326"}}),
        "\ufeff" + geojson([[*point, 312.5] for point in SQUARE]),
        shapely.Polygon(SQUARE).wkt,
        "SRID=4326;" + shapely.Polygon(SQUARE).wkt.lower(),
        kml(words(SQUARE)),
        kml(words(SQUARE)).replace("http://www.opengis.net/kml/2.2", "http://earth.google.com/kml/2.1"),
    ],
)  # fmt: skip
def test_the_same_area_in_all_texts(text: str) -> None:
    area = read_area(text)
    assert same(area)
    assert area.notes == ()
    assert read_area(text.encode(), name="area.any").geometry.equals(area.geometry)


def test_files(tmp_path: Path) -> None:
    square = shapely.Polygon(SQUARE)
    (tmp_path / "my area.geojson").write_text(geojson(SQUARE, HOLE))
    (tmp_path / "a.kml").write_text(kml(words(SQUARE), words(HOLE)))
    (tmp_path / "a.wkt").write_text(shapely.Polygon(SQUARE, [HOLE]).wkt)
    kmz(tmp_path / "a.kmz", kml(words(SQUARE), words(HOLE)))
    for name in ("my area.geojson", "a.kml", "a.kmz", "a.wkt"):
        area = read_area(tmp_path / name)
        assert same(area, SQUARE, HOLE)
        assert area.name == ("a" if name == "a.wkt" else "Valley")
        assert read_area(str(tmp_path / name)) == area
        assert pickle.loads(pickle.dumps(area)) == area
    for number, envelope in enumerate((0, 1)):
        path = gpkg(tmp_path / f"{number} é.gpkg", [square], envelope=envelope)
        area = read_area(path)
        assert same(area)
        assert area.name == "Valley"
        assert read_area(path.read_bytes(), name="x.gpkg") == area


def test_projected_areas_are_converted_along_their_edges(tmp_path: Path) -> None:
    wide = shapely.box(300_000, 5_200_000, 700_000, 5_300_000)
    found = [
        read_area(gpkg(tmp_path / "a.gpkg", [wide], srs=32633)),
        read_area("SRID=32633;" + wide.wkt),
        read_area(
            geojson(
                [list(p) for p in wide.exterior.coords],
                crs={"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}},
            )
        ),
    ]
    xs, ys = project("EPSG:32633", "EPSG:4326", [500_000.0], [5_200_000.0])
    for area in found:
        assert area.geometry.equals(found[0].geometry)
        # The middle of the lower edge, which a straight line between its ends would miss by 1.5 km.
        assert area.geometry.boundary.distance(shapely.Point(xs[0], ys[0])) < 1e-4
        assert area.km2 == pytest.approx(40_000, rel=0.005)


def test_a_geopackage_with_a_crs_of_its_own(tmp_path: Path) -> None:
    wkt = CRS.from_epsg(32633).to_wkt()
    path = gpkg(
        tmp_path / "a.gpkg", [shapely.box(4e5, 5.3e6, 4.1e5, 5.31e6)], srs=100_000, definition=wkt
    )
    assert read_area(path).km2 == pytest.approx(100, rel=0.005)


@pytest.mark.parametrize(
    "text",
    [
        "179.5,-17,-179.5,-16",
        "179.5 -17 180.5 -16",
        geojson([[179.5, -17], [180.5, -17], [180.5, -16], [179.5, -16], [179.5, -17]]),
        geojson([[179.5, -17], [-179.5, -17], [-179.5, -16], [179.5, -16], [179.5, -17]]),
        geojson([[-180.5, -17], [-179.5, -17], [-179.5, -16], [-180.5, -16], [-180.5, -17]]),
    ],
)
def test_an_area_over_the_antimeridian_is_split(text: str) -> None:
    area = read_area(text)
    assert area.geometry.bounds == (-180, -17, 180, -16)
    assert len(area.geometry.geoms) == 2
    assert area.geometry.area == pytest.approx(1)


@pytest.mark.parametrize(
    ("ring", "share"),
    [
        # A corner drawn twice, with a loop of a few metres.
        (
            [*SQUARE[:2], [13.9001, 48.3], [13.89995, 48.3001], [13.9002, 48.29995], *SQUARE[3:]],
            1.0,
        ),
        # Two squares that touch in a corner, drawn as one outline.
        (
            [[0, 0], [1, 0], [1, 1], [2, 1], [2, 2], [1, 2], [1, 1], [0, 1], [0, 0]],
            2.0 / 0.06,
        ),
    ],
)
def test_an_unambiguous_outline_is_repaired_and_said(ring: Any, share: float) -> None:
    area = read_area(geojson(ring))
    assert area.geometry.is_valid
    assert area.geometry.area == pytest.approx(0.06 * share, rel=0.01)
    assert len(area.notes) == 1
    assert "was repaired" in area.notes[0]


def test_points_beside_the_area_are_left_out_and_said() -> None:
    body = "<Point><coordinates>13.7,48.2</coordinates></Point>"
    area = read_area(kml(words(SQUARE), body=body))
    assert same(area)
    assert area.notes == ("1 thing without an area (points, lines, damaged outlines) left out.",)


POINT = json.dumps({"type": "Point", "coordinates": [13.7, 48.2]})
LINE = json.dumps({"type": "LineString", "coordinates": SQUARE})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is no area"),
        ("Vienna", "is no area: give west,south,east,north"),
        ("13.6,48.1,13.9", "is no area"),
        ("13.6,48.3,13.9,48.1", "south not below its north"),
        ("13.9,48.1,13.6,48.3", "west not below its east"),
        ("-3.5,40.1,-3.6,40.3", "west not below its east"),
        ("13.6,48.1,13.6,48.3", "is empty: its west is its east"),
        ("-200,48.1,200,48.3", "is wider than the Earth"),
        ("400000,5200000,410000,5210000", "is not in degrees"),
        ("10,80,11,86", "reaches to 86.00° north, but Sentinel-2's grid ends at 80° south"),
        ("10,-85,11,-70", "reaches to 85.00° south"),
        ("{}", "is empty"),
        ("[1]", "is no area"),
        ('{"type": "Feature", "geometry": null}', "is empty"),
        (geojson(), "no outline of at least four points"),
        (geojson([[0, 0], [1, 1], [0, 0]]), "no outline of at least four points"),
        (geojson([[0, 0], [1, 1], [0, 0], [0, 0]]), "encloses no area"),
        (geojson([["a", "b"]] * 5), "no outline of at least four points"),
        (geojson(BOWTIE), r"crosses itself \(near 48.20000, 13.75000\), so that its area is not clear"),
        (geojson([[4e5, 5.2e6], [4.1e5, 5.2e6], [4.1e5, 5.21e6], [4e5, 5.2e6]]), "5,210,000, which are no degrees"),
        (geojson(SQUARE, crs=None), "states no coordinate reference system that is known"),
        (geojson(SQUARE, crs={"type": "link", "properties": {"href": "http://x"}}), "states no coordinate"),
        (geojson(SQUARE, crs={"type": "name", "properties": {"name": "EPSG:999999"}}), "'EPSG:999999' is not a coordinate"),
        (POINT, "holds only points or lines"),
        (LINE, "holds only points or lines"),
        (kml(body="<Point><coordinates>1,2</coordinates></Point>"), "holds only points or lines"),
        (kml("13,48 14,48"), "no outline of at least four points"),
        ("<html><body/></html>", "is XML, but not KML"),
        ("<kml><Document>", "is damaged XML"),
        ('<!DOCTYPE k [<!ENTITY a "b">]><kml>&a;</kml>', "has entities"),
        ('{"type": "Polygon", "coordinates": [', "because it is not JSON"),
        ("POLYGON ((13.6 48.1", "The WKT is damaged"),
        ("POINT (13 48)", "holds only points or lines"),
        ("POLYGON EMPTY", "."),
        ("SRID=999999;POLYGON ((0 0, 1 0, 1 1, 0 0))", "is not a coordinate reference"),
    ],
)  # fmt: skip
def test_each_fault_has_one_sentence(text: str, said: str) -> None:
    for source in (text, text.encode()):
        with pytest.raises(BadInput, match=said if text else "is empty|is no area") as caught:
            read_area(source)
        assert str(caught.value).count(": ") >= 1
        assert "<file>" not in str(caught.value)


def test_an_area_may_be_given_in_any_form(tmp_path: Path) -> None:
    path = tmp_path / "valley.geojson"
    path.write_text(geojson(SQUARE))
    area = as_area(path)
    assert area == as_area(str(path)) == as_area(area) == read_area(path)
    assert as_area(None) is None


@pytest.mark.parametrize(
    ("text", "degrees"), [("-180,-60,180,60", 360), ("-100,30,100,60", 200), ("-10,0,180,1", 190)]
)
def test_a_box_wider_than_half_the_earth_is_what_it_says(text: str, degrees: int) -> None:
    """A polygon of that width would be taken as one across the antimeridian."""
    west, south, east, north = map(float, text.split(","))
    assert read_area(text).geometry.bounds == (west, south, east, north)
    assert read_area(text).geometry.area == pytest.approx(degrees * (north - south))


def test_a_folder_is_said_to_be_one(tmp_path: Path) -> None:
    for source in (tmp_path, str(tmp_path)):
        with pytest.raises(BadInput, match="is a folder, which is no area: name a GeoJSON"):
            read_area(source)


def test_a_mistyped_name_of_a_file_is_named() -> None:
    with pytest.raises(BadInput, match=r"There is no file 'areas/valey.geojson', and it is no"):
        read_area("areas/valey.geojson")


@pytest.mark.parametrize("srs", [-1, 0])
def test_a_geopackage_without_a_crs_is_refused(tmp_path: Path, srs: int) -> None:
    path = gpkg(tmp_path / "a.gpkg", [shapely.Polygon(SQUARE)], srs=srs)
    with pytest.raises(BadInput, match=r"'a.gpkg' does not say in which coordinate reference"):
        read_area(path)


def test_damaged_geopackages_are_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty.gpkg"
    sqlite3.connect(empty).executescript("CREATE TABLE a (b)").connection.close()
    with pytest.raises(BadInput, match="has no layer of outlines"):
        read_area(empty)
    wrong = gpkg(tmp_path / "wrong.gpkg", [b"GP\0\1rubbish" * 9])
    with pytest.raises(BadInput, match="is damaged or no GeoPackage"):
        read_area(wrong)
    (tmp_path / "cut.gpkg").write_bytes(wrong.read_bytes()[:5000])
    with pytest.raises(BadInput, match="is damaged or no GeoPackage"):
        read_area(tmp_path / "cut.gpkg")
    nothing = gpkg(tmp_path / "nothing.gpkg", [])
    with pytest.raises(BadInput, match="is empty"):
        read_area(nothing)


def test_a_view_that_computes_for_ever_is_not_asked(tmp_path: Path) -> None:
    path = gpkg(tmp_path / "view.gpkg", [shapely.Polygon(SQUARE)])
    with sqlite3.connect(path) as base:
        base.executescript(
            "CREATE VIEW forever AS WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c)"
            " SELECT n AS geom FROM c;"
            "INSERT INTO gpkg_geometry_columns VALUES ('forever', 'geom', 'POLYGON', 4326, 0, 0);"
        )
    base.close()
    assert same(read_area(path))


def test_sizes_are_limited(tmp_path: Path) -> None:
    ring = [[13 + math.sin(i / 500), 48 + math.cos(i / 500)] for i in range(3_000)]
    many = [[*ring, ring[0]]]
    with limits.changed(area_points=2_000):
        for text in (
            geojson(*many),
            kml(words(many[0])),
            "POLYGON ((" + ",".join(f"{x} {y}" for x, y in many[0]) + "))",
        ):
            with pytest.raises(BadInput, match="more than 2,000 points: simplify"):
                read_area(text)
        with pytest.raises(BadInput, match="points"):
            read_area(gpkg(tmp_path / "a.gpkg", [shapely.Polygon(many[0])]))
    with limits.changed(area_bytes=1_000), pytest.raises(BadInput, match="is larger than 0 MB"):
        read_area(geojson(*many))
    with limits.changed(area_polygons=3), pytest.raises(BadInput, match="more than 3 polygons"):
        read_area(geojson(*[[SQUARE]] * 9, kind="MultiPolygon"))


@pytest.mark.parametrize("count", [99, 1_999, 19_999])
def test_a_star_of_crossings_is_refused_in_time(count: int) -> None:
    turn = 2 * math.pi * (count // 2) / count
    star = [[math.sin(i * turn), math.cos(i * turn)] for i in range(count)]
    begun = time.monotonic()
    with pytest.raises(BadInput, match="crosses itself"):
        read_area(geojson([*star, star[0]]))
    assert time.monotonic() - begun < 10


@settings(max_examples=examples(40), deadline=None)
@given(st.data())
def test_damaged_texts_give_an_area_or_a_sentence(data: st.DataObject) -> None:
    text = data.draw(
        st.sampled_from([geojson(SQUARE, HOLE), kml(words(SQUARE)), shapely.Polygon(SQUARE).wkt])
    ).encode()
    at = data.draw(st.integers(0, len(text) - 1))
    changed = bytearray(text)
    changed[at] = data.draw(st.integers(0, 255))
    with contextlib.suppress(LandcoverError):
        area = read_area(bytes(changed[: data.draw(st.integers(at, len(text)))]))
        assert area.geometry.is_valid
        assert area.geometry.area > 0


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"There is no file 'gone.geojson'"):
        read_area(tmp_path / "gone.geojson")
