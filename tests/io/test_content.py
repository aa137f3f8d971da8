"""Scale, fill values and level of stacks are recognised by their pixels, or refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from landcover.core.bands import BAND_NAMES, L1C_BAND_NAMES
from landcover.core.errors import BadInput
from landcover.core.window import Cut, Window
from landcover.io.band_files import read_native
from landcover.io.content import Stated, content_of
from landcover.io.level import PIXELS_OF_1C
from landcover.io.regrid import Raw
from landcover.io.samples import NAMES
from landcover.io.scaling import PERCENT, PLAIN, SIXTEEN_BITS, UNITY
from landcover.io.stack import read_stack
from landcover.io.stack_header import Facts
from tests.support.examples import examples
from tests.support.real_numbers import HOLE, digital_numbers, level_1c, with_hole
from tests.support.stack_files import tif

Numbers = npt.NDArray[Any]
Form = Callable[[Numbers], Numbers]

INTEGERS = ("uint16", "int16", "uint32", "int32", "int64")
FLOATS = ("float32", "float64")


def times(factor: float, dtype: str, shift: float = 0.0) -> Form:
    """Digital numbers × factor + shift; integers are rounded and clipped to their type."""

    def convert(numbers: Numbers) -> Numbers:
        exact = numbers * factor + shift
        if np.dtype(dtype).kind in "iu":
            exact = np.clip(np.round(exact), np.iinfo(dtype).min, np.iinfo(dtype).max)
        return exact.astype(dtype)

    return convert


def cut_off_16_bits(numbers: Numbers) -> Numbers:
    return np.minimum(np.floor(numbers * 6.5535), 65535).astype(np.uint16)


FORMS: dict[str, tuple[Form, tuple[float, float] | None, tuple[float, ...]]] = {
    **{f"{kind} numbers": (times(1, kind), None, (0,)) for kind in INTEGERS + FLOATS},
    **{f"{kind} reflectance": (times(1e-4, kind), None, (0, -0.1, np.nan)) for kind in FLOATS},
    **{f"{kind} percent": (times(0.01, kind), None, (0, -9999, np.nan)) for kind in FLOATS},
    "signed": (times(1, "int16"), None, (0, -9999, -32768, -1)),
    "long": (times(1, "int32"), None, (0, -9999, -(2**31), 65535)),
    "unsigned": (times(1, "uint16"), None, (0, 65535)),
    "unsigned long": (times(1, "uint32"), None, (0, 2**32 - 1)),
    "float numbers": (times(1, "float32"), None, (0, -9999, np.nan, -3.4e38)),
    "16 bits": (times(6.5535, "uint16"), None, (0, 65535)),
    "16 bits cut off": (cut_off_16_bits, None, (0, 65535)),
    "16 bits as floats": (lambda dn: times(6.5535, "uint16")(dn).astype("f4"), None, (0, -9999)),
    "stated": (times(1, "uint16"), (1e-4, 0), (0, 65535)),
    "stated shift": (times(1, "uint16", 1000), (1e-4, -0.1), (0, 65535)),
    "stated percent": (times(0.01, "float32"), (0.01, 0), (0, -9999, np.nan)),
    "stated 16 bits": (times(6.5535, "uint16"), (1 / 65535, 0), (0, 65535)),
    "stated 8 bits": (times(0.0255, "uint8"), (1 / 255, 0), (0,)),
    "stated scale and offset": (times(2, "int32", 500), (5e-5, -0.025), (-9999,)),
}
"""How tools store digital numbers: conversion, scale and offset in the header, fill values."""


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    sample=st.sampled_from(NAMES),
    form=st.sampled_from(sorted(FORMS)),
    data=st.data(),
    hole=st.tuples(st.integers(0, 90), st.integers(0, 90), st.integers(3, 80), st.integers(3, 80)),
)
def test_all_forms_give_the_same_reflectance(
    sample: str, form: str, data: st.DataObject, hole: tuple[int, int, int, int]
) -> None:
    dn = digital_numbers(sample)
    convert, scales, fill_values = FORMS[form]
    fill = data.draw(st.sampled_from((None, *fill_values)))
    stored = convert(dn)
    valid = np.ones(dn.shape[1:], dtype=bool)
    if fill is not None:
        row, col, rows, cols = hole
        stored[:, row : row + rows, col : col + cols] = fill
        valid[row : row + rows, col : col + cols] = False
    patch = read_stack(tif(stored, scales=scales), "a.tif")
    # Where the sample has 0 in all bands, it has no data itself.
    valid &= (dn > 0).any(axis=0)
    np.testing.assert_array_equal(patch.valid, valid)
    tolerance = 0.5 / 255 if "8 bits" in form else 2e-5
    # 16 and 8 bits end at a reflectance of 1.
    expected = np.minimum(dn, 10_000) if "bits" in form else dn
    np.testing.assert_allclose(patch.data[:, valid], expected[:, valid] / 1e4, atol=tolerance)
    noted = any("all bands were taken as without data" in note for note in patch.provenance.notes)
    silent = fill is None or fill == 0 or not np.isfinite(fill) or abs(fill) > 1e30
    assert noted != silent


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("float32 numbers", "reflectance = DN / 10000: floats up to 6,210 are digital numbers"),
        ("16 bits", "reflectance = number / 65535: the spacing of the numbers shows the scale"),
        ("float32 percent", "reflectance = percent / 100: numbers up to 62.1"),
        ("float32 reflectance", "values are reflectance already"),
        ("uint32 numbers", "reflectance = DN / 10000"),
        ("stated 8 bits", "reflectance = number × 0.00392157, as the file states"),
        ("stated scale and offset", "reflectance = number × 5e-05 − 0.025, as the file states"),
    ],
)
def test_the_scale_is_stated(form: str, said: str) -> None:
    convert, scales, _ = FORMS[form]
    patch = read_stack(tif(convert(digital_numbers()), scales=scales), "a.tif")
    checked = "; the darkest pixels (0.009) agree" if ":" in said else ""
    assert patch.provenance.scaling == said + checked


def test_whole_percent_is_read_and_called_coarse() -> None:
    patch = read_stack(tif(times(0.01, "uint16")(digital_numbers())), "a.tif")
    assert "whole steps that are coarse" in patch.provenance.scaling
    assert patch.data.max() == pytest.approx(0.62)


@pytest.mark.parametrize("dtype", ["uint16", "uint32", "int32", "float32"])
@pytest.mark.parametrize("share", [1.0, 0.05])
def test_numbers_that_wrapped_around_at_0_are_refused(dtype: str, share: float) -> None:
    dn = digital_numbers().astype(np.int64)
    rows = int(len(dn[0]) * share)
    dn[:, :rows] = dn[:, :rows] % 900 - 1000
    end = 2**32 if dtype == "uint32" else 2**16
    with pytest.raises(BadInput, match="wrapped around at 0; subtract it in a signed type"):
        read_stack(tif((dn % end).astype(dtype)), "a.tif")


def test_a_few_pixels_that_wrapped_around_are_without_data() -> None:
    dn = digital_numbers()
    dn[3, 5, :9] = 65_500
    patch = read_stack(tif(dn), "a.tif")
    assert not patch.valid[5, :9].any()
    assert patch.valid.sum() == 120 * 120 - 9


def test_bright_snow_in_16_bits_has_not_wrapped_around() -> None:
    dn = np.minimum(digital_numbers("finland-snow") * 1.6, 9999)
    stored = times(6.5535, "uint16")(np.round(dn))
    assert ((stored > 64_600) & (stored < 65_535)).any()
    assert read_stack(tif(stored), "a.tif").valid.all()


REFUSED: dict[str, tuple[bytes, str]] = {
    "16 bits, interpolated": (
        tif(np.round((digital_numbers()[:, :, 1:] + 1.3 * digital_numbers()[:, :, :-1]) / 2.3 * 6.5535).astype("u2")),
        "a reflectance from 0.0.* to 3.*, which no surface has: state the true scale",
    ),
    "a dark scene in 16 bits, interpolated": (
        tif(np.round((digital_numbers()[:, :, 1:] + 1.3 * digital_numbers()[:, :, :-1]) / 2.3 * 3).astype("u2")),
        "more than 80% in the near infrared",
    ),
    "a scale stated for reflectance": (
        tif(times(1e-4, "float32")(digital_numbers()), scales=(1e-4, 0.0)),
        "which no surface has: state the true scale",
    ),
    "radiance": (tif(times(40, "float32")(digital_numbers())), "fit no scale of reflectance"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_other_scales_are_refused_for_their_scale(case: str) -> None:
    data, words = REFUSED[case]
    with pytest.raises(BadInput, match=words) as caught:
        read_stack(data, "a.tif")
    assert not any(word in str(caught.value) for word in ("haze", "snow", "offset", "saturat"))


# Fill values


def test_clipped_clouds_and_water_are_not_fill_values() -> None:
    bright = digital_numbers().astype(np.float64)
    rows, cols = np.mgrid[:120, :120]
    cloud = np.exp(-((rows - 60) ** 2 + (cols - 60) ** 2) / 900)
    clipped = np.minimum(bright + cloud * 20_000, 10_000).astype(np.uint16)
    assert (clipped == 10_000).all(axis=0).sum() > 100
    assert read_stack(tif(clipped), "a.tif").valid.all()
    water = digital_numbers().astype(np.float64)
    depth = np.clip((np.hypot(rows - 60, cols - 60) - 30) / 8, 0, 1)
    water = np.maximum(60 * (1 - depth) ** 4 - 60 + water * depth, 1).astype(np.uint16)
    assert (water == 1).all(axis=0).sum() > 100
    assert read_stack(tif(water), "a.tif").valid.all()


def test_a_customary_fill_value_needs_no_area_and_marks_single_bands() -> None:
    stored = digital_numbers().astype(np.int16)
    stored[:, 7, 9] = -9999
    stored[4, 50:52, 50:60] = -9999
    patch = read_stack(tif(stored), "a.tif")
    assert patch.valid.sum() == 120 * 120 - 21
    assert not patch.valid[7, 9]


@pytest.mark.parametrize("corner", [(0, 0), (12, 24), (180, 180)])
@pytest.mark.parametrize(("form", "fill"), [("unsigned", 65535), ("float32 reflectance", -0.1)])
def test_windows_are_read_like_the_file(form: str, fill: float, corner: tuple[int, int]) -> None:
    tiled = np.tile(digital_numbers(), (1, 3, 3))[:, :300, :300]
    stored = with_hole(FORMS[form][0](tiled), fill)
    whole = read_stack(tif(stored), "a.tif")
    part = read_stack(tif(stored), "a.tif", Cut(size=120, corner=corner))
    row, col = corner
    np.testing.assert_array_equal(part.data, whole.data[:, row : row + 120, col : col + 120])
    np.testing.assert_array_equal(part.valid, whole.valid[row : row + 120, col : col + 120])
    assert not whole.valid[HOLE].any()


def test_a_window_of_fill_values_is_empty() -> None:
    stored = np.tile(digital_numbers(), (1, 3, 3))
    stored[:, :150, :150] = 65535
    part = read_stack(tif(stored), "a.tif", Cut(size=120, corner=(0, 0)))
    assert not part.valid.any()


def test_a_gap_that_the_sample_of_a_large_file_misses_is_masked(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    block = with_hole(digital_numbers(), 65535)
    profile = {"driver": "GTiff", "count": 12, "height": 9000, "width": 9000, "dtype": "uint16"}
    place = {"crs": "EPSG:32633", "transform": rasterio.Affine(10, 0, 4e5, 0, -10, 5.3e6)}
    tiles = {"tiled": True, "compress": "deflate", "SPARSE_OK": True}
    with rasterio.open(path, "w", **profile, **place, **tiles) as file:
        file.write(block, window=((24, 144), (36, 156)))
    part = read_stack(path, path.name, Cut(size=120, corner=(24, 36)))
    assert not part.valid[HOLE].any()
    assert part.valid.sum() == 120 * 120 - 50 * 70
    assert any("65535 in all bands" in note for note in part.provenance.notes)
    with rasterio.open(path, "r+") as file:
        file.write(np.full_like(block, 65535), window=((24, 144), (36, 156)))
    assert not read_stack(path, path.name, Cut(size=120, corner=(24, 36))).valid.any()


# Level


def test_level_1c_is_recognised_with_and_without_its_band_b10() -> None:
    numbers = level_1c(digital_numbers())
    thirteen = read_stack(tif(numbers), "a.tif")
    assert thirteen.bands == L1C_BAND_NAMES
    assert thirteen.level == "L1C"
    twelve = read_stack(tif(np.delete(numbers, 10, axis=0)), "a.tif")
    assert twelve.bands == BAND_NAMES
    assert twelve.level == "L1C"
    assert PIXELS_OF_1C in twelve.provenance.notes


@pytest.mark.parametrize("value", [0, 1, 65535])
@pytest.mark.parametrize("names", [None, L1C_BAND_NAMES])
def test_level_2a_with_an_empty_band_b10_is_level_2a(
    value: int, names: tuple[str, ...] | None
) -> None:
    dn = digital_numbers()
    padded = np.insert(dn, 10, value, axis=0)
    for cut in (None, Cut(size=60, corner=(30, 30))):
        patch = read_stack(tif(padded, bands=names), "a.tif", cut)
        assert patch.level == "L2A"
        assert patch.bands == BAND_NAMES
        expected = dn if cut is None else dn[:, 30:90, 30:90]
        np.testing.assert_allclose(patch.data, expected / 1e4, rtol=1e-6)
        assert "B10 has a single value everywhere and was left out" in patch.provenance.notes
    padded = np.insert(with_hole(dn, 65535), 10, value, axis=0)
    assert not read_stack(tif(padded), "a.tif").valid[HOLE].any()


def test_level_2a_with_the_b10_of_level_1c_is_level_2a() -> None:
    both = digital_numbers()
    both = np.insert(both, 10, level_1c(both)[10], axis=0)
    patch = read_stack(tif(both), "a.tif")
    assert patch.level == "L2A"
    assert patch.bands == BAND_NAMES
    assert "B10 was left out, which Level-2A does not have" in patch.provenance.notes


def test_the_stated_level_decides_before_the_pixels() -> None:
    numbers = level_1c(digital_numbers())
    name = "S2A_MSIL1C_20200123.tif"
    assert read_stack(tif(digital_numbers()), name).level == "L1C"
    tagged = {"PRODUCT_LEVEL": "Level-2A"}
    assert read_stack(tif(np.delete(numbers, 10, axis=0), tags=tagged), "a.tif").level == "L2A"


def test_an_eleventh_band_that_is_no_b10_is_refused() -> None:
    other = np.concatenate([digital_numbers(), digital_numbers()[3:4] // 300])
    with pytest.raises(BadInput, match="as bright in B10 as a surface"):
        read_stack(tif(other), "a.tif")


# Real data


@pytest.mark.data
@pytest.mark.parametrize("file", ["EuroSAT", "S2L1C", "copernicusfm", "S2L2A", "boadella"])
def test_real_stacks_keep_their_level(shared_data: Path, file: str) -> None:
    paths = [p for p in shared_data.rglob("*.tif") if file in str(p) or "ms-samples" in str(p)]
    for path in (p for p in paths if file in p.as_posix()):
        patch = read_stack(path, "a.tif", Cut(size=60))
        assert patch.level == ("L2A" if file in {"S2L2A", "boadella"} else "L1C")


def decide(numbers: Numbers) -> tuple[str, str, int]:
    """Scaling, level and number of fill values of digital numbers or another form."""
    facts = Facts(level=None, baseline=None, offset_stated=False, acquired=None, notes=())
    raw = Raw(numbers, np.ones(numbers.shape[1:], dtype=bool), WINDOW)
    found = content_of(raw, Stated(bands=BAND_NAMES, scaling=None, facts=facts))
    return found.scaling.description, found.level, len(found.fill_values)


WINDOW = Window(crs="EPSG:32633", transform=(10, 0, 4e5, 0, -10, 5.3e6), width=120, height=120)


@pytest.mark.data
@pytest.mark.slow
def test_the_bounds_hold_on_real_patches(shared_data: Path) -> None:
    folders = sorted(shared_data.glob("bigearthnet*/BigEarthNet-S2/*/*"))[::10]
    patches = [read_native(folder).stack() for folder in folders if folder.is_dir()]
    with rasterio.open(shared_data / "unlabelled" / "l2a_600x64x64.tif") as file:
        pictures = np.split(file.read(), 600, axis=1)[::10]
    for numbers in patches + pictures:
        assert decide(numbers) == (PLAIN.description, "L2A", 0)
        assert decide(numbers.astype(np.float32)) == (PLAIN.description, "L2A", 0)
        assert decide(numbers / 1e4) == (UNITY.description, "L2A", 0)
        of_16_bits = np.minimum(np.round(numbers * 6.5535), 65535).astype(np.uint16)
        assert decide(of_16_bits) == (SIXTEEN_BITS.description, "L2A", 0)
        if np.percentile(numbers, 99, axis=(1, 2)).max() > 100:
            assert decide(numbers / 100) == (PERCENT.description, "L2A", 0)
