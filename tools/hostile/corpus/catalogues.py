"""Answers of catalogues, and catalogues of the user's own that are damaged or lie."""

from __future__ import annotations

import gzip
import math
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from landcover.stac import index
from landcover.stac.archives import CATALOGUES
from tools.hostile.corpus import seeds
from tools.hostile.corpus.case import CANARY, URL, Case, Gate, Must, of_bytes, of_files, random_of
from tools.hostile.corpus.models import VALUES, text_of

__all__ = ["ANSWERS", "cases"]

ANSWERS: Final = "http://127.0.0.1:88888"
"""Stands in an answer for the address of the catalogue that gives it."""
ROW: Final = CATALOGUES["earth-search"]
GATE: Final[Gate] = "answer"


def cases() -> Iterator[Case]:
    """Answers and catalogues of every such kind."""
    yield from _items()
    yield from _footprints()
    yield from _answers()
    yield from _parquet()


def item() -> dict[str, Any]:
    """An item as Earth Search gives it, of a scene over the place that is searched."""
    ring = [[12.0, 47.5], [13.5, 47.5], [13.5, 48.5], [12.0, 48.5], [12.0, 47.5]]
    host = f"https://{ROW.hosts[0]}/a"
    keys = [*ROW.assets.values(), ROW.scl, str(ROW.visual)]
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "S2A_33UUP_20200714_0_L2A",
        "collection": ROW.collection,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": [12.0, 47.5, 13.5, 48.5],
        "properties": {
            "datetime": "2020-07-14T10:10:31Z",
            "platform": "sentinel-2a",
            "proj:epsg": 32633,
            "mgrs:utm_zone": 33,
            "mgrs:latitude_band": "U",
            "mgrs:grid_square": "UP",
            "eo:cloud_cover": 3.5,
            "s2:processing_baseline": "05.00",
            "s2:product_type": "S2MSI2A",
            "earthsearch:boa_offset_applied": True,
        },
        "assets": {key: {"href": f"{host}/{key}.tif", "proj:epsg": 32633} for key in keys},
        "links": [],
    }


def answer(*items: Any, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """An answer with these items."""
    return {"type": "FeatureCollection", "features": list(items), "links": [], **more}


def _case(kind: str, name: str, values: Any, must: Must = "either") -> Case:  # noqa: ANN401
    return of_bytes(kind, name, "a.json", lambda: text_of(values), gate=GATE, must=must)


def _items() -> Iterator[Case]:
    """Each value of an item replaced."""
    kind = "answers: items"
    sound = item()
    for name, value in VALUES.items():
        for key in sound:
            yield _case(kind, f"{key}: {name}", answer({**sound, key: value}))
        for key in sound["properties"]:
            changed = {**sound["properties"], key: value}
            yield _case(kind, f"properties.{key}: {name}", answer({**sound, "properties": changed}))
        for key in ("blue", "scl"):
            assets = {**sound["assets"], key: value}
            yield _case(kind, f"assets.{key}: {name}", answer({**sound, "assets": assets}))
            assets = {**sound["assets"], key: {"href": value, "alternate": value}}
            yield _case(kind, f"assets.{key}.href: {name}", answer({**sound, "assets": assets}))
    times = (
        "0000-00-00",
        "9999-12-31T23:59:59+23:59",
        "0001-01-01T00:00:00-23:59",
        "now",
        "2020-07-14T10:10:31Z/..",
        "2020-07-14T10:10:31." + "9" * 30 + "Z",
        "٢٠٢٠-٠٧-١٤",
    )
    for text in times:
        properties = {**sound["properties"], "datetime": text}
        yield _case(kind, f"time {text}", answer({**sound, "properties": properties}))
    hrefs = (
        f"file://{CANARY}/secret.tif",
        f"{URL}/a.tif",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]/a.tif",
        "http://127.1/a.tif",
        "http://2130706433/a.tif",
        "http://localhost",
        f"https://{ROW.hosts[0]}@127.0.0.1/a.tif",
        f"https://{ROW.hosts[0]}.evil.org/a.tif",
        f"https://{ROW.hosts[0]}:99999/a.tif",
        f"https://{ROW.hosts[0]}\\@127.0.0.1/a.tif",
        f"https://evil.org/?https://{ROW.hosts[0]}/",
        f"https://{ROW.hosts[0]}%00.evil.org/",
        f"//{ROW.hosts[0]}/a.tif",
        f"/vsicurl/{URL}/a.tif",
        "javascript:alert(1)",
        "\0",
        "s3://x/y",
        f"https://{ROW.hosts[0]}\r\nHost: evil.org/",
        "https://ｅvil.org/",
        "https://[",
        "a" * 100_000,
        "gopher://127.0.0.1/",
        "https:///a.tif",
        "data:image/tiff;base64,AAAA",
    )
    for text in hrefs:
        assets = {**sound["assets"], "blue": {"href": text}}
        yield _case(kind, f"address {text[:60]}", answer({**sound, "assets": assets}))


def _footprints() -> Iterator[Case]:
    kind = "answers: footprints"
    sound = item()
    turn = [2 * math.pi * i * 3_999 / 9_999 for i in range(9_999)]
    star = [[12.8 + math.cos(a), 48.1 + 0.5 * math.sin(a)] for a in turn]
    drawn = random_of(kind)
    noise = [[12 + drawn.random(), 47.5 + drawn.random()] for _ in range(9_999)]
    comb = [[12 + (i % 2), 47.5 + i / 9_999] for i in range(9_999)]
    rings: dict[str, list[list[float]]] = {
        "star of 9,999": star, "noise of 9,999": noise, "comb of 9,999": comb,
        "one point": [[12.8, 48.1]] * 5, "line": [[12, 48], [13, 48.2], [12, 48], [13, 48.2]],
        "world": [[-180, -90], [180, -90], [180, 90], [-180, 90], [-180, -90]],
        "more than the world": [[-360, -90], [360, -90], [360, 90], [-360, 90], [-360, -90]],
        "bow tie": [[12, 47], [14, 49], [14, 47], [12, 49], [12, 47]],
        "200,000 points": noise * 20, "far": [[1e300, 1e300]] * 4, "open": star[:3],
    }  # fmt: skip
    for name, ring in rings.items():
        closed = [*ring, ring[0]]
        one = {"type": "Polygon", "coordinates": [closed]}
        yield _case(kind, name, answer({**sound, "geometry": one}))
    for count in (50, 150):
        several = [
            {**sound, "id": f"S2A_33UUP_20200714_{i}_L2A",
             "geometry": {"type": "Polygon", "coordinates": [[*noise[i:], *noise[: i + 1]]]}}
            for i in range(count)
        ]  # fmt: skip
        yield _case(kind, f"{count} scenes of 9,999 points", answer(*several))
    many = {"type": "MultiPolygon", "coordinates": [[[*star, star[0]]]] * 20}
    yield _case(kind, "20 stars", answer({**sound, "geometry": many}))
    for shape in ({"type": "Point", "coordinates": [12.8, 48.1]}, {"type": "GeometryCollection"},
                  {"type": "Polygon", "coordinates": [[[None, True]] * 5]},
                  {"type": "Polygon", "coordinates": {}}, {"type": "Polygon"}):  # fmt: skip
        yield _case(kind, f"shape {str(shape)[:50]}", answer({**sound, "geometry": shape}))


def _answers() -> Iterator[Case]:
    """Whole answers."""
    kind = "answers"
    sound = item()
    for name, value in VALUES.items():
        yield _case(kind, f"is {name}", value)
        yield _case(kind, f"features: {name}", answer(features=value))
        yield _case(kind, f"item is {name}", answer(value))
        yield _case(kind, f"links: {name}", answer(sound, links=value))
        yield _case(kind, f"after a sound one: {name}", answer(sound, value))
    for href in (
        f"{ANSWERS}/search",
        f"{URL}/a",
        f"file://{CANARY}/secret.txt",
        "http://169.254.169.254/",
    ):
        for method in ("GET", "POST"):
            link = {"rel": "next", "href": href, "method": method, "body": {"token": "x"},
                    "merge": True}  # fmt: skip
            yield _case(kind, f"next page {href[:40]} by {method}", answer(sound, links=[link]))
    texts: dict[str, Callable[[], bytes]] = {
        "nothing": lambda: b"",
        "HTML": lambda: b"<html>",
        "cut": lambda: text_of(answer(sound))[:900],
        "NaN": lambda: b'{"features": [NaN]}',
        "deep": lambda: b'{"features":' + b"[" * 500_000,
        "200 MB": lambda: b'{"features": [' + b" " * 200_000_000 + b"]}",
        "a million items": lambda: (
            b'{"type": "FeatureCollection", "features": [' + b"{}," * 1_000_000 + b"{}]}"
        ),
        "10,000 sound items": lambda: text_of(answer(*[sound] * 10_000)),
        "not UTF-8": lambda: b'{"a": "\xff\xfe"}',
        "UTF-16": lambda: text_of(sound).decode().encode("utf-16"),
    }
    for name, text in texts.items():
        yield of_bytes(
            kind, name, "a.json", text, gate=GATE, slow="0 MB" in name or "million" in name
        )
    yield of_bytes(
        kind,
        "gzip of 300 MB",
        "a.json.gz",
        lambda: gzip.compress(b'{"features": [' + b" " * 300_000_000 + b"]}"),
        gate=GATE,
        slow=True,
    )
    yield of_bytes(kind, "not gzip", "a.json.gz", b"{}", gate=GATE)
    yield of_bytes(kind, "endless", "endless", b" " * 1_000_000, gate=GATE, slow=True)


@cache
def _own() -> bytes:
    """The catalogue of a folder with one stack."""
    with tempfile.TemporaryDirectory() as where:
        folder = Path(where)
        (folder / "S2_20200714.tif").write_bytes(seeds.stack())
        index.build(folder, folder / "a.parquet", date=datetime(2020, 7, 14, tzinfo=UTC))
        return (folder / "a.parquet").read_bytes()


def _parquet() -> Iterator[Case]:
    kind = "own catalogues"
    own: Gate = "catalogue"
    data = _own()
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    drawn = random_of(kind)
    places = [*range(4), *range(len(data) - 8, len(data))]
    places += sorted(drawn.sample(range(footer, len(data) - 8), 150))
    places += sorted(drawn.sample(range(4, footer), 100))
    for at in places:
        value = drawn.randrange(256)
        broken = data[:at] + bytes([value]) + data[at + 1 :]
        yield of_bytes(kind, f"byte {at} = {value}", "a.parquet", broken, gate=own)
    for at in (0, 3, 4, 8, footer, len(data) - 8, len(data) - 4, len(data) - 1):
        yield of_bytes(kind, f"first {at} bytes", "a.parquet", data[:at], gate=own)
    for name, change in _changes().items():
        yield of_bytes(kind, name, "a.parquet", partial(_rewritten, change), gate=own)
    yield of_files(kind, "scene is gone", "a.parquet", lambda: {"a.parquet": _own()}, gate=own)


def _rewritten(change: Callable[[pa.Table], pa.Table]) -> bytes:
    out = pa.BufferOutputStream()
    pq.write_table(change(pq.read_table(pa.BufferReader(_own()))), out, compression="none")
    return bytes(out.getvalue().to_pybytes())


def _without(name: str, table: pa.Table) -> pa.Table:
    return table.drop_columns([name])


def _changes() -> dict[str, Callable[[pa.Table], pa.Table]]:
    def put(
        name: str,
        values: Any,  # noqa: ANN401 - of any type
        kind: pa.DataType | None = None,
    ) -> Callable[[pa.Table], pa.Table]:
        def change(table: pa.Table) -> pa.Table:
            column = pa.array(values, kind)
            at = table.schema.get_field_index(name)
            return table.set_column(at, name, column)

        return change

    def href(text: str) -> Callable[[pa.Table], pa.Table]:
        def change(table: pa.Table) -> pa.Table:
            assets = table["assets"].to_pylist()
            for asset in assets[0].values():
                asset["href"] = text
            return put("assets", assets)(table)

        return change

    wkb = b"\1\3\0\0\0\xff\xff\xff\x7f\xff\xff\xff\x7f"
    deep = b"\1\7\0\0\0\1\0\0\0" * 20_000
    nan = b"\1\3\0\0\0\1\0\0\0\4\0\0\0" + b"\0\0\0\0\0\0\xf8\x7f" * 8
    box = {"xmin": math.nan, "ymin": math.inf, "xmax": -math.inf, "ymax": 1e300}
    hrefs = (
        f"{CANARY}/secret.tif",
        f"../../../../../..{CANARY}/secret.tif",
        f"{URL}/a.tif",
        f"/vsicurl/{URL}/a.tif",
        f"file://{CANARY}/secret.tif",
        "C:\\a.tif",
        "a\0.tif",
        "",
        "./" + "x" * 50_000 + ".tif",
        "./a.vrt",
        "\x1b[31m.tif",
        "./../" * 500 + "a.tif",
        f"GTIFF_DIR:1:{CANARY}/secret.tif",
        "./S2_20200714.tif/../../x.tif",
        "~/a.tif",
    )
    return {
        "huge WKB": put("geometry", [wkb]),
        "deep WKB": put("geometry", [deep]),
        "NaN WKB": put("geometry", [nan]),
        "no WKB": put("geometry", [b""]),
        "null WKB": put("geometry", [None], pa.binary()),
        "text WKB": put("geometry", ["x"]),
        "odd box": put("bbox", [box]),
        "null box": put(
            "bbox",
            [None],
            pa.struct([(side, pa.float64()) for side in ("xmin", "ymin", "xmax", "ymax")]),
        ),
        "text box": put("bbox", ["x"]),
        "number as id": put("id", [5]),
        "no id": put("id", [""]),
        "odd id": put("id", ["\x1b[31m\n<b>" + "x" * 5_000]),
        "null id": put("id", [None], pa.string()),
        "null time": put("datetime", [None], pa.timestamp("ms", "UTC")),
        "odd time": put("datetime", [2**62], pa.timestamp("ms", "UTC")),
        "other zone": put("datetime", [0], pa.timestamp("ns", "Europe/Nowhere")),
        "empty": lambda table: table.slice(0, 0),
        "50,000 rows": lambda table: pa.concat_tables([table] * 50_000),
        "3,000 columns": lambda table: pa.table(
            {
                **{f"c{i}": pa.nulls(1) for i in range(3_000)},
                **dict(zip(table.schema.names, table.columns, strict=True)),
            }
        ),
        "200 MB of id": put("id", ["x" * 200_000_000]),
        **{f"address {text[:30]!r}": href(text) for text in hrefs},
        **{
            f"no {name}": partial(_without, name)
            for name in ("id", "bbox", "geometry", "datetime", "assets", "landcover:layout")
        },
    }
