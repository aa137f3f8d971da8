"""Reading a scene with a file for each band: files are joined to a stack and read as one.

The files may have different pixel sizes, such as Sentinel-2's 10, 20 and 60 m: coarse pixels are
repeated on the finest grid. All that is decided about stacks (order, scale, offset, fill, grid)
is decided by :mod:`landcover.io.stack`, so that both give the same reflectance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from rasterio.crs import CRS
from rasterio.enums import MaskFlags
from rasterio.io import MemoryFile

from landcover.core.bands import ALIGNMENT, L1C_BAND_NAMES, SCL_HIDDEN
from landcover.core.errors import BadInput
from landcover.core.projection import crs_of, wkt_of
from landcover.core.raster import BoolArray, ByteArray, Provenance, Raster
from landcover.core.window import Cut, Geo, Window, check_projected
from landcover.io.content import Content
from landcover.io.guard import (
    FILE,
    Part,
    RasterFile,
    check_size,
    fits_in_memory,
    named,
    open_raster,
    shown,
    tags_of,
)
from landcover.io.layouts.header import Grid
from landcover.io.layouts.tree import Tree
from landcover.io.pixel_source import PixelSource
from landcover.io.regrid import NO_PLACE, Raw, needed, target_of
from landcover.io.sidecars import mask_beside
from landcover.io.stack import decided, read_stack, stack_of

__all__ = ["MAX_SAMPLED", "Scene", "open_scene", "read_scene"]

MAX_SAMPLED: Final = 25_000_000
"""Pixels times bands up to which all pixels are read, if they must decide on the scaling."""
_BLOCK: Final = 1024
"""Rows of a block of a scene's JPEG 2000 files."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """The band files of a scene.

    Attributes:
        name: in the provenance and in messages; it may contain the date.
        tree: contains the files.
        files: band → path of its file in the tree; of "SCL", the scene classification.
        scaling: scale and offset of the numbers, if the metadata states them.
        tags: further metadata, as tags of a stack.
        crs: CRS of all files, if it is known without opening them, together with the grids.
        grids: band → grid.
    """

    name: str
    tree: Tree
    files: Mapping[str, str]
    scaling: tuple[float, float] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    crs: str | None = None
    grids: Mapping[str, Grid] = field(default_factory=dict)


@dataclass(frozen=True)
class _Band:
    """Header of a band file."""

    path: str
    crs: CRS | None
    transform: Geo
    shape: tuple[int, int]
    kind: str = "uint16"
    scaling: tuple[float, float] = (1.0, 0.0)
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def place(self) -> tuple[Any, ...]:
        return self.crs, self.transform, self.shape

    @property
    def north_up(self) -> bool:
        a, b, _, d, e, _ = self.transform
        return b == 0 and d == 0 and a > 0 and e < 0


def read_scene(scene: Scene, cut: Cut | None = None) -> Raster:
    """Read band files as reflectance.

    Clouds, their shadows and pixels without data in the scene classification are not valid.

    Args:
        scene: the files.
        cut: the square to read; only the parts of the files that it touches are read, unless the
            pixels must decide on the scaling. None for everything.

    Raises:
        BadInput: a file is damaged or not a band, or the files do not cover the same place; also
            as for :func:`landcover.io.stack.read_stack`.
    """
    bands, target, kind = _joined(scene)
    part, left = _part(scene, bands, target, cut)
    inside = left if isinstance(left, Cut) else None
    with named(scene.name):
        check_size(part[3], part[2], len(bands), kind.itemsize)
    raw = _raw(scene, bands, target, part, kind)
    numbers, window = raw.numbers, raw.window
    numbers[:, ~raw.valid] = 0
    raster = read_stack(_stack(scene, bands, window, kind, numbers), scene.name, inside)
    if isinstance(left, Window):
        ((row, col),) = raster.extent.pixels_of([left.west], [left.north])
        raster = raster.window(round(row), round(col), left.width)
    repeated = any(band.place != target.place for band in bands.values())
    facts = _described(raster.provenance, repeated=repeated)
    return _with_classes(replace(raster, provenance=facts), scene)


def open_scene(scene: Scene) -> PixelSource:
    """Open band files to read them by rectangles.

    A band is unpacked only where a rectangle touches its blocks. JPEG 2000, as in SAFE products, is
    slow to unpack: about 1 s for a million pixels of all bands.

    Raises:
        BadInput: as for :func:`read_scene`.
    """
    bands, target, kind = _joined(scene)
    with named(scene.name), open_raster(_stack(scene, bands, _window(target), kind)) as file:
        stack = stack_of(file.header, scene.name)
    rows, cols = target.shape
    with named(scene.name):
        fits = fits_in_memory(cols, rows, len(bands), kind.itemsize)
    repeated = any(band.place != target.place for band in bands.values())

    def part(here: Part) -> Raw:
        raw = _raw(scene, bands, target, here, kind)
        raw.numbers[:, ~raw.valid] = 0
        return raw

    def decide() -> Content:
        # Metadata that state the scaling leave little to decide, and JPEG 2000 unpacks slowly.
        few = scene.scaling is not None and not fits
        return decided(part, stack, fits=fits, block=_BLOCK, few=few)

    return PixelSource(
        name=scene.name,
        stack=stack,
        part=part,
        smaller=lambda names, step: _smaller(scene, [bands[name] for name in names], target, step),
        decide=decide,
        classes=_class_reader(scene, target),
        describe=partial(_described, repeated=repeated),
        block=(_BLOCK, _BLOCK),
    )


def _joined(scene: Scene) -> tuple[dict[str, _Band], _Band, np.dtype[Any]]:
    """The bands of a scene, the grid that they are joined on, and the type of their numbers."""
    bands = {name: _band(scene, name) for name in L1C_BAND_NAMES if name in scene.files}
    target = _target(scene.name, list(bands.values()))
    return bands, target, np.result_type(*(band.kind for band in bands.values()))


def _raw(
    scene: Scene, bands: Mapping[str, _Band], target: _Band, part: Part, kind: np.dtype[Any]
) -> Raw:
    """Read all bands in a part of the target."""
    numbers = np.zeros((len(bands), *part[2:]), dtype=kind)
    valid = np.ones(part[2:], dtype=np.bool_)
    if valid.size:
        for pixels, band in zip(numbers, bands.values(), strict=True):
            pixels[:], here = _pixels(scene.tree, band, target, part)
            valid &= here
    return Raw(numbers, valid, _window(target).part(*part))


def _smaller(scene: Scene, bands: Sequence[_Band], target: _Band, step: int) -> Raw:
    """Read every ``step``-th row and column of some bands, for a picture."""
    where = _window(target).in_pixels(*(-(-side // step) for side in target.shape))
    shape = where.height, where.width
    small = replace(target, transform=where.transform, shape=shape)
    numbers, valid = [], np.ones(shape, dtype=np.bool_)
    for band in bands:
        own = max(1, int(step * target.transform[0] / band.transform[0]))
        with named(band.path), scene.tree.raster(band.path) as source, open_raster(source) as found:
            file = replace(found, step=own)
            pixels, nodata = file.read([1])[0], file.header.nodata
        grid = _window(band).in_pixels(*pixels.shape)
        thin = replace(band, transform=grid.transform, shape=pixels.shape)
        picked = _picked(pixels, *_indexes(thin, small, (0, 0, *shape)))
        numbers.append(picked)
        if nodata is not None and nodata != 0:
            valid &= picked != nodata
    return Raw(np.stack(numbers), valid, where)


def _class_reader(scene: Scene, target: _Band) -> Callable[[Part], ByteArray] | None:
    """Reads the scene classification in a part of the target; None if there is none."""
    if "SCL" not in scene.files:
        return None
    band = _band(scene, "SCL")
    if band.crs is None or not (band.crs == target.crs and band.north_up and target.north_up):
        return None
    if scene.crs is None and band.kind != "uint8":
        return None

    def read(here: Part) -> ByteArray:
        if not (here[2] and here[3]):
            return np.zeros(here[2:], dtype=np.uint8)
        classes, known = _pixels(scene.tree, band, target, here)
        return np.where(known, classes, np.uint8(0)).astype(np.uint8)

    return read


def _described(facts: Provenance, *, repeated: bool) -> Provenance:
    steps = ["nearest repetition of the coarser bands to the finest grid"] * repeated
    steps += [facts.resampling] * (facts.resampling != "none")
    return replace(
        facts, resampling="; ".join(steps) or "none", band_order="names of the band files"
    )


def _band(scene: Scene, name: str) -> _Band:
    path = scene.files[name]
    if scene.crs is not None:
        grid = scene.grids[name]
        return _Band(path, check_projected(scene.crs), grid.transform, grid.shape)
    with named(path), scene.tree.raster(path) as source, open_raster(source) as file:
        header = file.header
        if header.count > 2:
            raise BadInput(f"{FILE} has {header.count} bands, not one: give it as a stack instead.")
        a, b, c, d, e, f = tuple(header.transform)[:6]
        return _Band(
            path,
            header.crs,
            (a, b, c, d, e, f),
            header.shape,
            header.dtypes[0],
            (header.scales[0], header.offsets[0]),
            tags_of(header),
        )


def _target(name: str, bands: Sequence[_Band]) -> _Band:
    """The grid of the finest band, cut to the place that all bands cover.

    Raises:
        BadInput: the bands do not cover the same place, or one has none.
    """
    for band in bands:
        if not all(map(math.isfinite, band.transform)):
            raise BadInput(
                f"'{shown(band.path)}' has a position that is nowhere on Earth: download it again."
            )
    finest = min(bands, key=lambda band: abs(band.transform[0]))
    if all(band.place == finest.place for band in bands):
        return finest
    a, _, west, _, e, north = finest.transform
    for band in bands:
        if band.crs != finest.crs or band.crs is None or not band.north_up:
            raise _elsewhere(band, name)
    # At the edge of a coarser band its last pixel is the nearest one for one more pixel.
    boxes = [_box(band, margin=band.transform[0] > a) for band in bands]
    left, top = max(west, *(box[0] for box in boxes)), min(north, *(box[1] for box in boxes))
    cols = math.ceil(round((left - west) / a, 6))
    rows = math.ceil(round((north - top) / -e, 6))
    width = math.floor(round((min(box[2] for box in boxes) - west) / a, 6)) - cols
    height = math.floor(round((north - max(box[3] for box in boxes)) / -e, 6)) - rows
    if width < 1 or height < 1:
        raise _elsewhere(max(bands, key=lambda band: abs(band.transform[2] - west)), name)
    moved = (a, 0.0, west + cols * a, 0.0, e, north + rows * e)
    return replace(finest, transform=moved, shape=(height, width))


def _elsewhere(band: _Band, name: str) -> BadInput:
    return BadInput(
        f"'{shown(band.path)}' covers another place than other bands of '{shown(name)}': "
        "give the files of one scene."
    )


def _box(band: _Band, *, margin: bool) -> tuple[float, float, float, float]:
    """West, north, east and south of a band, with one pixel more on each side for a margin."""
    a, _, west, _, e, north = band.transform
    rows, cols = band.shape
    more = int(margin)
    return west - more * a, north - more * e, west + (cols + more) * a, north + (rows + more) * e


def _window(band: _Band) -> Window:
    rows, cols = band.shape
    crs = NO_PLACE if band.crs is None else wkt_of(band.crs)
    return Window(crs=crs, transform=band.transform, width=cols, height=rows)


def _part(
    scene: Scene, bands: Mapping[str, _Band], target: _Band, cut: Cut | None
) -> tuple[Part, Cut | Window | None]:
    """The part of the target to read, and what is to be cut out of it, if not everything."""
    rows, cols = target.shape
    samples = rows * cols * len(bands)
    decided = scene.scaling is not None or samples > MAX_SAMPLED
    if cut is None or not decided or min(rows, cols) < cut.size:
        return (0, 0, rows, cols), cut
    where = _window(target)
    if cut.place is not None and where.crs == NO_PLACE:
        return (0, 0, rows, cols), cut  # the reader of stacks reports it
    with named(scene.name):
        grid = target_of(where)
        finer = grid.window
        if grid.same:
            row, col = cut.corner_in(target.shape, where=where, step=ALIGNMENT)
            return (row, col, cut.size, cut.size), replace(cut, place=None, corner=(0, 0))
        row, col = cut.corner_in((finer.height, finer.width), where=finer, step=ALIGNMENT)
        window = finer.part(row, col, cut.size, cut.size)
        return needed(where, window), window


def _pixels(
    tree: Tree, band: _Band, target: _Band, part: Part
) -> tuple[npt.NDArray[Any], BoolArray]:
    """The pixels of a band in a part of the target, and which of them have data."""
    rows, cols = _indexes(band, target, part)
    top, left = int(rows[0]), int(cols[0])
    here = (top, left, int(rows[-1]) - top + 1, int(cols[-1]) - left + 1)
    with named(band.path), tree.raster(band.path) as source, open_raster(source) as file:
        if file.header.shape != band.shape:
            raise BadInput(
                f"{FILE} has {file.header.width} × {file.header.height} pixels, not "
                f"{band.shape[1]} × {band.shape[0]}: download it again."
            )
        pixels, valid = file.read([1], here)[0], _valid(file, here)
        nodata = file.header.nodata
        if nodata is not None and nodata != 0:
            valid &= pixels != nodata
    return _picked(pixels, rows - top, cols - left), _picked(valid, rows - top, cols - left)


def _picked(
    pixels: npt.NDArray[Any], rows: npt.NDArray[np.intp], cols: npt.NDArray[np.intp]
) -> npt.NDArray[Any]:
    """Pixels at rows and columns; two steps take a third of the time of one."""
    if pixels.shape == (rows.size, cols.size):
        return pixels  # both are in order, and none is left out
    return pixels[:, cols][rows]


def _valid(file: RasterFile, part: Part) -> BoolArray:
    """Pixels that neither a mask, in the file or next to it, nor a second band for it excludes."""
    beside = mask_beside(file.header, part)
    if beside is not None:
        return beside
    if file.header.count == 2:
        opaque: BoolArray = file.read([2], part)[0] > 0
        return opaque
    if MaskFlags.per_dataset in file.header.mask_flag_enums[0]:
        return file.read_mask(part)
    return np.ones(part[2:], dtype=np.bool_)


def _indexes(
    band: _Band, target: _Band, part: Part
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Row and column in a band of each row and column of a part of the target."""
    top, left, height, width = part
    rows, cols = np.arange(top, top + height), np.arange(left, left + width)
    if band.transform == target.transform:
        return rows, cols
    a, _, west, _, e, north = target.transform
    own_a, _, own_west, _, own_e, own_north = band.transform
    down = (north + (rows + 0.5) * e - own_north) / own_e
    across = (west + (cols + 0.5) * a - own_west) / own_a
    last_row, last_col = band.shape[0] - 1, band.shape[1] - 1
    return (
        np.clip(np.floor(down).astype(np.intp), 0, last_row),
        np.clip(np.floor(across).astype(np.intp), 0, last_col),
    )


def _stack(
    scene: Scene,
    bands: Mapping[str, _Band],
    window: Window,
    kind: npt.DTypeLike,
    numbers: npt.NDArray[Any] | None = None,
) -> bytes:
    """A GeoTIFF file of the bands, with their names, scales and tags; sparse without numbers."""
    first = next(iter(bands.values()))
    tiled = {"tiled": True, "blockxsize": 1024, "blockysize": 1024, "SPARSE_OK": True}
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff",
            width=window.width,
            height=window.height,
            count=len(bands),
            dtype=kind,
            crs=first.crs,
            transform=window.affine,
            interleave="band",
            **(tiled if numbers is None else {}),
        ) as file:
            if numbers is not None:
                file.write(numbers)
            file.descriptions = tuple(bands)
            pairs = [scene.scaling or band.scaling for band in bands.values()]
            file.scales = tuple(scale for scale, _ in pairs)
            file.offsets = tuple(offset for _, offset in pairs)
            file.update_tags(**{**first.tags, **scene.tags})
        return bytes(memory.getbuffer())


def _with_classes(raster: Raster, scene: Scene) -> Raster:
    """Add the scene classification, and mark clouds, shadows and gaps as not valid."""
    if "SCL" not in scene.files or not raster.has_place:
        return raster
    band, where = _band(scene, "SCL"), raster.extent
    own = _Band("", crs_of(where.crs), where.transform, (where.height, where.width))
    if not (own.crs == band.crs and own.north_up and band.north_up):
        return raster
    classes, known = _pixels(scene.tree, band, own, (0, 0, where.height, where.width))
    if classes.dtype != np.uint8:
        return raster
    classes = np.where(known, classes, np.uint8(0))
    valid = raster.valid & ~np.isin(classes, SCL_HIDDEN)
    return replace(
        raster, data=np.where(valid, raster.data, np.float32(0)), valid=valid, scl=classes
    )
