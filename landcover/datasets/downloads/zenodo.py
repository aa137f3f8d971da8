"""The sources of the data sets: Zenodo's records, with the size and MD5 sum of each file.

The sums are those that Zenodo publishes for the records (``files[].checksum`` of
``https://zenodo.org/api/records/<id>``). They agree with public downloads of the same files:

* BigEarthNet v2, record 10891137: sizes and sums of all three files as in the acquisition
  plans of public projects that checked both (3,616,349 and 710,162 bytes; 63,251,710,377
  bytes from the answer's ``Content-Range``); the sum of ``metadata.parquet`` is also in
  torchgeo's ``datasets/bigearthnet.py``, that of the archive in its tests.
* EuroSAT RGB, record 7711810: 94,658,721 bytes; the sum is in several loaders.

``download`` reads the record again before it starts, and stops if the two differ.

The contents of BigEarthNet's archive are from the data set's description (Clasen et al. 2024):
549,488 patches, of which 480,038 have no cloud, shadow or snow. 28,000 of them unpacked to
4,607,680,000 bytes in 336,000 files, which is twelve uncompressed GeoTIFF files per patch:
160,000 bytes of pixels, and 380 bytes of header per file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from landcover.core.errors import UnknownName

__all__ = ["SOURCES", "ZENODO", "Contents", "RemoteFile", "Source", "source"]

ZENODO: Final = "https://zenodo.org"
_BLOCK: Final = 4096
"""Block size of a file system in bytes; a small file takes an entire block."""
_PATCH_FILES: Final = {29_180: 4, 7_580: 6, 1_180: 2}
"""Bytes of a band file of 10, 20 and 60 m → number of such files per patch."""


@dataclass(frozen=True, kw_only=True)
class Contents:
    """The contents of an archive and where they are unpacked.

    Attributes:
        folder: the folder to unpack to.
        member: matches the names of members to unpack; its group ``path`` is the member's
            path in ``folder``, in which each unit is at the second level.
        unit: what is counted, such as ``"patches"``.
        units: number of units.
        files: number of files of all units.
        largest: upper limit for the bytes of one file.
        bytes: upper limit for the bytes of all files.
        disk_bytes: their size on a file system with blocks of 4 KiB.
    """

    folder: str
    member: re.Pattern[str]
    unit: str
    units: int
    files: int
    largest: int
    bytes: int
    disk_bytes: int


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """One file of a record: its name, size in bytes, published MD5 sum, and contents if packed."""

    name: str
    size: int
    md5: str
    contents: Contents | None = None


@dataclass(frozen=True, kw_only=True)
class Source:
    """A data set as published by its authors.

    Attributes:
        name: the name on the command line.
        title: the name for people.
        record: the number of its record at Zenodo.
        licence: SPDX identifier of its licence.
        files: its files, smallest first.
        base: scheme, host and port to download from; redirects to others are refused.
    """

    name: str
    title: str
    record: int
    licence: str
    files: tuple[RemoteFile, ...]
    base: str = ZENODO

    def address(self, file: RemoteFile) -> str:
        """Return the address of a file."""
        return f"{self.base}/records/{self.record}/files/{file.name}?download=1"

    @property
    def page(self) -> str:
        """The address of the record in JSON."""
        return f"{self.base}/api/records/{self.record}"


_PATCHES: Final = 549_488
_BIGEARTHNET_S2: Final = Contents(
    folder="BigEarthNet-S2",
    member=re.compile(
        r"(?:\./)?(?:BigEarthNet-S2/)?"
        r"(?P<path>(?P<product>S2[A-D]_MSIL2A_[0-9A-Z_]{1,60})/"
        r"(?P<patch>(?P=product)_\d{1,3}_\d{1,3})/"
        r"(?P=patch)_B(?:0[1-9]|8A|1[12])\.tif)",
        re.ASCII,
    ),
    unit="patches",
    units=_PATCHES,
    files=12 * _PATCHES,
    largest=200_000,
    bytes=_PATCHES * sum(size * count for size, count in _PATCH_FILES.items()),
    # A patch's folder takes a block too.
    disk_bytes=_PATCHES
    * (_BLOCK + sum(-(-size // _BLOCK) * _BLOCK * count for size, count in _PATCH_FILES.items())),
)
_EUROSAT_RGB: Final = Contents(
    folder="EuroSAT_RGB",
    member=re.compile(
        r"(?:\./)?(?:EuroSAT_RGB/)?"
        r"(?P<path>(?P<label>AnnualCrop|Forest|HerbaceousVegetation|Highway|Industrial|Pasture|"
        r"PermanentCrop|Residential|River|SeaLake)/(?P=label)_\d{1,6}\.jpg)",
        re.ASCII,
    ),
    unit="pictures",
    units=27_000,
    files=27_000,
    largest=100_000,
    bytes=27_000 * 2 * _BLOCK,
    # The largest of the 24,293 pictures that were measured has 5,229 bytes: two blocks.
    disk_bytes=27_000 * 2 * _BLOCK,
)

SOURCES: Final[dict[str, Source]] = {
    source.name: source
    for source in (
        Source(
            name="bigearthnet",
            title="BigEarthNet v2",
            record=10891137,
            licence="CDLA-Permissive-1.0",
            files=(
                RemoteFile(
                    name="metadata_for_patches_with_snow_cloud_or_shadow.parquet",
                    size=710_162,
                    md5="fe31856f4986d446c9468b59d6387c91",
                ),
                RemoteFile(
                    name="metadata.parquet",
                    size=3_616_349,
                    md5="55687065e77b6d0b0f1ff604a6e7b49c",
                ),
                RemoteFile(
                    name="BigEarthNet-S2.tar.zst",
                    size=63_251_710_377,
                    md5="2245ed2d1a93f6ce637d839bc856396e",
                    contents=_BIGEARTHNET_S2,
                ),
            ),
        ),
        Source(
            name="eurosat",
            title="EuroSAT RGB",
            record=7711810,
            licence="MIT",
            files=(
                RemoteFile(
                    name="EuroSAT_RGB.zip",
                    size=94_658_721,
                    md5="f46e308c4d50d4bf32fedad2d3d62f3b",
                    contents=_EUROSAT_RGB,
                ),
            ),
        ),
    )
}
"""Name → data set; both can be downloaded without an account."""


def source(name: str) -> Source:
    """Return the source of a data set.

    Raises:
        UnknownName: no data set of that name can be downloaded.
    """
    if name not in SOURCES:
        raise UnknownName("data set", name, SOURCES)
    return SOURCES[name]
