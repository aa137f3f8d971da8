"""JPEG 2000 files that other people made, such as uploads: tried in a process of their own first.

For some files with a single changed byte, GDAL 3.10 loops for ever while it opens them. A process
can be stopped; a thread cannot.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from landcover.core.errors import BadInput
from landcover.io.guard import shown

__all__ = ["LIMIT_S", "probed", "unpacked"]

LIMIT_S: Final = 20.0
"""Seconds after which opening is given up; a file of a full tile takes less than one."""
_OPEN: Final = """
import sys, rasterio
options = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_PAM_ENABLED": "NO"}
for path in sys.argv[1:]:
    with rasterio.Env(**options), rasterio.open(path, driver="JP2OpenJPEG") as file:
        file.tags(), file.descriptions, file.crs, file.transform, file.nodata
    print(flush=True)
"""
"""Opens files, and prints a line after each."""


@contextmanager
def unpacked(pieces: Iterable[bytes]) -> Iterator[Path]:
    """Write a file for as long as the context lasts.

    Args:
        pieces: its bytes.
    """
    with TemporaryDirectory(prefix="landcover-") as folder:
        yield _written(Path(folder), 0, pieces)


@contextmanager
def probed(
    files: Mapping[str, Iterable[bytes]], limit_s: float = LIMIT_S
) -> Iterator[Mapping[str, Path]]:
    """Write files for as long as the context lasts, after trying whether they can be opened.

    Args:
        files: name and bytes, in pieces, of each.
        limit_s: seconds.

    Raises:
        BadInput: one cannot be opened, or all together take longer.
    """
    with TemporaryDirectory(prefix="landcover-") as folder:
        found = {
            name: _written(Path(folder), number, pieces)
            for number, (name, pieces) in enumerate(files.items())
        }
        _try(found, limit_s)
        yield found


def _written(folder: Path, number: int, pieces: Iterable[bytes]) -> Path:
    path = folder / f"{number}.jp2"
    with path.open("wb") as file:
        file.writelines(pieces)
    return path


def _try(paths: Mapping[str, Path], limit_s: float) -> None:
    if not paths:
        return
    command = [sys.executable, "-c", _OPEN, *map(str, paths.values())]
    # Errors are discarded, because a damaged file can cause any number of them.
    with subprocess.Popen(  # noqa: S603 - this interpreter, and only our code
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as child:
        try:
            lines, _ = child.communicate(timeout=limit_s)
            late = False
        except subprocess.TimeoutExpired:
            child.kill()
            lines, _ = child.communicate()
            late = True
    opened = lines.count(b"\n")
    if opened == len(paths):
        return
    name = shown(list(paths)[opened])
    if late:
        raise BadInput(
            f"'{name}' could not be opened within {limit_s:g} seconds: it is damaged, so export it "
            "again or convert it to GeoTIFF."
        )
    raise BadInput(f"'{name}' is damaged or truncated: copy or export it again.")
