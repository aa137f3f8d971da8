"""Reading scenes with a file for each band: SAFE products, BigEarthNet patches, other sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from landcover.core.bands import BAND_NAMES, QUANTIFICATION
from landcover.core.errors import BadInput
from landcover.core.raster import Provenance, Raster
from landcover.core.window import Cut
from landcover.io.band_files import LABELS_SUFFIX, MAX_BAND_BYTES, is_patch, native_of, to_patch
from landcover.io.band_stack import Scene, open_scene, read_scene
from landcover.io.guard import shown
from landcover.io.layouts.band_set import APPLIED, BandSet, item_next_to, sets_in
from landcover.io.layouts.metadata import real_baseline
from landcover.io.layouts.safe import Granule, read_product
from landcover.io.layouts.tree import join, name_of
from landcover.io.names import baseline_in, level_in, time_in
from landcover.io.pixel_source import PixelSource
from landcover.io.search import Source

__all__ = ["open_bands", "open_safe", "read_bands", "read_safe"]

_SCALE: Final = 1 / QUANTIFICATION


def read_safe(source: Source, cut: Cut | None = None) -> Raster:
    """Read a SAFE product: reflectance by its metadata, clouds by its scene classification.

    Args:
        source: the product.
        cut: the square to read; None for everything, if it fits into memory.

    Raises:
        BadInput: it is damaged, or has several granules; also as for :func:`read_scene`.
    """
    granule = _only_granule(source)
    raster = read_scene(_granule(source, granule), cut)
    return replace(raster, provenance=_stated(raster.provenance, granule))


def open_safe(source: Source) -> PixelSource:
    """Open a SAFE product to read it by rectangles; raises as :func:`read_safe`."""
    granule = _only_granule(source)
    opened = open_scene(_granule(source, granule))

    def describe(facts: Provenance) -> Provenance:
        return _stated(opened.describe(facts), granule)

    return replace(opened, describe=describe)


def _only_granule(source: Source) -> Granule:
    found = source.found
    granules = read_product(source.tree, found.folder, found.file)
    if len(granules) > 1:
        raise BadInput(
            f"'{shown(source.name)}' has {len(granules)} granules: give a product of one tile, as "
            "ESA has made them since December 2016."
        )
    (granule,) = granules
    return granule


def _stated(facts: Provenance, granule: Granule) -> Provenance:
    """Complete the provenance by the product's metadata."""
    if granule.offset is not None:
        said = facts.scaling.partition(",")[0]
        facts = replace(facts, scaling=f"{said}: {granule.offset_from}")
    return replace(facts, scene=granule.name, level=granule.level)


def _granule(source: Source, granule: Granule) -> Scene:
    offset = granule.offset
    tags = {"ACQUISITION": granule.acquired.isoformat(), "PROCESSING_LEVEL": granule.level}
    if granule.baseline is not None:
        tags["PROCESSING_BASELINE"] = granule.baseline
    return Scene(
        name=source.name,
        tree=source.tree,
        files=granule.files,
        scaling=None if offset is None else (_SCALE, offset * _SCALE),
        tags=tags,
        crs=f"EPSG:{granule.epsg}",
        grids=granule.grids,
    )


def read_bands(source: Source, cut: Cut | None = None) -> Raster:
    """Read the files of a BigEarthNet patch, or another set of band files of any size.

    Args:
        source: the set.
        cut: the square to read; None for everything, if it fits into memory.

    Raises:
        BadInput: as for :func:`read_scene`.
    """
    bands = _set_of(source)
    if patch := _patch(source, bands):
        whole = to_patch(native_of(patch, bands.name), bands.name)
        return whole if cut is None else whole.cut(cut)
    return read_scene(_scene(source, bands), cut)


def open_bands(source: Source) -> PixelSource:
    """Open a set of band files to read it by rectangles; raises as :func:`read_bands`."""
    return open_scene(_scene(source, _set_of(source)))


def _scene(source: Source, bands: BandSet) -> Scene:
    item = item_next_to(source.tree, bands)
    above = bands.folder.rpartition("/")[0]
    places = [bands.scene, bands.place, name_of(source.tree, above)]
    acquired = [str(item.get("datetime")), *places]
    baselines = [real_baseline(item.get("s2:processing_baseline"))]
    baselines += [real_baseline(baseline_in(f"_{place}_")) for place in places]
    levels = [level_in(text) for text in (str(item.get("s2:product_type", "")), *places)]
    tags = {
        "ACQUISITION": next((text for text in acquired if time_in(text)), ""),
        "PROCESSING_BASELINE": next((text for text in baselines if text), ""),
        "PROCESSING_LEVEL": next((text for text in levels if text), ""),
    }
    return Scene(
        name=bands.name,
        tree=source.tree,
        files={key: join(bands.folder, name) for key, name in bands.files.items()},
        scaling=(_SCALE, 0.0) if item.get(APPLIED) is True else None,
        tags={key: text for key, text in tags.items() if text},
    )


def _set_of(source: Source) -> BandSet:
    found = source.found
    if found.bands is not None:
        return found.bands
    (bands,) = sets_in(
        source.tree, found.folder, [f"{source.name}_{band}.tif" for band in BAND_NAMES]
    )
    return bands


def _patch(source: Source, bands: BandSet) -> Sequence[tuple[str, bytes]]:
    """Names and bytes of the files of a BigEarthNet patch; nothing if it is none."""
    names = [bands.files.get(band, "") for band in BAND_NAMES]
    if not all(name.lower().endswith(".tif") for name in names):
        return ()
    try:
        files = [(n, source.tree.read(join(bands.folder, n), MAX_BAND_BYTES)) for n in names]
    except BadInput:  # reading the set reports it
        return ()
    if not is_patch(files):
        return ()
    others = source.tree.listing(bands.folder).files
    labels = [name for name in others if name.endswith(LABELS_SUFFIX)]
    # There is one at most: hundreds of them would be held in memory together.
    return files + [
        (n, source.tree.read(join(bands.folder, n), MAX_BAND_BYTES)) for n in labels[:1]
    ]
