"""The page that PNG figures are drawn on."""

from __future__ import annotations

import io
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from landcover.core.raster import ByteArray
from landcover.report.page import GAP, RULE, Page, wrapped


def drawn(page: Page) -> ByteArray:
    with Image.open(io.BytesIO(page.png())) as image:
        return np.asarray(image.convert("RGB"))


def test_an_image_is_enlarged_without_interpolation_and_gaps_are_grey() -> None:
    values = np.random.default_rng(0).integers(0, 256, (30, 30, 4), dtype=np.uint8)
    values[..., 3] = 255
    values[:10, :10, 3] = 0
    page = Page(301, 207)
    page.view((100, 51), 120, values)
    pixels = drawn(page)
    assert pixels.shape == (207, 301, 3)
    view = pixels[51:171, 100:220]
    wanted = np.where(values[..., 3:] > 0, values[..., :3], np.uint8(RULE))
    np.testing.assert_array_equal(view, wanted.repeat(4, axis=0).repeat(4, axis=1))
    assert (pixels[:51] == 255).all()
    assert (pixels[:, :100] == 255).all()


def test_text_stays_in_its_width() -> None:
    page = Page(600, 60)
    page.write((GAP, 10), "W" * 200, 14, width=200)
    page.write((GAP, 30), "i" * 999, 14)
    ink = (drawn(page) < 250).any(axis=(0, 2))
    assert ink[GAP : 600 - GAP].any()
    assert not ink[600 - GAP + 1 :].any()
    first = (drawn(page)[10:28] < 250).any(axis=(0, 2))
    assert not first[GAP + 202 :].any()


def test_any_file_name_can_be_written() -> None:
    page = Page(600, 60)
    page.write((GAP, 10), "$a_b$ \\frac 田んぼ 🌍 x\ny ≥ 0.5 × ł", 14)
    assert (drawn(page) < 250).any()


def test_wrapping_keeps_all_words() -> None:
    text = "Reflectance of twelve bands on the ten metre grid, resampled. " * 5
    lines = wrapped(text, 12, 300)
    assert len(lines) > 3
    assert " ".join(lines) == " ".join(text.split())
    assert wrapped("", 12, 300) == [""]
    assert wrapped("short", 12, 300) == ["short"]


def test_several_threads_can_draw_at_the_same_time() -> None:
    def one(number: int) -> bytes:
        page = Page(200, 60)
        page.write((GAP, 10), f"Page {number % 2}", 14)
        return page.png()

    with ThreadPoolExecutor(4) as pool:
        pages = list(pool.map(one, range(8)))
    assert len(set(pages)) == 2
    assert pages[0] == pages[2]


@pytest.mark.slow
def test_modules_that_do_not_draw_do_not_load_matplotlib() -> None:
    code = (
        "import sys, landcover.report.patch_report, landcover.report.explanation_files;"
        "sys.exit('matplotlib.figure' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
