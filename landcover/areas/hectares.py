"""Hectares of each cover in a map, corrected for what the map gets wrong, with their interval.

Only the map of covers is counted. Windows of 1200 m with a class are no area: a pond makes every
window around it one "with inland waters", so the 19 classes get the number of windows alone. A
cover that occurs in too few reference patches gets no hectares either.
"""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from landcover.areas.table import AreaRow
from landcover.core.bands import PIXEL_M
from landcover.metrics.area_estimate import clustered_estimate
from landcover.models.cover import CoverRecord, load_record
from landcover.models.model import Model
from landcover.nets.windows import CELL_PIXELS

__all__ = [
    "CELL_HA",
    "LEAST_PATCHES",
    "LEAST_PLACES",
    "PLACE_HA",
    "UNSEEN",
    "Counted",
    "Row",
    "ToCount",
    "cover_rows",
    "rows_of",
]

Row = AreaRow
CELL_HA: Final = (CELL_PIXELS * PIXEL_M) ** 2 / 10_000
"""Hectares of a cell."""
LEAST_PATCHES: Final = 20
"""Reference patches in which a cover must occur in truth for its hectares to be given."""
LEAST_PLACES: Final = 5
"""Places in which a cover must have been mapped to know what its cells are in truth."""
PLACE_HA: Final = 10_000.0
"""Area of a place: within 10 km the errors of a map are taken to be alike."""
UNSEEN: Final = "Not seen"
"""Label of the cells that are not counted: cloud, shade, snow, no data."""


class Counted(Protocol):
    """What was counted in a map."""

    @property
    def covers(self) -> npt.NDArray[np.int64]:
        """Cells of each cover."""

    @property
    def silent(self) -> int:
        """Cells of the area for which nothing is decided."""

    @property
    def present(self) -> npt.NDArray[np.int64]:
        """Windows in which each class is predicted."""

    @property
    def windows(self) -> int:
        """Windows with an answer."""


class ToCount(Protocol):
    """What the map was made with."""

    @property
    def model(self) -> Model:
        """The model."""

    @property
    def covers(self) -> tuple[str, ...]:
        """Names of its covers; empty without a cover head."""


def rows_of(counted: Counted, mapper: ToCount) -> tuple[AreaRow, ...]:
    """The table of a map: covers with hectares, then classes with windows.

    Args:
        counted: sums over the whole map.
        mapper: what it was made with.

    Raises:
        CorruptModel: the file with the errors of the model's map is damaged.
    """
    model = mapper.model
    record = load_record(model.folder, model.card.hash) if mapper.covers else None
    rows = list(cover_rows(counted.covers, mapper.covers, record))
    if counted.silent and mapper.covers:
        why = "Cells that are not counted: cloud or haze, shade, snow, or no data."
        rows.append(AreaRow(label=UNSEEN, mapped_ha=counted.silent * CELL_HA, note=why))
    for name, number in zip(model.card.classes, counted.present.tolist(), strict=True):
        why = f"Predicted in {number:,} of {counted.windows:,} windows of 1200 m, which is no area."
        rows.append(AreaRow(label=name, windows=number, note=why))
    return tuple(rows)


def cover_rows(
    cells: npt.NDArray[np.int64], covers: tuple[str, ...], record: CoverRecord | None
) -> tuple[AreaRow, ...]:
    """Hectares of each cover.

    Args:
        cells: number of cells that were mapped as each cover.
        covers: their names.
        record: what the map gets wrong; None if it was not measured.
    """
    mapped = cells * CELL_HA
    if record is None:
        why = "The errors of this map were not measured, so that its hectares are not corrected."
        pairs = zip(covers, mapped.tolist(), strict=True)
        return tuple(AreaRow(label=name, mapped_ha=area, note=why) for name, area in pairs)
    if not cells.any():
        # An estimate of nothing is 0 with an interval of 0, as if no cover were there.
        why = "No hectares: no cell of the area is in clear view."
        return tuple(AreaRow(label=name, mapped_ha=0.0, note=why) for name in covers)
    known = np.array(record.places) >= LEAST_PLACES
    # What such cells are in truth is not known: they may be of any cover.
    unknown = float(mapped[~known].sum())
    regions = max(1.0, float(mapped.sum()) / PLACE_HA)
    found = clustered_estimate(np.where(known, mapped, 0.0), record.clustered, regions)
    rows = []
    for k, name in enumerate(covers):
        patches = record.true_patches[k]
        if patches < LEAST_PATCHES:
            why = f"No hectares: only {patches} reference patches have it."
            rows.append(AreaRow(label=name, note=why))
            continue
        rows.append(
            AreaRow(
                label=name,
                mapped_ha=float(mapped[k]),
                adjusted_ha=float(found.area[k]),
                low_ha=float(found.low[k]),
                high_ha=float(found.high[k]) + unknown,
            )
        )
    return tuple(rows)
