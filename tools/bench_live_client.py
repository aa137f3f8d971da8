"""Read twelve bands of a scene with one reader and time it, in a separate process.

``bench_live.py`` starts this script with the name of a reader and then sends one JSON line for
each read; the script replies with the seconds that the read took. Imports and setup are not
counted, and a first read of another scene is not timed. The script also runs in the environment
of ``requirements-bench.txt``, so it imports nothing of the project at the top.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np

Job = dict[str, Any]
Reader = Callable[[Job], Any]

TITILER: dict[str, str | int] = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".tif,.TIF,.tiff",
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "GDAL_HTTP_MULTIPLEX": "YES",
    "GDAL_INGESTED_BYTES_AT_OPEN": "32768",
    "GDAL_CACHEMAX": 200,
    "VSI_CACHE": "TRUE",
    "VSI_CACHE_SIZE": "5000000",
}
"""Settings that titiler's documentation recommends for deployments."""


def ours() -> Reader:
    """Our reader: ``catalog.fetch`` of a known candidate."""
    from landcover.stac import catalog  # noqa: PLC0415 - absent in the other environment
    from landcover.stac.archives import catalogue  # noqa: PLC0415
    from landcover.stac.passes import passes  # noqa: PLC0415
    from landcover.stac.scene import scene_of  # noqa: PLC0415

    def read(job: Job) -> Any:  # noqa: ANN401 - as numpy gives it
        os.environ["LANDCOVER_HOME"] = job["cache_folder"]
        scene = scene_of(job["item"], catalogue("earth-search"))
        (candidate,) = passes([scene], job["latitude"], job["longitude"])
        return catalog.fetch(candidate).data * 10_000

    return read


def click() -> Reader:
    """Our reader after a click: search, previews of the dates, then the fetch."""
    from landcover.stac import catalog  # noqa: PLC0415

    def read(job: Job) -> Any:  # noqa: ANN401
        os.environ["LANDCOVER_HOME"] = job["cache_folder"]
        day = date.fromisoformat(job["item"]["properties"]["datetime"][:10])
        query = catalog.SceneQuery(
            latitude=job["latitude"], longitude=job["longitude"], start=day, end=day
        )
        result = catalog.find("earth-search", query)
        assert result.best is not None, result.reason
        return catalog.fetch(result.candidates[result.best]).data * 10_000

    return read


def rasterio_plain() -> Reader:
    """A loop that opens and reads one band after another, with GDAL's defaults."""
    import rasterio  # noqa: PLC0415
    from rasterio.windows import Window  # noqa: PLC0415

    def read(job: Job) -> Any:  # noqa: ANN401
        bands = []
        for key in job["assets"]:
            with rasterio.open(job["item"]["assets"][key]["href"]) as raster:
                pixel = round(raster.transform.a)
                column = round((job["left"] - raster.transform.c) / pixel)
                row = round((raster.transform.f - job["top"]) / pixel)
                side = 1200 // pixel
                numbers = raster.read(1, window=Window(column, row, side, side))
            bands.append(numbers.repeat(pixel // 10, axis=0).repeat(pixel // 10, axis=1))
        return np.stack(bands)

    return read


def rasterio_titiler() -> Reader:
    """The same loop with titiler's GDAL settings."""
    import rasterio  # noqa: PLC0415

    plain = rasterio_plain()

    def read(job: Job) -> Any:  # noqa: ANN401
        with rasterio.Env(**TITILER):
            return plain(job)

    return read


def odc(*, tuned: bool = False) -> Reader:
    """``odc.stac.load`` with its defaults, or ``tuned``: a pool and its cloud settings."""
    import odc.stac  # type: ignore[import-not-found]  # noqa: PLC0415 - only in .venv-bench
    import pystac  # noqa: PLC0415
    from affine import Affine  # noqa: PLC0415
    from odc.geo.geobox import GeoBox  # type: ignore[import-not-found]  # noqa: PLC0415

    if tuned:
        odc.stac.configure_rio(cloud_defaults=True)

    def read(job: Job) -> Any:  # noqa: ANN401
        box = GeoBox((120, 120), Affine(10, 0, job["left"], 0, -10, job["top"]), job["crs"])
        item = pystac.Item.from_dict(job["item"])
        more = {"pool": len(job["assets"])} if tuned else {}
        loaded = odc.stac.load([item], bands=job["assets"], geobox=box, **more)
        return np.stack([loaded[key].values[0] for key in job["assets"]])

    return read


READERS: dict[str, Callable[[], Reader]] = {
    "ours": ours,
    "click": click,
    "rasterio": rasterio_plain,
    "rasterio-titiler": rasterio_titiler,
    "odc": odc,
    "odc-pool": lambda: odc(tuned=True),
}


def main() -> None:
    """Read each job that standard input describes, until it ends."""
    read = READERS[sys.argv[1]]()
    for line in sys.stdin:
        job = json.loads(line)
        begin = time.perf_counter()
        numbers = read(job)
        seconds = time.perf_counter() - begin
        np.save(job["out"], np.rint(numbers).astype(np.uint16))
        print(json.dumps(seconds), flush=True)


if __name__ == "__main__":
    main()
