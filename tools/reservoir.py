"""Print the figures of docs/time.md: a reservoir through nine dates, and pairs of dates.

``python -m tools.reservoir FOLDER``, where FOLDER holds the dates (12-band Level-2A stacks of
Boadella, Catalonia, with the date in their names). For each pair of clear dates of one season it
prints how often the two maps differ, how much the transitions say has changed, how much of the dry
land, where little can have changed, the layer shows as changed, and what the water lost.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from landcover.areas import hectares
from landcover.areas.block import Mapper
from landcover.areas.hectares import CELL_HA
from landcover.areas.job import LocalExecutor, open_mapper
from landcover.areas.memory import DEFAULT_MEMORY
from landcover.areas.plan import CELL
from landcover.core.errors import BadInput
from landcover.core.raster import BoolArray
from landcover.core.window import Window
from landcover.metrics.intervals import wilson
from landcover.models.cover import CoverRecord, load_record
from landcover.time.change import FIRST_PAIR, compare
from landcover.time.dated import HAZY, DateMap
from landcover.time.mapped import Shot, grids_of, map_of, model_for, opened
from landcover.time.moments import MOST_HIDDEN, moment_of
from landcover.time.trend import SEASON_DAYS, season_gap, trend_of

FAR = 3
"""Cells from the water of any date within which a cell is shore."""


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder with a stack a date")
    parser.add_argument("--model", help="name of the model (default: the usual one of maps)")
    options = parser.parse_args()
    shots = [opened(str(path)) for path in sorted(options.folder.glob("*.tif"))]
    grids = grids_of(shots[0], None)
    name, card = model_for(options.model, shots[0].imagery.bands)
    mapper = open_mapper(name, card)
    where = LocalExecutor.within(DEFAULT_MEMORY, grids, mapper)
    maps = [map_of(shot, grids, name, card, where) for shot in shots]
    _water(maps, mapper)
    clear = [
        (one, shot)
        for one, shot in zip(maps, shots, strict=True)
        if one.hidden_share <= MOST_HIDDEN and one.haze <= HAZY
    ]
    wet = np.any([_wet(shot, grids.window) for _, shot in clear], axis=0)
    dry = ~_near(wet)
    columns = ("from", "to", "maps differ", "changed", "dry land shown as changed", "water, net")
    print(f"| {' | '.join((*columns, 'by its index'))} |")
    print("|---|---|---|---|---|---|---|")
    mapper = open_mapper(name, card)
    record = load_record(mapper.model.folder, mapper.model.card.hash)
    for (before, _), (after, _) in combinations(clear, 2):
        _pair(before, after, dry, record)


def _water(maps: Sequence[DateMap], mapper: Mapper) -> None:
    """Print the water of each date, and its trend."""
    record = load_record(mapper.model.folder, mapper.model.card.hash)
    print("| date | hidden | counted cells | corrected | by its index | remark |")
    print("|---|---|---|---|---|---|")
    moments = [
        moment_of(one, lambda tally: hectares.rows_of(tally, mapper) if record else ())
        for one in maps
    ]
    for one, found in zip(maps, moments, strict=True):
        start = f"| {one.facts.day} | {one.hidden_share:.0%}"
        if found.gap:
            print(f"{start} | – | – | – | gap: {found.gap} |")
            continue
        own = one.seen & (one.cover[: len(one.covers)].argmax(axis=0) == one.covers.index("Water"))
        area = found.hectares.get("Water")
        corrected = f"{area.value:.0f} ha [{area.low:.0f}, {area.high:.0f}]" if area else "–"
        print(
            f"{start} | {own.sum() * CELL_HA:.0f} ha | {corrected} "
            f"| {found.index_water:.0f} ha | {found.caution} |"
        )
    print()
    for what, values in (
        ("Water", [f.hectares["Water"].value if f.hectares else None for f in moments]),
        ("Water by its index", [f.index_water for f in moments]),
    ):
        dates = [one.facts.acquired for one in maps if one.facts.acquired]
        print(trend_of(dates, values).sentence(what, "ha"))
    print()


def _pair(before: DateMap, after: DateMap, dry: BoolArray, record: CoverRecord | None) -> None:
    first, second = before.facts.acquired, after.facts.acquired
    if first is None or second is None or season_gap(first, second) > SEASON_DAYS:
        return
    try:
        found = compare(before, after, reference=record.clustered if record else None)
    except BadInput as error:
        print(f"{before.facts.day} {after.facts.day}: {error}")
        return
    cells = dry & before.seen & after.seen
    hits, count = int((found.layer[cells] >= FIRST_PAIR).sum()), int(cells.sum())
    low, high = wilson(hits, count)
    changed = found.changed
    water = next(row.net for row in found.rows if row.group == "Water")
    index = (after.index_water or 0.0) - (before.index_water or 0.0)
    print(
        f"| {before.facts.day} | {after.facts.day} | {found.differing:.1%} "
        f"| {changed.value:.1%} [{changed.low:.1%}, {changed.high:.1%}] "
        f"| {hits / count:.1%} [{low:.1%}, {high:.1%}] of {count:,} cells "
        f"| {water.value:+.0f} ha [{water.low:+.0f}, {water.high:+.0f}] | {index:+.0f} ha |"
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
