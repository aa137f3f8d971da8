"""Hectares of a map: corrected, with an interval, and none where data do not support them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pytest

from landcover.areas import hectares
from landcover.core.classes import CLASS_NAMES
from landcover.core.covers import COVER_NAMES
from landcover.metrics.area_estimate import clustered
from landcover.models import registry
from landcover.models.cover import CoverRecord
from landcover.models.model import Model

COUNT = len(COVER_NAMES)
CROPLAND, WETLANDS, WATER = (COVER_NAMES.index(n) for n in ("Cropland", "Wetlands", "Water"))


def record(wrong: float = 0.0, places: int = 8, patches: int = 100) -> CoverRecord:
    """Errors of a map that calls a share of the cropland water, everywhere alike."""
    tables = np.zeros((8, COUNT, COUNT))
    tables[:] = 100 * np.eye(COUNT)
    random = np.random.default_rng(0)
    share = wrong * random.uniform(0.5, 1.5, 8)
    tables[:, WATER, WATER], tables[:, WATER, CROPLAND] = 100 * (1 - share), 100 * share
    found = clustered(tables, np.arange(8))
    return CoverRecord(
        covers=COVER_NAMES,
        errors=tables.sum(axis=0).tolist(),
        covariance=found.covariance.tolist(),
        spread=found.spread.tolist(),
        places=(places,) * COUNT,
        true_patches=(patches,) * COUNT,
    )


def cells(**numbers: int) -> npt.NDArray[np.int64]:
    found = np.zeros(COUNT, dtype=np.int64)
    for name, number in numbers.items():
        found[COVER_NAMES.index(name)] = number
    return found


def test_a_cell_of_80_m_has_0_64_hectares() -> None:
    assert pytest.approx(0.64) == hectares.CELL_HA


def test_hectares_are_corrected_for_the_errors_of_the_map() -> None:
    rows = hectares.cover_rows(cells(Water=1_000, Forest=500), COVER_NAMES, record(wrong=0.2))
    water, cropland = rows[WATER], rows[CROPLAND]
    assert water.mapped_ha == pytest.approx(640)
    assert cropland.mapped_ha == 0
    assert water.adjusted_ha is not None
    assert cropland.adjusted_ha is not None
    assert water.adjusted_ha == pytest.approx(640 * 0.8, rel=0.1)
    assert water.adjusted_ha + cropland.adjusted_ha == pytest.approx(640)
    assert water.low_ha is not None
    assert water.high_ha is not None
    assert 0 < water.low_ha < water.adjusted_ha < water.high_ha < 640
    assert sum(row.adjusted_ha or 0 for row in rows) == pytest.approx(1_500 * 0.64)


def test_the_interval_of_a_large_area_is_narrower() -> None:
    small, large = (
        hectares.cover_rows(cells(Water=number), COVER_NAMES, record(wrong=0.2))[WATER]
        for number in (1_000, 1_000_000)
    )
    widths = [
        ((row.high_ha or 0) - (row.low_ha or 0)) / (row.adjusted_ha or 1) for row in (small, large)
    ]
    assert widths[1] < 0.6 * widths[0]


def test_a_cover_that_few_reference_patches_have_gets_no_hectares() -> None:
    rows = hectares.cover_rows(cells(Water=1_000), COVER_NAMES, record(patches=6))
    assert all(row.adjusted_ha is None and row.mapped_ha is None for row in rows)
    assert "6 reference patches" in rows[WETLANDS].note


def test_an_area_that_is_hidden_has_no_hectares_instead_of_none_of_each_cover() -> None:
    for row in hectares.cover_rows(cells(), COVER_NAMES, record()):
        assert (row.mapped_ha, row.adjusted_ha, row.low_ha, row.high_ha) == (0, None, None, None)
        assert "no cell of the area is in clear view" in row.note


def test_cells_of_unknown_truth_widen_the_interval_of_all_covers() -> None:
    known = record()
    some = known.with_fields(places=[8 if k != WETLANDS else 1 for k in range(COUNT)])
    rows = hectares.cover_rows(cells(Water=1_000, Wetlands=100), COVER_NAMES, some)
    assert rows[WATER].high_ha == pytest.approx(640 + 64)
    assert rows[WATER].low_ha == pytest.approx(640)


def test_without_measured_errors_the_mapped_hectares_say_so() -> None:
    rows = hectares.cover_rows(cells(Water=10), COVER_NAMES, None)
    assert rows[WATER].mapped_ha == pytest.approx(6.4)
    assert rows[WATER].adjusted_ha is None
    assert "not measured" in rows[WATER].note


@dataclass
class Sums:
    covers: npt.NDArray[np.int64]
    silent: int = 0
    present: npt.NDArray[np.int64] = field(
        default_factory=lambda: np.arange(len(CLASS_NAMES), dtype=np.int64)
    )
    windows: int = 40


@dataclass
class Made:
    model: Model
    covers: tuple[str, ...]


def test_classes_get_windows_and_never_hectares() -> None:
    model = registry.default().load("landcover-mosaic", "cpu")
    rows = hectares.rows_of(Sums(cells(Water=5), silent=25), Made(model, COVER_NAMES))
    assert [row.label for row in rows] == [*COVER_NAMES, hectares.UNSEEN, *CLASS_NAMES]
    assert rows[COUNT].mapped_ha == pytest.approx(16)
    classes = rows[COUNT + 1 :]
    assert [row.windows for row in classes] == list(range(len(CLASS_NAMES)))
    assert all(row.mapped_ha is None and row.adjusted_ha is None for row in classes)
    assert "18 of 40 windows" in classes[18].note


def test_a_model_without_a_cover_head_gives_windows_alone() -> None:
    model = registry.default().load("landcover-mosaic", "cpu")
    rows = hectares.rows_of(Sums(np.zeros(0, dtype=np.int64), silent=5), Made(model, ()))
    assert [row.label for row in rows] == list(CLASS_NAMES)
