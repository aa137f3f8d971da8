"""Quality checks: what they find in corrupted pixels, and that good ones pass."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from landcover.core.bands import BAND_NAMES
from landcover.core.raster import Raster
from landcover.core.window import grid
from landcover.io import sources
from landcover.io.samples import NAMES, read_sample
from landcover.io.scaling import darkest, looks_shifted
from landcover.io.stack import read_stack
from landcover.trust.quality import NEGATIVE, quality_of


@pytest.fixture(scope="module")
def good() -> Raster:
    return read_sample("austria-fields")


def corrupted(patch: Raster, reflectance: np.ndarray) -> tuple[tuple[str, ...], bool]:
    found = quality_of(replace(patch, data=reflectance))
    return found.warnings, found.abstained


def test_only_the_sample_with_snow_gets_a_warning() -> None:
    found = {name: quality_of(read_sample(name)) for name in NAMES}
    assert [name for name, quality in found.items() if quality.warnings] == ["finland-snow"]
    (warning,) = found["finland-snow"].warnings
    assert "as bright as snow or cloud" in warning
    assert not any(quality.abstained for quality in found.values())
    assert all(quality.cloud_fraction is None for quality in found.values())


@pytest.mark.parametrize(
    ("missing", "warned", "abstained"),
    [(0.04, False, False), (0.06, True, False), (0.6, True, True), (1.0, True, True)],
)
def test_nodata(good: Raster, missing: float, *, warned: bool, abstained: bool) -> None:
    valid = np.ones((120, 120), dtype=bool)
    valid[: round(missing * 120)] = False
    quality = quality_of(replace(good, valid=valid))
    assert quality.nodata_fraction == pytest.approx(missing, abs=0.01)
    assert any("no data" in warning for warning in quality.warnings) == warned
    assert quality.abstained == abstained
    assert quality.as_dict()["nodata_fraction"] == quality.nodata_fraction


@pytest.mark.parametrize(
    ("factor", "lift", "words", "abstained"),
    [
        (1.0, 0.1, "was probably not removed", False),
        (1.0, -0.1, "was probably removed twice", False),
        (1e4, 0.0, "far too high", True),
        (1e-4, 0.0, "far too low", True),
        (0.0, 0.1, "has a single value everywhere", True),
    ],
)
def test_errors_of_scale(
    good: Raster, factor: float, lift: float, words: str, *, abstained: bool
) -> None:
    warnings, abstains = corrupted(good, good.data * np.float32(factor) + np.float32(lift))
    assert len(warnings) == 1
    assert words in warnings[0]
    assert abstains == abstained


def test_a_padded_patch_gets_a_warning_with_its_cost(good: Raster) -> None:
    small = replace(good, data=good.data[:, :60, :60], valid=good.valid[:60, :60])
    (warning,) = quality_of(small.padded(120)).warnings
    assert warning == (
        "The source is smaller than the model's window: 75% of the pixels are reflections of the "
        "others, so expect more mistakes (macro average precision fell by 0.07 in a test with "
        "similar patches)."
    )
    assert quality_of(good.window(0, 0, 118).padded(120)).warnings == ()


@pytest.mark.parametrize(("side", "cost"), [(13.0, 0.04), (20.0, 0.04), (30.0, 0.06), (60.0, 0.08)])
def test_coarse_pixels_get_a_warning_with_their_cost(
    good: Raster, side: float, cost: float
) -> None:
    coarse = replace(good, provenance=replace(good.provenance, native_pixel_m=side))
    (warning,) = quality_of(coarse).warnings
    assert warning == (
        f"The source has pixels of {side:g} m, not 10 m: smaller fields, roads and buildings do not "
        f"show, so expect more mistakes (macro average precision fell by {cost} in a test with "
        "similar patches)."
    )


def test_equal_bands_are_detected(good: Raster) -> None:
    pixels = np.array(good.data)
    pixels[2] = pixels[1]
    warnings, abstained = corrupted(good, pixels)
    assert ["B02 and B03 hold the same pixels" in warning for warning in warnings] == [True]
    assert not abstained
    warnings, abstained = corrupted(good, np.repeat(pixels[:1], 12, axis=0))
    assert "All bands hold the same pixels" in warnings[0]
    assert abstained


def test_saturated_pixels(good: Raster) -> None:
    pixels = np.array(good.data)
    pixels[7, :3] = 6.5535
    warnings, _ = corrupted(good, pixels)
    assert "saturated" in warnings[0]


@pytest.mark.parametrize(
    ("crs", "west", "north", "outside"),
    [
        ("EPSG:32633", 404_400, 5_342_400, False),  # Austria
        ("EPSG:32631", 484_000, 4_690_000, True),  # Catalonia
        ("EPSG:32736", 617_300, 9_625_100, True),  # Kenya
        ("EPSG:32635", 682_800, 6_971_220, False),  # Finland
    ],
)
def test_places_outside_the_ten_countries(
    good: Raster, crs: str, west: float, north: float, *, outside: bool
) -> None:
    quality = quality_of(replace(good, crs=crs, transform=grid(west, north)))
    assert any("outside the ten" in warning for warning in quality.warnings) == outside


@pytest.mark.data
@pytest.mark.slow
def test_false_alarms_on_bigearthnet(shared_data: Path) -> None:
    folders = sorted((shared_data / "bigearthnet" / "BigEarthNet-S2").glob("*/*"))
    alarms, dark = [], []
    for folder in folders:
        patch = sources.read(folder)
        if quality_of(patch).warnings:
            alarms.append(folder.name)
        dark.append(darkest(patch.data.reshape(12, -1)))
    assert len(folders) == 625
    assert alarms == ["S2A_MSIL2A_20171101T094131_N9999_R036_T35VNK_84_29"]
    # A percentile moves with its pixels: what adding or taking 0.1 would show.
    assert sum(looks_shifted(value + 0.1) for value in dark) == 625
    assert sum(value - 0.1 < NEGATIVE for value in dark) == 625


@pytest.mark.data
def test_the_level_1c_scene_with_its_offset_is_detected(shared_data: Path) -> None:
    folder = shared_data / "scenes" / "terramind"
    found = {}
    for level in ("S2L1C", "S2L2A"):
        for path in sorted((folder / level).glob("*.tif")):
            quality = quality_of(read_stack(path, path.name).centre_window(120))
            found[level, path.stem] = any("not removed" in w for w in quality.warnings)
    assert [key for key, value in found.items() if value] == [("S2L1C", "282D_485L_3_3")]


@pytest.mark.data
def test_boadella_is_only_flagged_for_its_place(shared_data: Path) -> None:
    for path in sorted((shared_data / "scenes" / "boadella").glob("*.tif")):
        quality = quality_of(read_stack(path, path.name).centre_window(120))
        assert ["outside the ten" in warning for warning in quality.warnings] == [True]
        assert not quality.abstained


def test_bands_are_twelve() -> None:
    assert read_sample("austria-fields").bands == BAND_NAMES
