"""Print the figures of docs/time.md: a reservoir through nine dates, and pairs of dates.

``python -m tools.reservoir FOLDER``, where FOLDER holds the dates (12-band Level-2A stacks of
Boadella, Catalonia, with the date in their names). For each pair of clear dates of one season it
prints how often the two maps differ, how much the transitions say has changed, and how much of the
dry land, where little can have changed, the layer shows as changed.
"""

from __future__ import annotations

import argparse
from itertools import combinations
from pathlib import Path

import numpy as np

from landcover.areas.job import LocalExecutor
from landcover.areas.plan import CELL
from landcover.core.errors import BadInput
from landcover.core.raster import BoolArray
from landcover.core.window import Window
from landcover.metrics.intervals import wilson
from landcover.time import series_files
from landcover.time.change import FIRST_PAIR, compare
from landcover.time.dated import HAZY, DateMap
from landcover.time.mapped import Shot, grids_of, map_of, model_for, opened
from landcover.time.moments import MOST_HIDDEN
from landcover.time.series import MEMORY, series_of
from landcover.time.trend import SEASON_DAYS, season_gap

FAR = 3
"""Cells from the water of any date within which a cell is shore."""


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder with a stack a date")
    parser.add_argument("--model", help="name of the model (default: the usual one of maps)")
    options = parser.parse_args()
    paths = sorted(str(path) for path in options.folder.glob("*.tif"))
    print(series_files.as_text(series_of(paths, model=options.model)))
    print()
    shots = [opened(path) for path in paths]
    grids = grids_of(shots[0], None)
    name, card = model_for(options.model, shots[0].imagery.bands)
    where = LocalExecutor.within(MEMORY, grids)
    maps = [map_of(shot, grids, name, card, where) for shot in shots]
    clear = [
        (one, shot)
        for one, shot in zip(maps, shots, strict=True)
        if one.hidden_share <= MOST_HIDDEN and one.haze <= HAZY
    ]
    wet = np.any([_wet(shot, grids.window) for _, shot in clear], axis=0)
    dry = ~_near(wet)
    print("| from | to | maps differ | changed | dry land shown as changed |")
    print("|---|---|---|---|---|")
    for (before, _), (after, _) in combinations(clear, 2):
        _pair(before, after, dry)


def _pair(before: DateMap, after: DateMap, dry: BoolArray) -> None:
    first, second = before.facts.acquired, after.facts.acquired
    if first is None or second is None or season_gap(first, second) > SEASON_DAYS:
        return
    try:
        found = compare(before, after)
    except BadInput as error:
        print(f"{before.facts.day} {after.facts.day}: {error}")
        return
    cells = dry & before.seen & after.seen
    hits, count = int((found.layer[cells] >= FIRST_PAIR).sum()), int(cells.sum())
    low, high = wilson(hits, count)
    changed = found.changed
    print(
        f"| {before.facts.day} | {after.facts.day} | {found.differing:.1%} "
        f"| {changed.value:.1%} [{changed.low:.1%}, {changed.high:.1%}] "
        f"| {hits / count:.1%} [{low:.1%}, {high:.1%}] of {count:,} cells |"
    )


def _wet(shot: Shot, window: Window) -> BoolArray:
    """Which cells have any water by its index."""
    raster = shot.imagery.read(window)
    water = (raster.band("B03") > raster.band("B08")) & raster.valid
    rows, columns = (side // CELL for side in water.shape)
    cells: BoolArray = water.reshape(rows, CELL, columns, CELL)
    return np.asarray(cells.any(axis=(1, 3)))


def _near(wet: BoolArray) -> BoolArray:
    """The cells within :data:`FAR` cells of water."""
    padded = np.pad(wet, FAR)
    squares = np.lib.stride_tricks.sliding_window_view(padded, (2 * FAR + 1, 2 * FAR + 1))
    return np.asarray(squares.any(axis=(2, 3)))


if __name__ == "__main__":
    main()
