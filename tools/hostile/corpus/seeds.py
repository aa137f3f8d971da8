"""The sound files that hostile ones are made from: small, and with real pixels of our samples."""

from __future__ import annotations

import hashlib
import io
import json
import sqlite3
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import rasterio
from PIL import Image
from rasterio.enums import Resampling
from rasterio.errors import NotGeoreferencedWarning

from landcover.areas.layout import COVER_EXTRA, NODATA, UNIT
from landcover.core.bands import BAND_NAMES
from landcover.io.samples import read_sample, sample_files
from tests.support import safe_tree, stack_files

__all__ = [
    "SAMPLE",
    "band_files",
    "card",
    "finished_map",
    "geojson",
    "geopackage",
    "jp2",
    "kml",
    "made",
    "model",
    "model_files",
    "picture",
    "pixels",
    "safe_files",
    "safe_zip",
    "stack",
    "weights",
    "zipped",
]

SAMPLE: Final = "austria-fields"


@cache
def pixels() -> npt.NDArray[Any]:
    """Digital numbers ``(12, 120, 120)`` of a sample."""
    dn = np.round(read_sample(SAMPLE).data * 10_000)
    return dn.astype(np.uint16)


@cache
def stack(**options: Any) -> bytes:  # noqa: ANN401 - options of rasterio
    """A GeoTIFF with all bands of the sample; options as for rasterio."""
    return stack_files.tif(pixels(), bands=BAND_NAMES, **options)


@cache
def jp2(bands: int = 12) -> bytes:
    """A lossless JPEG 2000 file with the bands of the sample."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.jp2"
        with rasterio.open(
            path,
            "w",
            driver="JP2OpenJPEG",
            width=120,
            height=120,
            count=bands,
            dtype="uint16",
            crs="EPSG:32633",
            transform=stack_files.from_origin(400_000, 5_300_000, 10, 10),
            QUALITY="100",
            REVERSIBLE="YES",
            GMLJP2="NO",
        ) as raster:
            raster.write(pixels()[:bands])
        return path.read_bytes()


def finished_map(
    *,
    names: tuple[str, ...] = ("Water", "Forest"),
    size: tuple[int, int] | None = None,
    scale: float = UNIT,
    west: float = 399_960.0,
    pixel: float = 80.0,
    tags: Mapping[str, str] | None = None,
    **profile: Any,  # noqa: ANN401 - options of rasterio
) -> bytes:
    """The cover of a map with a smaller version; without pixels if a size is given."""
    every = (*names, *COVER_EXTRA)
    rows, columns = size or (40, 600)
    given = {"dtype": "uint8", "crs": "EPSG:32633", "nodata": NODATA, **profile}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        path = Path(folder) / "a.tif"
        with rasterio.open(
            path,
            "w",
            driver="GTiff",
            height=rows,
            width=columns,
            count=len(every),
            transform=rasterio.Affine(pixel, 0, west, 0, -pixel, 5_300_040),
            tiled=True,
            compress="deflate",
            predictor=1 if given["dtype"] == "float32" else 2,
            sparse_ok=True,
            **given,
        ) as raster:
            if size is None:
                drawn = np.random.default_rng(0).integers(0, 251, (len(every), rows, columns))
                raster.write(drawn.astype(given["dtype"]))
            raster.scales = [1.0 if name == "mask" else scale for name in every]
            for number, name in enumerate(every, start=1):
                raster.set_band_description(number, name)
            raster.update_tags(**{"LAYER": "cover", "MAP": "0" * 12, **(tags or {})})
        if size is None:
            with rasterio.open(path, "r+") as raster:
                raster.build_overviews([2], Resampling.nearest)
        return path.read_bytes()


@cache
def picture(kind: str = "PNG", *, side: int = 64, **options: Any) -> bytes:  # noqa: ANN401
    """A colour picture of the sample."""
    rgb = pixels()[[3, 2, 1], :side, :side].transpose(1, 2, 0)
    image = Image.fromarray((rgb / 16).clip(0, 255).astype(np.uint8), "RGB")
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


@cache
def band_files() -> dict[str, bytes]:
    """The twelve files of a BigEarthNet patch, by name."""
    return {name: data for name, data in sample_files(SAMPLE) if name.endswith(".tif")}


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip with these files, dated 1980."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files.items():
            member = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            member.compress_type = method
            archive.writestr(member, data)
    return out.getvalue()


def made(write: Callable[[Path], object]) -> dict[str, bytes]:
    """The files that a function writes below a folder, by path."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        paths = sorted(path for path in Path(folder).rglob("*") if path.is_file())
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


@cache
def safe_files() -> dict[str, bytes]:
    """The files of a SAFE product of 1.2 km, by path."""
    return made(lambda folder: safe_tree.write_safe(folder, safe_tree.Safe(offsets=("0",) * 13)))


@cache
def safe_zip() -> bytes:
    """A zipped SAFE product."""
    return zipped(safe_files())


@cache
def geopackage() -> bytes:
    """A GeoPackage with one polygon."""

    def write(folder: Path) -> None:
        base = sqlite3.connect(folder / "a.gpkg")
        base.executescript(
            "PRAGMA application_id = 0x47504B47; PRAGMA user_version = 10300;"
            "CREATE TABLE gpkg_contents (table_name TEXT, data_type TEXT, srs_id INTEGER);"
            "CREATE TABLE gpkg_geometry_columns (table_name TEXT, column_name TEXT);"
            "CREATE TABLE fields (fid INTEGER PRIMARY KEY, geom BLOB);"
            "INSERT INTO gpkg_contents VALUES ('fields', 'features', 4326);"
            "INSERT INTO gpkg_geometry_columns VALUES ('fields', 'geom');"
            "INSERT INTO fields VALUES (1, x'47500001E61000000101000000000000000000F03F');"
        )
        base.commit()
        base.close()

    return made(write)["a.gpkg"]


def geojson(ring: list[list[float]] | None = None) -> dict[str, Any]:
    """A GeoJSON file with one polygon."""
    square = [[16.0, 48.0], [16.1, 48.0], [16.1, 48.1], [16.0, 48.1], [16.0, 48.0]]
    shape = {"type": "Polygon", "coordinates": [ring or square]}
    feature = {"type": "Feature", "properties": {}, "geometry": shape}
    return {"type": "FeatureCollection", "features": [feature]}


def kml(extra: str = "") -> bytes:
    """A KML file with one point."""
    return (
        f'<?xml version="1.0"?>{extra}<kml xmlns="http://www.opengis.net/kml/2.2"><Placemark>'
        "<Point><coordinates>16,48</coordinates></Point></Placemark></kml>"
    ).encode()


@cache
def model_files() -> dict[str, bytes]:
    """Card and weights of the smallest shipped model, the class prior."""
    from landcover.models.registry import ZOO  # noqa: PLC0415 - loads torch

    folder = ZOO / "class-prior"
    return {name: (folder / name).read_bytes() for name in ("card.json", "weights.safetensors")}


def card() -> dict[str, Any]:
    """The card of :func:`model`."""
    found: dict[str, Any] = json.loads(model_files()["card.json"])
    return {**found, "name": "own"}


def weights() -> bytes:
    """The weights of :func:`model`."""
    return model_files()["weights.safetensors"]


def model(changes: dict[str, Any] | None = None, data: bytes | None = None) -> dict[str, bytes]:
    """The files of a small model; the card has the hash of the weights unless that is changed."""
    tensors = weights() if data is None else data
    sound = {**card(), "weights_sha256": hashlib.sha256(tensors).hexdigest()}
    values = {key: value for key, value in {**sound, **(changes or {})}.items() if value is not ...}
    return {"card.json": json.dumps(values).encode(), "weights.safetensors": tensors}
