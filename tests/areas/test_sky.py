"""What hides the ground, for each cell and window."""

from __future__ import annotations

import numpy as np
import pytest

from landcover.areas import sky
from landcover.areas.sky import cell_flags, per_window, window_means
from landcover.core.bands import BAND_NAMES
from landcover.core.raster import Provenance, Raster

MEADOW = (0.03, 0.04, 0.07, 0.05, 0.11, 0.27, 0.33, 0.35, 0.36, 0.37, 0.22, 0.12)
CLOUD = (0.55, 0.52, 0.50, 0.50, 0.52, 0.53, 0.54, 0.55, 0.55, 0.60, 0.40, 0.35)
SNOW = (0.80, 0.80, 0.80, 0.78, 0.77, 0.76, 0.74, 0.72, 0.70, 0.70, 0.10, 0.08)
SHADOW = (0.01, 0.01, 0.02, 0.01, 0.03, 0.06, 0.07, 0.07, 0.08, 0.08, 0.05, 0.03)
SIDE = 240


def meadow(*patches: tuple[slice, slice, tuple[float, ...]], scl: bool = False) -> Raster:
    """A meadow with patches of something else; their numbers in the classification are 8, 11, 3."""
    pixels = np.broadcast_to(np.array(MEADOW, np.float32)[:, None, None], (12, SIDE, SIDE)).copy()
    classes = np.full((SIDE, SIDE), 4, dtype=np.uint8)
    for rows, columns, spectrum in patches:
        pixels[:, rows, columns] = np.array(spectrum, np.float32)[:, None, None]
        classes[rows, columns] = {CLOUD: 8, SNOW: 11, SHADOW: 3}.get(spectrum, 4)
    return Raster(
        data=pixels,
        valid=np.isin(classes, (4, 11)) if scl else np.ones((SIDE, SIDE), bool),
        bands=BAND_NAMES,
        provenance=Provenance(source="meadow", level="L2A"),
        scl=classes if scl else None,
    )


@pytest.mark.parametrize("scl", [False, True])
@pytest.mark.parametrize(
    ("spectrum", "flag"), [(CLOUD, sky.CLOUD), (SNOW, sky.SNOW), (SHADOW, sky.SHADE)]
)
def test_cells_are_flagged(spectrum: tuple[float, ...], flag: int, *, scl: bool) -> None:
    cloud = slice(160, 200), slice(160, 200), CLOUD
    found = cell_flags(meadow((slice(0, 80), slice(80, 160), spectrum), cloud, scl=scl))
    wanted = np.zeros((30, 30), dtype=np.uint8)
    wanted[:10, 10:20] = flag
    wanted[20:25, 20:25] = sky.CLOUD
    assert (found == wanted).all()


def test_without_clouds_dark_cells_are_no_shade() -> None:
    assert (cell_flags(meadow((slice(0, 80), slice(80, 160), SHADOW))) == sky.CLEAR).all()


def test_haze_counts_as_cloud_where_it_is_widespread() -> None:
    haze = tuple(value + 0.06 * (0.4 / 0.5) ** n for n, value in enumerate(MEADOW))
    found = cell_flags(meadow((slice(0, SIDE), slice(0, 160), haze)))
    assert (found[:, :19] == sky.CLOUD).all()
    assert (found[:, 20:] == sky.CLEAR).all()
    roofs = meadow((slice(100, 140), slice(100, 140), haze))
    assert (cell_flags(roofs) == sky.CLEAR).all()


def test_gaps_have_no_flag_but_no_answer() -> None:
    raster = meadow()
    valid = raster.valid.copy()
    valid[:, :44] = False
    gap = Raster(
        data=np.where(valid, raster.data, 0.0),
        valid=valid,
        bands=BAND_NAMES,
        provenance=raster.provenance,
    )
    found = cell_flags(gap)
    assert (found[:, :5] == sky.NO_ANSWER).all()  # of the sixth cell half is there
    assert (found[:, 5:] == sky.CLEAR).all()


def test_four_bands_have_no_physical_checks() -> None:
    raster = meadow((slice(0, 80), slice(0, 80), CLOUD))
    few = Raster(
        data=raster.data[[1, 2, 3, 7]],
        valid=raster.valid,
        bands=("B02", "B03", "B04", "B08"),
        provenance=raster.provenance,
    )
    assert (cell_flags(few) == sky.CLEAR).all()


def test_a_window_needs_a_share_of_cells() -> None:
    flags = np.zeros((30, 30), dtype=np.uint8)
    flags[0:5, 0:5] = sky.CLOUD  # 25 of 225 cells of the first window
    assert per_window(flags, 0, 15, (2, 2)).tolist() == [[0, 0], [0, 0]]
    flags[0:6, 0:6] = sky.CLOUD  # 36
    assert per_window(flags, 0, 15, (2, 2)).tolist() == [[sky.CLOUD, 0], [0, 0]]


def test_a_window_of_gaps_has_no_answer() -> None:
    flags = np.zeros((15, 15), dtype=np.uint8)
    flags[:8] = sky.NO_ANSWER
    assert per_window(flags, 0, 1, (1, 1)) == sky.NO_ANSWER


def test_means_are_those_of_the_window() -> None:
    cells = np.random.default_rng(0).random((40, 50), dtype=np.float32)
    found = window_means(cells, 2, 3, (5, 6))
    for row in range(5):
        for column in range(6):
            part = cells[2 + 3 * row :, 2 + 3 * column :][:15, :15]
            assert found[row, column] == pytest.approx(part.mean(), abs=1e-6)
