"""Files of bytes that blocks are written to, and their smaller versions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from landcover.areas.layout import COVER, DECISION, NODATA, Layer, layers_of
from landcover.areas.pyramid import Pyramid, level_shapes, stored_bytes
from tests.areas.small_maps import COVERS, plan_of


def layer_of(rows: int, columns: int, name: str = COVER) -> Layer:
    made = plan_of(width=columns * 8, height=rows * 8)
    return next(one for one in layers_of(made, ("Urban fabric",), COVERS) if one.name == name)


def test_a_raster_is_halved_until_it_fits_into_one_block() -> None:
    assert level_shapes(512, 300) == [(512, 300)]
    assert level_shapes(1373, 513) == [(1373, 513), (687, 257), (344, 129)]


def test_blocks_in_any_order_give_the_same_bytes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    layer = layer_of(60, 90)
    whole = rng.integers(0, 251, layer.shape).astype(np.uint8)
    places = [(top, left) for top in range(0, 60, 30) for left in range(0, 90, 30)]
    for name, order in (("forward", places), ("backward", places[::-1])):
        (tmp_path / name).mkdir()
        pyramid = Pyramid(layer, tmp_path / name)
        for top, left in order:
            pyramid.put(top, left, whole[:, top : top + 30, left : left + 30])
        assert (pyramid.part(0, 0, 60) == whole).all()


def test_what_no_block_wrote_has_no_data(tmp_path: Path) -> None:
    layer = layer_of(60, 90)
    pyramid = Pyramid(layer, tmp_path)
    pyramid.put(0, 0, np.full((layer.shape[0], 30, 90), 7, np.uint8))
    found = pyramid.part(0, 0, 60)
    assert (found[:, :30] == 7).all()
    assert (found[:, 30:] == NODATA).all()


@pytest.mark.parametrize(
    ("top", "left", "shape"),
    [(40, 0, (7, 30, 30)), (0, -1, (7, 30, 30)), (0, 0, (6, 30, 30))],
)
def test_a_block_of_another_shape_or_place_is_refused(
    tmp_path: Path, top: int, left: int, shape: tuple[int, int, int]
) -> None:
    pyramid = Pyramid(layer_of(60, 90), tmp_path)
    with pytest.raises(ValueError, match="does not fit"):
        pyramid.put(top, left, np.zeros(shape, np.uint8))
    with pytest.raises(ValueError, match="does not fit"):
        pyramid.put(0, 0, np.zeros((7, 30, 30), np.int16))  # type: ignore[arg-type]


def test_smaller_versions_are_means_of_shares_and_modes_of_flags(tmp_path: Path) -> None:
    layer = layer_of(3, 1026)
    pyramid = Pyramid(layer, tmp_path)
    values = np.full(layer.shape, NODATA, np.uint8)
    values[:, :2, :2] = [[10, 20], [NODATA, 31]]
    values[:, :2, 2:4] = [[1, 4], [4, 1]]
    values[:, 2, 1025] = 9
    pyramid.put(0, 0, values)
    pyramid.build()
    half = pyramid.part(1, 0, 2)
    kinds = [band.name for band in layer.bands]
    share, flag = half[kinds.index("Water")], half[kinds.index("mask")]
    assert share[0, 0] == 20  # (10 + 20 + 31) / 3 = 20.33
    assert share[0, 1] == 3  # 2.5, rounded up
    assert flag[0, 0] == 31  # each once: the highest
    assert flag[0, 1] == 4  # each twice: the highest
    assert share[1, 512] == flag[1, 512] == 9  # a corner of which only one pixel exists
    assert (half[:, 1, :512] == NODATA).all()
    assert pyramid.smallest().shape == (7, 1, 257)


def test_no_decision_does_not_outvote_decisions(tmp_path: Path) -> None:
    layer = layer_of(3, 1026, DECISION)
    pyramid = Pyramid(layer, tmp_path)
    values = np.zeros(layer.shape, np.uint8)
    values[0, 0, :6] = [2, 0, 0, 0, 3, 1]
    values[0, 1, :6] = [0, 0, 0, 0, 1, 1]
    pyramid.put(0, 0, values)
    pyramid.build()
    assert pyramid.part(1, 0, 1)[0, 0, :3].tolist() == [2, 0, 1]


def test_long_bands_are_halved_in_strips_without_a_seam(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = layer_of(603, 603)
    rng = np.random.default_rng(1)
    values = rng.integers(0, 256, layer.shape).astype(np.uint8)
    found = []
    for number, chunk in enumerate((4_000_000, 3_000)):
        monkeypatch.setattr("landcover.areas.pyramid.CHUNK", chunk)
        folder = tmp_path / str(number)
        folder.mkdir()
        pyramid = Pyramid(layer, folder)
        pyramid.put(0, 0, values)
        pyramid.build()
        found.append(pyramid.smallest())
    assert found[0].shape == (7, 302, 302)
    assert (found[0] == found[1]).all()


def test_the_room_it_takes_is_that_of_its_files(tmp_path: Path) -> None:
    layer = layer_of(600, 900)
    pyramid = Pyramid(layer, tmp_path)
    pyramid.build()
    assert stored_bytes(layer) == sum(path.stat().st_size for path in tmp_path.iterdir())
