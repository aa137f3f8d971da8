"""Untrusted zip archives: one stack, or the band files of one patch.

Nothing is unpacked to disk, so the path of a member has no effect. Sizes are limited while
reading, whatever the archive states.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections import defaultdict
from pathlib import PurePosixPath
from typing import Final

from landcover.core.errors import BadInput
from landcover.core.raster import Raster
from landcover.core.window import Cut
from landcover.io.band_files import LABELS_SUFFIX, MAX_BAND_BYTES, native_of, to_patch
from landcover.io.guard import FILE, MAX_FILE_BYTES, named, shown
from landcover.io.names import band_of_file
from landcover.io.stack import read_stack

__all__ = ["MAGIC", "MAX_MEMBERS", "STACK_SUFFIXES", "ZIP_ERRORS", "read_zip"]

MAGIC: Final = b"PK\x03\x04"
MAX_MEMBERS: Final = 1000
STACK_SUFFIXES: Final = (".tif", ".tiff", ".jp2")  # JPEG 2000 is refused with its own message
COMPRESSIONS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Compressions that are read; others are rare, and their decoders are harder to limit."""
ZIP_ERRORS: Final = (
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
    RuntimeError,
    OSError,
    ValueError,
    EOFError,
    LookupError,
)
"""What a damaged or encrypted zip raises, depending on the position of the damage."""


def read_zip(data: bytes, name: str, cut: Cut | None = None) -> Raster:
    """Read a zip that holds one stack, or one BigEarthNet patch folder.

    Args:
        data: the zip.
        name: name of the zip in messages.
        cut: the square to read; None for everything.

    Raises:
        BadInput: it is damaged, encrypted, compressed in another way than by deflate, too large,
            or does not contain exactly one stack or patch.
    """
    with named(name):
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                return _read(archive, name, cut)
        # The error depends on which byte is damaged.
        except ZIP_ERRORS:
            raise BadInput(
                f"{FILE} is a damaged, encrypted or unsupported zip: pack it again with the usual "
                "compression (deflate) and without a password."
            ) from None


def _read(archive: zipfile.ZipFile, name: str, cut: Cut | None) -> Raster:
    members = [i for i in archive.infolist() if not i.is_dir() and _is_user_file(i.filename)]
    if len(members) > MAX_MEMBERS:
        raise BadInput(f"{FILE} contains {len(members)} files: pack one patch or one stack.")
    patches: dict[str, list[zipfile.ZipInfo]] = defaultdict(list)
    stacks = []
    for info in members:
        path = PurePosixPath(info.filename)
        if band_of_file(path.name) or path.name.endswith(LABELS_SUFFIX):
            patches[str(path.parent)].append(info)
        elif path.suffix.lower() in STACK_SUFFIXES:
            stacks.append(info)
    # A single file is a stack, even if its name ends like that of a band file.
    if not stacks and len(members) == 1 and patches:
        stacks, patches = next(iter(patches.values())), {}
    if len(patches) + len(stacks) != 1:
        content = f"{len(patches)} patch folders and {len(stacks)} stacks"
        raise BadInput(
            f"{FILE} contains {content if patches or stacks else 'no raster file'}: "
            "pack one GeoTIFF stack, or the twelve band files of one BigEarthNet patch."
        )
    if stacks:
        return read_stack(_bytes(archive, stacks[0], MAX_FILE_BYTES), stacks[0].filename, cut)
    ((folder, infos),) = patches.items()
    label = PurePosixPath(folder).name or PurePosixPath(name).stem
    files = [(shown(i.filename), _bytes(archive, i, MAX_BAND_BYTES)) for i in infos]
    patch = to_patch(native_of(files, label), name)
    return patch if cut is None else patch.cut(cut)


def _is_user_file(path: str) -> bool:
    """Whether a member is a file of the user, not a hidden file of an operating system."""
    parts = PurePosixPath(path).parts
    return bool(parts) and "__MACOSX" not in parts and not parts[-1].startswith(".")


def _bytes(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int) -> bytes:
    if info.compress_type not in COMPRESSIONS:
        raise NotImplementedError(info.compress_type)
    with archive.open(info) as member:
        data = member.read(limit + 1)
    if len(data) > limit:
        raise BadInput(
            f"'{shown(info.filename)}' in {FILE} unpacks to more than "
            f"{limit / 1e6:,.0f} MB: cut out the part that you need."
        )
    return data
