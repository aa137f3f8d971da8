"""Real bad scenes: their windows, and that cloudy ones are brighter than on the clear date."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from landcover.core.bands import BAND_NAMES, L1C_BAND_NAMES
from landcover.core.raster import Provenance
from landcover.trust.bench.real_scenes import STEP, as_level_2a, scene_groups, windows
from tests.support import tiny


def test_a_folder_without_scenes_has_no_groups(tmp_path: Path) -> None:
    assert scene_groups(tmp_path) == ()


def test_windows_with_gaps_are_left_out() -> None:
    valid = np.ones((240, 300), dtype=bool)
    valid[0, 0] = False
    scene = tiny.random_patch(data=np.zeros((12, 240, 300), dtype=np.float32), valid=valid)
    cut = list(windows(scene, STEP))
    assert len(cut) == 3 * 4 - 1
    assert {(p.height, p.width) for p in cut} == {(120, 120)}


def test_level_1c_as_level_2a_drops_the_cirrus_band() -> None:
    pixels = np.arange(13, dtype=np.float32)[:, None, None] * np.ones((13, 120, 120), np.float32)
    patch = tiny.random_patch(
        data=pixels, bands=L1C_BAND_NAMES, provenance=Provenance(source="x", level="L1C")
    )
    found = as_level_2a(patch)
    assert found.bands == BAND_NAMES
    assert found.provenance.level == "L2A"
    assert found.band("B11")[0, 0] == 11  # 10 was B10
    assert found.band("B09")[0, 0] == 9


@pytest.mark.data
@pytest.mark.slow
def test_the_groups_of_the_projects_scenes(shared_data: Path) -> None:
    groups = {group.name: group for group in scene_groups(shared_data / "scenes")}
    assert {name for name, group in groups.items() if group.kind == "bad"} == {
        "cloud",
        "haze",
        "level-1c",
    }
    assert all(group.real for group in groups.values())
    counts = {name: sum(1 for _ in group.patches()) for name, group in groups.items()}
    assert counts == {
        "cloud": 15,
        "haze": 15,
        "level-1c": 43,
        "other-continents": 18,
        "clear-boadella": 64,
        "clear-denmark": 9,
    }
    continents = [patch.centre for patch in groups["other-continents"].patches()]
    assert {latitude < 0 for latitude, _ in continents} == {True}
