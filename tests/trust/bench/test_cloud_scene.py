"""The real scene of clouds and shadows: read, cut into windows, and detected by the checks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from landcover.core.bands import BAND_NAMES
from landcover.core.errors import BadInput
from landcover.trust.bench import cloud_scene
from landcover.trust.pixel_checks import sky_findings
from tests.support import sky_scene


def row(sky: cloud_scene.Sky, name: str) -> np.ndarray:
    found: np.ndarray = sky.values[BAND_NAMES.index(name)]
    return found


def test_scattering_is_subtracted_from_visible_bands_only(tmp_path: Path) -> None:
    sky = cloud_scene.read(sky_scene.file(tmp_path))
    assert sky.values.shape == (12, 80, 80)
    # The darkest pixels, water, come down to 0.01 in visible light; all else as much.
    for name, top, dark in (("B02", 0.12, 0.08), ("B03", 0.10, 0.06), ("B04", 0.07, 0.03)):
        assert row(sky, name)[70, 40] == pytest.approx(top - dark + 0.01, abs=1e-6)
    for name, same in (("B08", 0.40), ("B8A", 0.40), ("B11", 0.24), ("B12", 0.12), ("B05", 0)):
        assert row(sky, name)[70, 40] == pytest.approx(same, abs=1e-6)


def test_windows_are_grouped_by_shadow_and_cloud(tmp_path: Path) -> None:
    found = {
        group.name: group
        for group in cloud_scene.groups(cloud_scene.read(sky_scene.file(tmp_path)))
    }
    # Of 7 × 7 windows, 600 m apart, three more are hidden by a quarter and in no group.
    assert {name: len(group.windows) for name, group in found.items()} == {
        "real-shadow": 3,
        "real-cloud": 9,
        "real-clear": 34,
    }
    assert all(window.shape == (12, 400) for g in found.values() for window in g.windows)
    assert {f.check for w in found["real-shadow"].windows for f in sky_findings(w)} == {"shade"}
    assert not any(sky_findings(window) for window in found["real-clear"].windows)


def test_cells_are_counted_once(tmp_path: Path) -> None:
    counts = cloud_scene.cell_counts(cloud_scene.read(sky_scene.file(tmp_path)))
    assert counts["shade"] == {"found": 400, "there": 400, "both": 400}
    assert counts["haze"] == {"found": 1000, "there": 1000, "both": 1000}


@pytest.mark.parametrize(
    "change",
    [
        lambda img, _: {"img": img},
        lambda img, msk: {"img": img[..., :5], "msk": msk},
        lambda img, msk: {"img": img, "msk": msk[1:]},
        lambda img, msk: {"img": img[:30], "msk": msk[:30]},
        lambda img, msk: {"img": img[0], "msk": msk},
        lambda img, msk: {"img": np.full_like(img, np.nan), "msk": msk},
        lambda img, msk: {"img": (img * 1e4).astype(np.uint16), "msk": msk},
        lambda _, msk: {"img": np.array([{}], dtype=object), "msk": msk},
    ],
)
def test_another_file_gives_one_sentence(change: object, tmp_path: Path) -> None:
    assert callable(change)
    path = tmp_path / "other.npz"
    np.savez(path, **change(*sky_scene.arrays()))
    with pytest.raises(BadInput, match=r"'other.npz' is not the scene of ukis-csmask"):
        cloud_scene.read(path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b"text"])
def test_a_broken_or_missing_file_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "broken.npz"
    with pytest.raises(BadInput):
        cloud_scene.read(path)
    path.write_bytes(content)
    with pytest.raises(BadInput):
        cloud_scene.read(path)


@pytest.mark.data
def test_real_shadow_and_cloud_are_detected(shared_data: Path) -> None:
    sky = cloud_scene.read(shared_data / "cloudmask" / "ukis_csmask_sentinel2_test.npz")
    found = {group.name: group for group in cloud_scene.groups(sky)}
    caught = {
        name: [bool(sky_findings(window)) for window in group.windows]
        for name, group in found.items()
    }
    assert len(caught["real-shadow"]) == 52
    assert np.mean(caught["real-shadow"]) >= 0.95
    assert np.mean(caught["real-cloud"]) >= 0.95
    assert not any(caught["real-clear"])
    shade = [any(f.check == "shade" for f in sky_findings(w)) for w in found["real-shadow"].windows]
    assert np.mean(shade) >= 0.9
    counts = cloud_scene.cell_counts(sky)["shade"]
    assert counts["both"] / counts["there"] > 0.6
    assert counts["both"] / counts["found"] > 0.6
