"""Where the data sets come from: Zenodo's records, with the size and MD5 sum of each file.

The sums are those that Zenodo publishes for the records (``files[].checksum`` of
``https://zenodo.org/api/records/<id>``); people who fetched the same files found them right:

* BigEarthNet v2, record 10891137: sizes and sums of all three files as in the acquisition
  plans of public projects that checked both (3,616,349 and 710,162 bytes; 63,251,710,377
  bytes from the answer's ``Content-Range``); the sum of ``metadata.parquet`` is also in
  torchgeo's ``datasets/bigearthnet.py``, that of the archive in its tests.
* EuroSAT RGB, record 7711810: 94,658,721 bytes; the sum is in several loaders.

``download`` asks the record again before it begins, and stops where the two differ.

What the archive of BigEarthNet holds is the data set's description (Clasen et al. 2024):
549,488 patches, of which 480,038 have no cloud, shadow or snow. 28,000 of them were found
to unpack to 4,607,680,000 bytes in 336,000 files, which is twelve uncompressed GeoTIFF files
a patch: 160,000 bytes of pixels and 380 bytes of header a file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from landcover.core.errors import UnknownName

__all__ = ["SOURCES", "ZENODO", "Contents", "RemoteFile", "Source", "source"]

ZENODO: Final = "https://zenodo.org"
_BLOCK: Final = 4096
"""Bytes that a file system hands out at a time; a small file takes a whole one."""
_PATCH_FILES: Final = {29_180: 4, 7_580: 6, 1_180: 2}
"""Bytes of a band file of 10, 20 and 60 m → how many of a patch's twelve are such."""


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What an archive holds and where it goes.

    Attributes:
        folder: the folder that it becomes.
        member: matches the name of a member that is wanted; its group ``path`` is the
            member's path in ``folder``, of exactly two folders' or files' names a unit.
        unit: what people count, such as ``"patches"``.
        units: how many there are.
        files: files of all units.
        largest: bytes of the largest file at most.
        bytes: of all files at most.
        disk_bytes: what these take on a file system with blocks of 4 KiB.
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
    """One file of a record: its name, bytes and published MD5 sum, and what it holds if packed."""

    name: str
    size: int
    md5: str
    contents: Contents | None = None


@dataclass(frozen=True, kw_only=True)
class Source:
    """A data set as its authors publish it.

    Attributes:
        name: what the command line calls it.
        title: what people read.
        record: Zenodo's number of it.
        licence: its SPDX identifier.
        files: smallest first.
        base: scheme, host and port that are asked; also after a redirect no other is.
    """

    name: str
    title: str
    record: int
    licence: str
    files: tuple[RemoteFile, ...]
    base: str = ZENODO

    def address(self, file: RemoteFile) -> str:
        """Where a file is fetched from."""
        return f"{self.base}/records/{self.record}/files/{file.name}?download=1"

    @property
    def page(self) -> str:
        """Where Zenodo says in JSON what the record holds."""
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
"""Name → the data set; the two that are distributed for everybody without an account."""


def source(name: str) -> Source:
    """The source of a data set.

    Raises:
        UnknownName: no data set of that name can be downloaded.
    """
    if name not in SOURCES:
        raise UnknownName("data set", name, SOURCES)
    return SOURCES[name]
