"""The animation: a GIF with a frame a date, on which what is hidden can be seen."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from landcover.areas import sky
from landcover.core.errors import BadInput
from landcover.time.animation import SIDE, Frame, animated


def frame(title: str, mask: np.ndarray | None = None, *, cover: bool = True) -> Frame:
    random = np.random.default_rng(len(title))
    return Frame(
        title=title,
        words="Water 254 ha [240, 270]",
        picture=np.full((96, 120, 3), (30, 90, 40), dtype=np.uint8),
        mask=np.zeros((12, 15), dtype=np.uint8) if mask is None else mask,
        cover=random.integers(0, 255, (12, 15, 3)).astype(np.uint8) if cover else None,
    )


def opened(content: bytes) -> list[np.ndarray]:
    frames = []
    with Image.open(io.BytesIO(content)) as file:
        for number in range(getattr(file, "n_frames", 1)):
            file.seek(number)
            frames.append(np.asarray(file.convert("RGB")))
    return frames


def test_each_date_has_a_frame_with_its_own_label() -> None:
    found = opened(animated([frame("2020-01-13"), frame("2020-01-23"), frame("2020-01-28")]))
    assert len(found) == 3
    below = [picture[-70:] for picture in found]
    assert not (below[0] == below[1]).all()


def test_what_is_hidden_is_hatched() -> None:
    mask = np.zeros((12, 15), dtype=np.uint8)
    mask[:6] = sky.CLOUD
    clear, clouded = opened(animated([frame("a", cover=False), frame("b", mask, cover=False)]))
    upper = np.abs(clear[:150, :400].astype(int) - clouded[:150, :400]).max(axis=2) > 40
    lower = np.abs(clear[210:350, :400].astype(int) - clouded[210:350, :400]).max(axis=2) > 40
    assert upper.mean() > 0.15
    assert lower.mean() == 0


def test_the_mask_can_be_gone_in_the_next_frame() -> None:
    mask = np.full((12, 15), sky.CLOUD, dtype=np.uint8)
    first, second, third = opened(animated([frame("a"), frame("b", mask), frame("a")]))
    assert (first == third).all()
    assert not (first == second).all()


def test_a_large_area_is_drawn_small() -> None:
    large = Frame(
        title="a",
        words="",
        picture=np.zeros((1500, 900, 3), dtype=np.uint8),
        mask=np.zeros((10, 6), dtype=np.uint8),
    )
    (picture,) = opened(animated([large]))
    assert picture.shape[0] < SIDE + 120


@given(st.lists(st.text(max_size=300), min_size=1, max_size=2), st.text(max_size=60))
def test_any_name_can_be_written(titles: Sequence[str], name: str) -> None:
    assert opened(animated([frame(title) for title in titles], [(name, (255, 0, 0))]))


def test_nothing_to_draw_is_said() -> None:
    with pytest.raises(BadInput, match="No date can be drawn"):
        animated([])


def test_the_legend_has_its_exact_colours() -> None:
    blue, similar = (0, 80, 200), (0, 90, 205)
    (picture,) = opened(animated([frame("a")], [("Water", blue), ("Marsh", similar)]))
    there = {tuple(pixel) for pixel in picture[-40:].reshape(-1, 3).tolist()}
    assert {blue, similar} <= there
