"""JPEG 2000 files that other people made, such as uploads: tried in a process of their own first.

For some files with a single changed byte, GDAL 3.10 loops for ever while it opens them. A process
can be stopped; a thread cannot.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from landcover.core.errors import BadInput
from landcover.io.guard import FILE

__all__ = ["LIMIT_S", "probed", "unpacked"]

LIMIT_S: Final = 20.0
"""Seconds after which opening a file is given up; a full tile takes less than one."""
_OPEN: Final = """
import sys, rasterio
options = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_PAM_ENABLED": "NO"}
with rasterio.Env(**options), rasterio.open(sys.argv[1], driver="JP2OpenJPEG") as file:
    file.tags(), file.descriptions, file.crs, file.transform, file.nodata
"""


@contextmanager
def unpacked(pieces: Iterable[bytes]) -> Iterator[Path]:
    """Write a file for as long as the context lasts.

    Args:
        pieces: its bytes.
    """
    with TemporaryDirectory(prefix="landcover-") as folder:
        path = Path(folder) / "member.jp2"
        with path.open("wb") as file:
            file.writelines(pieces)
        yield path


@contextmanager
def probed(pieces: Iterable[bytes], limit_s: float = LIMIT_S) -> Iterator[Path]:
    """Write a file, after trying whether it can be opened within a time.

    Args:
        pieces: its bytes.
        limit_s: seconds.

    Raises:
        BadInput: it cannot, or takes longer; the message contains
            :data:`~landcover.io.guard.FILE` for its name.
    """
    with unpacked(pieces) as path:
        try:
            tried = subprocess.run(  # noqa: S603 - this interpreter, and only our code
                [sys.executable, "-c", _OPEN, str(path)],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=limit_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise BadInput(
                f"{FILE} could not be opened within {limit_s:g} seconds: it is damaged, so export "
                "it again or convert it to GeoTIFF."
            ) from None
        if tried.returncode:
            raise BadInput(f"{FILE} is damaged or truncated: copy or export it again.")
        yield path
