"""Pictures without labels: composed to patches, joined to labelled ones, hostile files refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch

from landcover.core import limits
from landcover.core.errors import BadInput
from landcover.datasets import unlabelled
from landcover.datasets.unlabelled import SIDE, Joined
from tests.train.test_loop import store

CLASSES = 19


def write(path: Path, numbers: np.ndarray) -> Path:
    count, height, width = numbers.shape
    with rasterio.open(
        path, "w", driver="GTiff", count=count, height=height, width=width, dtype=numbers.dtype
    ) as file:
        file.write(numbers)
    return path


def pictures(count: int, bands: int = 12) -> np.ndarray:
    """Picture k is k everywhere, its band b adds 100 b."""
    level = np.repeat(np.arange(count, dtype=np.uint16), SIDE)[:, None]
    return np.stack([np.tile(level, (1, SIDE)) + 100 * b for b in range(bands)]).astype(np.uint16)


def test_each_picture_is_in_four_patches_of_four(tmp_path: Path) -> None:
    found = unlabelled.load(write(tmp_path / "p.tif", pictures(40)), CLASSES)
    assert len(found) == len(found.ids) == len(set(found.ids)) == 40
    assert found.targets.shape == (40, CLASSES)
    assert not found.targets.any()
    assert (np.bincount(found.fours.ravel()) == 4).all()
    pixels = found.pixels([3, 17])
    assert pixels.shape == (2, 12, 120, 120)
    for row, patch in ((3, pixels[0]), (17, pixels[1])):
        corners = patch[0][[0, 0, -1, -1], [0, -1, 0, -1]] * 10_000
        assert corners.round().tolist() == found.fours[row].tolist()
        assert torch.allclose(patch[5], patch[0] + 0.05, atol=1e-6)
        assert float(patch[0, 63, 63] * 10_000) == pytest.approx(found.fours[row][0])


def test_the_same_file_gives_the_same_patches(tmp_path: Path) -> None:
    path = write(tmp_path / "p.tif", pictures(8))
    one, other = (unlabelled.load(path, CLASSES) for _ in range(2))
    assert (one.fours == other.fours).all()
    assert one.ids == other.ids
    changed = pictures(8)
    changed[0, 0, 0] += 1
    assert unlabelled.load(write(path, changed), CLASSES).sha256 != one.sha256


def test_joined_sets_keep_their_rows(tmp_path: Path) -> None:
    second = unlabelled.load(write(tmp_path / "p.tif", pictures(8)), CLASSES)
    first = store(5)
    both = Joined(first=first, second=second)
    assert (len(both), len(both.ids), len(both.targets)) == (13, 13, 13)
    found = both.pixels([12, 0, 5, 4])
    wanted = [second.pixels([7]), first.pixels([0]), second.pixels([0]), first.pixels([4])]
    assert torch.equal(found, torch.cat(wanted))
    assert torch.equal(both.pixels([2]), first.pixels([2]))


def test_negative_numbers_are_no_reflectance(tmp_path: Path) -> None:
    numbers = pictures(4).astype(np.int16)
    numbers[:, 0, 0] = -50
    found = unlabelled.load(write(tmp_path / "p.tif", numbers), CLASSES)
    assert float(found.pixels(range(4)).min()) == 0


@pytest.mark.parametrize(
    ("numbers", "match"),
    [
        (pictures(4, bands=9), "has 9 bands of 64 × 256 pixels: give 12 bands"),
        (pictures(4)[:, :-1], "64 × 255 pixels"),
        (pictures(4)[:, :, :-1], "63 × 256 pixels"),
        (pictures(3), "at least 4 pictures"),
        (pictures(4).astype(np.float32), "type float32: give digital numbers"),
        (pictures(4).astype(np.uint8), "type uint8: give digital numbers"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, numbers: np.ndarray, match: str) -> None:
    path = write(tmp_path / "p.tif", numbers)
    with pytest.raises(BadInput, match=match):
        unlabelled.load(path, CLASSES)


def test_damaged_files_and_other_kinds_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "p.tif", pictures(8))
    path.write_bytes(path.read_bytes()[:5_000])
    with pytest.raises(BadInput, match=r"'p\.tif'"):
        unlabelled.load(path, CLASSES)
    path.write_bytes(b"pictures")
    with pytest.raises(BadInput, match="not a raster"):
        unlabelled.load(path, CLASSES)
    with pytest.raises(BadInput, match="no file"):
        unlabelled.load(tmp_path / "no.tif", CLASSES)


def test_more_pictures_than_fit_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "p.tif", pictures(8))
    with (
        limits.changed(samples=300_000),
        pytest.raises(BadInput, match="has 8 pictures: give at most 6"),
    ):
        unlabelled.load(path, CLASSES)
