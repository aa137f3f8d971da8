"""Six real, labelled places that are available without a network.

They are BigEarthNet v1 patches (43 CORINE labels, Sentinel-2 Level-2A of 2017 and 2018) in the
PyPI package ``bigearthnet-common``. Only its archive is read; its code is not imported.

The split of a patch in BigEarthNet v2 (reBEN, official ``metadata.parquet``, column
``s2v1_name``) shows whether a model may have been trained on it. The snowy patch is not in v2;
v1 lists it among the patches with seasonal snow.
"""

from __future__ import annotations

import importlib.util
import tarfile
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Final, Literal

from landcover.core.classes import from_corine
from landcover.core.errors import BadInput, LandcoverError, UnknownName
from landcover.core.raster import Raster
from landcover.io.band_files import Native, native_of, to_patch

__all__ = [
    "ARCHIVE",
    "LICENCE",
    "MAX_MEMBERS",
    "MAX_MEMBER_BYTES",
    "NAMES",
    "PACKAGE",
    "Sample",
    "Split",
    "native",
    "package_folder",
    "read_archive",
    "read_sample",
    "sample_at",
    "sample_files",
    "samples",
]

PACKAGE: Final = "bigearthnet_common"
ARCHIVE: Final = "BigEarthNet-S2-Example.tar.bz2"
MAX_MEMBERS: Final = 200
MAX_MEMBER_BYTES: Final = 1_000_000
LICENCE: Final = "CDLA-Permissive-1.0; contains modified Copernicus Sentinel data 2017/18"

Split = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class _Entry:
    """Facts about a sample that its files do not contain."""

    title: str
    country: str
    patch_id: str
    v2_id: str | None
    split: Split | None


_ENTRIES: Final[dict[str, _Entry]] = {
    "portugal-hills": _Entry(
        "Wooded hills and fields in December",
        "Portugal",
        "S2A_MSIL2A_20171221T112501_56_35",
        "S2A_MSIL2A_20171221T112501_N9999_R037_T29SND_56_35",
        "test",
    ),
    "finland-lake": _Entry(
        "Lake, bog and forest in September",
        "Finland",
        "S2B_MSIL2A_20170924T93020_69_24",
        "S2B_MSIL2A_20170924T093019_N9999_R136_T35VPK_69_24",
        "validation",
    ),
    "finland-snow": _Entry(
        "Snow on forest and fields in February",
        "Finland",
        "S2B_MSIL2A_20180204T94161_57_38",
        None,
        None,
    ),
    "austria-fields": _Entry(
        "Fields and scattered farms in June",
        "Austria",
        "S2A_MSIL2A_20170613T101031_87_48",
        "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_87_48",
        "train",
    ),
    "ireland-fields": _Entry(
        "Fields and pastures in June",
        "Ireland",
        "S2A_MSIL2A_20170617T113321_36_85",
        "S2A_MSIL2A_20170617T113321_N9999_R080_T29UPU_36_85",
        "train",
    ),
    "ireland-pastures": _Entry(
        "Pastures in June",
        "Ireland",
        "S2A_MSIL2A_20170617T113321_4_55",
        "S2A_MSIL2A_20170617T113321_N9999_R080_T29UPU_04_55",
        "train",
    ),
}

NAMES: Final[tuple[str, ...]] = tuple(_ENTRIES)
"""Names of the samples; those that are not in v2's training split come first."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A labelled place.

    Attributes:
        name: as a user types it.
        title: short description of the scene.
        country: one of BigEarthNet's ten countries.
        patch_id: name in BigEarthNet v1.
        v2_id: name in BigEarthNet v2, None if it is not in v2.
        split: split in BigEarthNet v2, None if it is not in v2. Models here are trained on
            "train", and some in a last step on "validation" too.
        acquired: sensing time (UTC).
        corine: CORINE level-3 labels.
        truth: labels among the 19 classes.
        centre: latitude and longitude (WGS 84 degrees).
        outline: latitude and longitude of the four corners, clockwise from the upper left.
    """

    name: str
    title: str
    country: str
    patch_id: str
    v2_id: str | None
    split: Split | None
    acquired: datetime | None
    corine: tuple[str, ...]
    truth: frozenset[str]
    centre: tuple[float, float]
    outline: tuple[tuple[float, float], ...]


@cache
def samples() -> tuple[Sample, ...]:
    """All samples, in the order of :data:`NAMES`.

    Raises:
        LandcoverError: the package with the samples is not installed, or damaged.
    """
    return tuple(_sample(name) for name in NAMES)


@cache
def read_sample(name: str) -> Raster:
    """Read a sample as a patch.

    Raises:
        UnknownName: no sample has that name.
        LandcoverError: the package with the samples is not installed, or damaged.
    """
    return to_patch(native(name), name)


def sample_at(latitude: float, longitude: float) -> Sample | None:
    """The sample whose 1200 m square contains a place (WGS 84 degrees), or None."""
    for sample in samples():
        # Most places are far away; the exact square is checked only for near ones.
        if max(abs(sample.centre[0] - latitude), abs(sample.centre[1] - longitude)) > 0.1:
            continue
        if read_sample(sample.name).extent.covers(latitude, longitude):
            return sample
    return None


def _sample(name: str) -> Sample:
    stored, patch, entry = native(name), read_sample(name), _ENTRIES[name]
    return Sample(
        name=name,
        title=entry.title,
        country=entry.country,
        patch_id=entry.patch_id,
        v2_id=entry.v2_id,
        split=entry.split,
        acquired=stored.acquired,
        corine=stored.corine,
        truth=from_corine(stored.corine),
        centre=patch.centre,
        outline=patch.outline,
    )


@cache
def native(name: str) -> Native:
    """Read the digital numbers of a sample on their native grids.

    Raises:
        UnknownName: no sample has that name.
        LandcoverError: the package with the samples is not installed, or damaged.
    """
    return native_of(sample_files(name), _ENTRIES[name].patch_id)


def sample_files(name: str) -> tuple[tuple[str, bytes], ...]:
    """Return the names and bytes of a sample's files, as in BigEarthNet v1.

    Raises:
        UnknownName: no sample has that name.
        LandcoverError: the package with the samples is not installed, or damaged.
    """
    if name not in _ENTRIES:
        raise UnknownName("sample", name, NAMES)
    patch_id, files = _ENTRIES[name].patch_id, _archive()
    if patch_id not in files:
        raise _damaged()
    return files[patch_id]


@cache
def _archive() -> dict[str, tuple[tuple[str, bytes], ...]]:
    return read_archive(package_folder())


def read_archive(folder: Path) -> dict[str, tuple[tuple[str, bytes], ...]]:
    """Read the archive of samples in a folder.

    Returns:
        Patch id → names and bytes of its files.

    Raises:
        BadInput: the archive is missing or damaged, or contains more than the samples.
    """
    found: dict[str, list[tuple[str, bytes]]] = defaultdict(list)
    try:
        with tarfile.open(folder / ARCHIVE, "r:bz2") as archive:
            for count, member in enumerate(archive):
                if count >= MAX_MEMBERS or member.size > MAX_MEMBER_BYTES:
                    raise _damaged()
                stream = archive.extractfile(member) if member.isfile() else None
                if stream is not None:
                    path = PurePosixPath(member.name)
                    found[path.parent.name].append((path.name, stream.read()))
    except (OSError, tarfile.TarError, EOFError):
        raise _damaged() from None
    return {patch_id: tuple(files) for patch_id, files in found.items()}


def package_folder() -> Path:
    """Find the folder of the package with the samples.

    Raises:
        LandcoverError: the package is not installed.
    """
    # This finds a top-level package without running it.
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise LandcoverError(
            "The samples come with the package bigearthnet-common, which is not installed: "
            "run 'pip install bigearthnet-common'."
        )
    return Path(spec.submodule_search_locations[0])


def _damaged() -> BadInput:
    return BadInput(
        "The archive of samples in the package bigearthnet-common is missing or damaged: "
        "install that package again."
    )
