"""Write a small archive of real cloud-optimised scenes in the layouts of three public catalogues.

Pixels:

* Austria: 319 BigEarthNet patches of one product, placed at their original positions on the
  tile's native grids of 10, 20 and 60 m; 0 (no data) between them.
* Boadella: 12-band stacks on a grid of degrees, resampled to UTM by the nearest pixel (10 m) and
  by the average (20 and 60 m); negative numbers become 1, because ESA's products have none.
* South: a 12-band stack in UTM, aligned with the lattice; coarser bands are averages of blocks.
* L1C: a 13-band stack in UTM, processed like South.

Scene classifications are computed (:func:`scene_classes`) and replace those of the archives.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fcntl import LOCK_EX, flock
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt
import rasterio
from PIL import Image
from rasterio.enums import Resampling
from rasterio.shutil import copy as copy_raster
from rasterio.warp import reproject

from landcover.core.bands import BAND_NAMES, BANDS, L1C_BAND_NAMES
from tests.live import wire
from tests.live.granules import GRANULES, PLACES, Extent, Granule, Part, Place, Style

UInt16 = npt.NDArray[np.uint16]
Number = TypeVar("Number", np.uint8, np.uint16)

PRODUCT: Final = "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP"
RESOLUTION: Final[Mapping[str, int]] = {
    **{band.name: band.resolution_m for band in BANDS},
    "B10": 60,
    "SCL": 20,
    "visual": 10,
}
COG: Final[Mapping[str, Any]] = {
    "driver": "COG",
    "COMPRESS": "DEFLATE",
    "LEVEL": 1,
    "PREDICTOR": "YES",
    "NUM_THREADS": "1",
}
JP2: Final[Mapping[str, Any]] = {
    "driver": "JP2OpenJPEG",
    "QUALITY": "100",
    "REVERSIBLE": "YES",
    "YCBCR420": "NO",
    "BLOCKXSIZE": "1024",
    "BLOCKYSIZE": "1024",
}
THUMBNAIL: Final = 343
"""Side of a catalogue's preview, in pixels."""
WHITE: Final = 3_558
"""Digital number shown at full brightness in the true-colour picture, as in ESA's pictures."""


@dataclass(frozen=True)
class Archive:
    """A folder of scenes and their properties.

    Attributes:
        root: the folder to serve. Addresses begin with ``{base}``, a placeholder for its address.
        shared: the folder of real imagery that it was made from.
        facts: for each granule, the percentages of no data and of cloud.
    """

    root: Path
    shared: Path
    facts: Mapping[str, Mapping[str, float]]

    @property
    def places(self) -> Mapping[str, Place]:
        """Places with known pixels, by name."""
        return PLACES

    @property
    def granules(self) -> tuple[Granule, ...]:
        return GRANULES

    def items(self, style: Style, base_url: str) -> list[dict[str, Any]]:
        """Return the STAC items of a catalogue, in the form in which it publishes them.

        Args:
            style: ``"earth-search"``, ``"planetary-computer"`` or ``"copernicus"``.
            base_url: address at which ``root`` is served, without a slash at the end.
        """
        return [
            wire.item(granule, self.facts[f"{style}/{granule.id}"], base_url)
            for granule in GRANULES
            if granule.style == style
        ]

    def granule(self, item_id: str, style: Style | None = None) -> Granule:
        """Return the granule of an item; two catalogues may use the by_content id."""
        found = [g for g in GRANULES if g.id == item_id and style in {None, g.style}]
        return found[0]

    def path(self, granule: Granule, asset: str) -> Path:
        """Return the file of a granule's band, ``"SCL"``, ``"visual"`` or ``"thumbnail"``."""
        return self.root / wire.path(granule, asset)

    def expected(self, place: Place | str, day: str = "") -> dict[str, UInt16]:
        """Return the source's digital numbers in a place's window, by band; 0 is no data.

        A reader must get them after subtracting the granule's ``shift``, except where there is no
        data. For Austria they are read from the patch files by their georeferencing.

        Args:
            place: the place or its name.
            day: such as ``"2020-01-23"``; Boadella has several days.
        """
        place = PLACES[place] if isinstance(place, str) else place
        if place.pixels == "austria":
            return {band: _from_patches(self.shared, band, place.window) for band in BAND_NAMES}
        key = f"boadella/{day}" if place.pixels == "boadella" else place.pixels
        names = L1C_BAND_NAMES if key == "l1c" else BAND_NAMES
        granule = next(g for g in GRANULES if g.pixels == key)
        numbers = Source(self.shared, key, granule.extent)
        return {band: _crop(numbers.band(band), band, granule.extent, place) for band in names}

    def classes(self, place: Place | str, day: str = "") -> npt.NDArray[np.uint8]:
        """Return the scene classification in a place's window, 60×60 pixels of 20 m."""
        place = PLACES[place] if isinstance(place, str) else place
        key = f"boadella/{day}" if place.pixels == "boadella" else place.pixels
        granule = next(
            g for g in GRANULES if g.pixels == key and g.part == "all" and _inside(g, place)
        )
        scl: npt.NDArray[np.uint8] = Source(self.shared, key, granule.extent).classes()
        return _crop(scl, "SCL", granule.extent, place)

    def cloud(self, place: Place | str, day: str = "") -> float:
        """Return the share of cloud in a place's window on a day, 0 to 1."""
        return float((self.classes(place, day) == 9).mean())


def build(out: Path, shared_data: Path) -> Archive:
    """Write the archive, unless it was already written from the by_content code and imagery.

    Args:
        out: contains one folder for the current version; older versions are removed.
        shared_data: the folder of real imagery.
    """
    root = out / _fingerprint(shared_data)
    stamp = root / "facts.json"
    # Another worker waits until the archive is written and then uses it.
    with (out.parent / f"{out.name}.lock").open("w") as lock:
        flock(lock, LOCK_EX)
        _write_once(out, root, stamp, shared_data)
    return Archive(root, shared_data, json.loads(stamp.read_text(encoding="utf-8")))


def _write_once(out: Path, root: Path, stamp: Path, shared_data: Path) -> None:
    if not stamp.is_file():
        shutil.rmtree(out, ignore_errors=True)
        root.mkdir(parents=True)
        with warnings.catch_warnings():
            # rasterio 1.4 multiplies affine 3's matrices in a way that will be deprecated.
            warnings.simplefilter("ignore", PendingDeprecationWarning)
            facts = _write_all(root, shared_data)
        stamp.write_text(json.dumps(facts, indent=1), encoding="utf-8")


def scene_classes(blue: UInt16, red: UInt16, near: UInt16, short: UInt16) -> npt.NDArray[np.uint8]:
    """Compute a simple substitute for ESA's scene classification from four bands on one grid.

    0 no data; 9 cloud: bright in blue and near infrared (both over 0.15); 6 water: dark in
    near infrared and shortwave (under 0.08 and 0.06); 4 vegetation: NDVI over 0.35; otherwise
    5, bare. Shadows and snow are not detected.
    """
    data = (blue > 0) & (near > 0)
    b, r, n, s = (band[data].astype(np.int32) for band in (blue, red, near, short))
    green = (n - r) * 20 > (n + r) * 7
    water, cloud = (n < 800) & (s < 600), (b > 1500) & (n > 1500)
    scl = np.zeros(blue.shape, np.uint8)
    scl[data] = np.where(cloud, 9, np.where(water, 6, np.where(green, 4, 5)))
    return scl


@dataclass(frozen=True)
class Source:
    """The pixels of one kind of granule on its extent, without the offset."""

    shared: Path
    key: str
    extent: Extent

    def band(self, name: str) -> UInt16:
        """Return the digital numbers of a band on its native grid."""
        if self.key == "austria":
            return _from_patches(self.shared, name, self.extent)
        if self.key.startswith("boadella/"):
            return self._warped(name)
        return self._blocks(name)

    def classes(self) -> npt.NDArray[np.uint8]:
        """Return the scene classification on the 20 m grid."""
        blue, red = self.band("B02")[::2, ::2], self.band("B04")[::2, ::2]
        return scene_classes(blue, red, self.band("B8A"), self.band("B11"))

    def visual(self) -> npt.NDArray[np.uint8]:
        """Return the true-colour picture ``(3, y, x)``, 1 to 255; 0 is no data."""
        brightness = _stretch()
        return np.stack([brightness[self.band(name)] for name in ("B04", "B03", "B02")])

    def _warped(self, name: str) -> UInt16:
        resolution = RESOLUTION[name]
        day = self.key.removeprefix("boadella/")
        path = self.shared / "scenes" / "boadella" / f"Boadella_{day}.tif"
        with rasterio.open(path) as raster:
            numbers = raster.read(BAND_NAMES.index(name) + 1)
            transform, crs = raster.transform, raster.crs
        target = np.zeros(self.extent.shape(resolution), np.int16)
        reproject(
            np.maximum(numbers, 1),
            target,
            src_transform=transform,
            src_crs=crs,
            dst_transform=self.extent.transform(resolution),
            dst_crs=f"EPSG:{self.extent.epsg}",
            resampling=Resampling.nearest if resolution == 10 else Resampling.average,
        )
        assert target.min() > 0, "the extent must be within the scene"
        return target.astype(np.uint16)

    def _blocks(self, name: str) -> UInt16:
        file, names = _STACKS[self.key]
        with rasterio.open(self.shared / "scenes" / file) as raster:
            row, col = raster.index(self.extent.left + 5, self.extent.top - 5)
            numbers = raster.read(names.index(name) + 1)
        rows, cols = self.extent.shape(10)
        cut = np.clip(numbers[row : row + rows, col : col + cols], 1, None)
        assert cut.shape == (rows, cols), cut.shape
        times = RESOLUTION[name] // 10
        blocks = cut.reshape(rows // times, times, cols // times, times)
        means: npt.NDArray[np.float64] = np.rint(blocks.mean(axis=(1, 3)))
        return means.astype(np.uint16)


_STACKS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "south": ("terramind/S2L2A/38D_378R_2_3.tif", BAND_NAMES),
    "l1c": ("copernicusfm/20201002T221611_20201002T221610_T60HWB.tif", L1C_BAND_NAMES),
}


@lru_cache(maxsize=2)
def _patches(shared: Path) -> tuple[tuple[Path, float, float], ...]:
    """Return folder, left and top of each patch of the Austrian product."""
    folder = shared / "bigearthnet" / "BigEarthNet-S2" / PRODUCT
    found = []
    for patch in sorted(folder.iterdir()):
        with rasterio.open(patch / f"{patch.name}_B09.tif") as raster:
            found.append((patch, raster.transform.c, raster.transform.f))
    return tuple(found)


def _from_patches(shared: Path, band: str, extent: Extent) -> UInt16:
    """Return a band of all patches that touch an extent, placed by their georeferencing."""
    resolution = RESOLUTION[band]
    rows, cols = extent.shape(resolution)
    mosaic = np.zeros((rows, cols), np.uint16)
    for patch, left, top in _patches(shared):
        col, row = round((left - extent.left) / resolution), round((extent.top - top) / resolution)
        side = 1200 // resolution
        if col + side <= 0 or row + side <= 0 or col >= cols or row >= rows:
            continue
        with rasterio.open(patch / f"{patch.name}_{band}.tif") as raster:
            numbers = raster.read(1)
        first_row, first_col = max(0, -row), max(0, -col)
        piece = numbers[first_row : rows - row, first_col : cols - col]
        row, col = max(0, row), max(0, col)
        mosaic[row : row + piece.shape[0], col : col + piece.shape[1]] = piece
    return mosaic


def _crop(
    numbers: npt.NDArray[Number], band: str, extent: Extent, place: Place
) -> npt.NDArray[Number]:
    resolution = RESOLUTION[band]
    row = (extent.top - place.window.top) // resolution
    col = (place.window.left - extent.left) // resolution
    rows, cols = place.window.shape(resolution)
    assert row >= 0, place
    assert col >= 0, place
    piece = numbers[row : row + rows, col : col + cols]
    assert piece.shape == (rows, cols), place
    return piece


def _inside(granule: Granule, place: Place) -> bool:
    left, bottom, right, top = granule.extent.bounds
    west, south, east, north = place.window.bounds
    return left <= west and east <= right and bottom <= south and north <= top


def _stretch() -> npt.NDArray[np.uint8]:
    """Return the brightness of each possible digital number."""
    bright = np.minimum(np.arange(65_536) * 254 // WHITE, 254) + 1
    bright[0] = 0
    return bright.astype(np.uint8)


def data_mask(part: Part, extent: Extent, resolution: int) -> npt.NDArray[np.bool_]:
    """Return where a part of a granule has data: one side of a slanted edge through patch 28_56.

    The edge follows 60 m cells, so it is the by_content on all grids.
    """
    rows, cols = extent.shape(60)
    if part == "all":
        return np.ones(extent.shape(resolution), bool)
    edge = (extent.top - 5_332_200) // 60 + (np.arange(cols) - (334_200 - extent.left) // 60) // 3
    north = np.arange(rows)[:, None] < edge[None, :]
    cells = north if part == "north" else ~north
    times = 60 // resolution
    return cells.repeat(times, axis=0).repeat(times, axis=1)


# Writing


def _fingerprint(shared: Path) -> str:
    """Return a hash of the code that writes the archive and of the list of image files."""
    here = Path(__file__).parent
    code = [(here / name).read_bytes() for name in ("archive.py", "granules.py", "wire.py")]
    folders = (shared / "bigearthnet" / "BigEarthNet-S2" / PRODUCT, shared / "scenes")
    files = [
        f"{path.relative_to(shared)} {path.stat().st_size}"
        for folder in folders
        for path in sorted(folder.rglob("*.tif"))
    ]
    return hashlib.sha256(b"".join(code) + "\n".join(files).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class _Job:
    """One file to write, and all paths that get the by_content content."""

    granule: Granule
    asset: str
    paths: tuple[Path, ...]

    @property
    def cost(self) -> int:
        rows, cols = self.granule.extent.shape(RESOLUTION[self.asset])
        return rows * cols * (3 if self.asset == "visual" else 1)


def _write_all(root: Path, shared: Path) -> dict[str, dict[str, float]]:
    jobs = sorted(_jobs(root), key=lambda job: -job.cost)
    with ThreadPoolExecutor(max_workers=2) as pool:
        for _ in pool.map(lambda job: _write(job, shared), jobs):
            pass
    return {f"{g.style}/{g.id}": _facts(root, g) for g in GRANULES}


def _assets(granule: Granule) -> tuple[str, ...]:
    if granule.level == "L1C":
        return (*L1C_BAND_NAMES, "visual")
    return (*BAND_NAMES, "SCL", "visual")


def _jobs(root: Path) -> Iterator[_Job]:
    """Yield one job for each file content; further paths become hard links."""
    by_content: dict[tuple[object, ...], list[tuple[Granule, str, Path]]] = {}
    for granule in GRANULES:
        for asset in _assets(granule):
            shift = granule.shift if asset in L1C_BAND_NAMES else 0
            driver = "jp2" if granule.style == "copernicus" else "cog"
            key = (granule.pixels, granule.extent, granule.part, shift, asset, driver)
            entry = (granule, asset, root / wire.path(granule, asset))
            by_content.setdefault(key, []).append(entry)
    for entries in by_content.values():
        granule, asset, _ = entries[0]
        yield _Job(granule, asset, tuple(path for _, _, path in entries))


def _write(job: _Job, shared: Path) -> None:
    granule, asset = job.granule, job.asset
    resolution = RESOLUTION[asset]
    source = Source(shared, granule.pixels, granule.extent)
    if asset == "SCL":
        numbers: npt.NDArray[Any] = source.classes()
    elif asset == "visual":
        numbers = source.visual()
    else:
        numbers = source.band(asset)
        numbers[numbers > 0] += np.uint16(granule.shift)
    if granule.part != "all":
        numbers = numbers * data_mask(granule.part, granule.extent, resolution)
    first, *others = job.paths
    first.parent.mkdir(parents=True, exist_ok=True)
    _write_raster(first, numbers, granule, resolution)
    for other in others:
        other.parent.mkdir(parents=True, exist_ok=True)
        os.link(first, other)
    if asset == "visual" and granule.style == "earth-search":
        picture = Image.fromarray(np.moveaxis(numbers, 0, -1))
        picture.thumbnail((THUMBNAIL, THUMBNAIL))
        for path in job.paths:
            picture.save(path.parent / "thumbnail.jpg", quality=80)


def _write_raster(path: Path, numbers: npt.NDArray[Any], granule: Granule, resolution: int) -> None:
    layers = numbers if numbers.ndim == 3 else numbers[None]
    options = dict(COG if path.suffix == ".tif" else JP2)
    if options["driver"] == "COG":
        options["BLOCKSIZE"] = 1024 if resolution == 10 else 512
        options["OVERVIEW_RESAMPLING"] = "NEAREST"
    with rasterio.open(
        "",
        "w",
        driver="MEM",
        count=len(layers),
        height=layers.shape[1],
        width=layers.shape[2],
        dtype=layers.dtype,
        crs=f"EPSG:{granule.extent.epsg}",
        transform=granule.extent.transform(resolution),
        nodata=0 if options["driver"] == "COG" else None,  # JPEG 2000 cannot store it
    ) as memory:
        memory.write(layers)
        copy_raster(memory, path, **options)


def _facts(root: Path, granule: Granule) -> dict[str, float]:
    """Return the percentages of no data in the granule and of cloud among pixels with data."""
    if granule.level == "L1C":
        return {"nodata": 0.0, "cloud": 0.0}
    with rasterio.open(root / wire.path(granule, "SCL")) as raster:
        counts = np.bincount(raster.read(1).ravel(), minlength=12)
    data = max(1, int(counts[1:].sum()))
    shares = {"nodata": counts[0] / counts.sum(), "cloud": counts[9] / data}
    return {name: round(float(100 * share), 6) for name, share in shares.items()}
