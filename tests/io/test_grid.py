"""Grids of stacks: pixels are measured on the ground, small files are padded, places may be unknown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.enums import Resampling
from rasterio.warp import reproject

from landcover.core.errors import BadInput, LandcoverError
from landcover.core.raster import PALE, Raster
from landcover.core.window import Cut
from landcover.io.samples import read_sample
from landcover.io.stack import read_stack
from tests.support.examples import examples
from tests.support.stack_files import from_origin, numbers, tif


def test_a_geographic_stack_is_resampled_to_utm_and_keeps_its_spectra() -> None:
    rng = np.random.default_rng(1)
    pixels = rng.integers(1, 4000, (12, 200, 200), dtype=np.uint16)
    where = {"crs": "EPSG:4326", "transform": from_origin(15.1, 48.2, 0.000134, 0.00009)}
    patch = read_stack(tif(pixels, **where), "a.tif")
    assert patch.crs == "EPSG:32633"
    assert patch.transform[0] == -patch.transform[4] == 10.0
    assert patch.transform[2] % 10 == patch.transform[5] % 10 == 0
    assert "EPSG:4326" in patch.provenance.resampling
    assert "nearest neighbour" in patch.provenance.resampling
    assert patch.nodata_fraction < 0.05
    spectra = {tuple(s) for s in pixels.reshape(12, -1).T.tolist()}
    found = np.round(patch.data[:, patch.valid] * 1e4).astype(int).T.tolist()
    assert {tuple(s) for s in found} <= spectra
    south, west = 48.2 - 200 * 0.00009, 15.1
    assert patch.centre == pytest.approx(((48.2 + south) / 2, west + 0.0134), abs=2e-4)


@pytest.mark.parametrize(
    ("where", "resampled"),
    [
        ({"crs": "EPSG:3035", "transform": from_origin(4_500_000, 2_800_000, 10, 10)}, False),
        ({"crs": "EPSG:32633", "transform": from_origin(4e5, 5.3e6, 20, 20)}, True),
        ({"crs": "EPSG:3857", "transform": from_origin(1_680_000, 6_130_000, 15, 15)}, True),
        ({"crs": "EPSG:3857", "transform": from_origin(1_680_000, 6_130_000, 10, 10)}, True),
        ({"crs": "EPSG:3857", "transform": from_origin(1_680_000, 0, 10, 10)}, False),
        ({"crs": "EPSG:2263", "transform": from_origin(980_000, 200_000, 32.8083, 32.8083)}, True),
        ({"crs": "ESRI:54008", "transform": from_origin(1_100_000, 5_300_000, 10, 10)}, True),
        ({"crs": "EPSG:32633", "transform": rasterio.Affine(0, 10, 4e5, 10, 0, 5.3e6)}, True),
        ({"crs": "EPSG:32733", "transform": from_origin(4e5, 5.3e6, 12, 12)}, True),
        ({"crs": "EPSG:32633", "transform": rasterio.Affine(9.8, 2, 4e5, 2, -9.8, 5.3e6)}, True),
    ],
)
def test_other_grids(where: dict[str, Any], *, resampled: bool) -> None:
    patch = read_stack(tif(numbers(side=160), **where), "a.tif")
    assert (patch.provenance.resampling != "none") == resampled
    assert patch.transform[0] == -patch.transform[4] == 10.0
    assert patch.crs.startswith("EPSG:327" if where["crs"] == "EPSG:32733" else "EPSG:3")


def written(patch: Raster, height: int, width: int, crs: str, transform: rasterio.Affine) -> bytes:
    """A stack of a patch's pixels on another grid, resampled by nearest neighbour."""
    out = np.zeros((len(patch.bands), height, width), dtype=np.uint16)
    own, affine = patch.georeference
    reproject(
        np.round(patch.data * 1e4).astype(np.uint16),
        out,
        src_transform=rasterio.Affine(*affine),
        src_crs=own,
        dst_transform=transform,
        dst_crs=crs,
        resampling=Resampling.nearest,
    )
    return tif(out, crs=crs, transform=transform)


def test_web_mercators_metres_are_measured_on_the_ground() -> None:
    patch = read_sample("austria-fields")
    (south, west), (north, east) = patch.outline[3], patch.outline[1]
    xs, ys = rasterio.warp.transform("EPSG:4326", "EPSG:3857", [west, east], [south, north])
    data = written(patch, 178, 178, "EPSG:3857", from_origin(min(xs), max(ys), 10, 10))
    found = read_stack(data, "mercator.tif")
    assert found.crs == "EPSG:32633"
    assert "pixels of 6.7 × 6.7 m" in found.provenance.resampling
    assert (found.height, found.width) == pytest.approx((120, 120), abs=4)
    assert found.provenance.native_pixel_m is None


@pytest.mark.parametrize("side", [20, 60])
def test_coarse_grids_are_resampled_and_the_missing_detail_is_noted(side: int) -> None:
    pixels = numbers(side=120 * 10 // side + 6)
    patch = read_stack(tif(pixels, transform=from_origin(4e5, 5.3e6, side, side)), "a.tif")
    assert patch.pixel_m == 10
    assert (np.ptp(patch.data[:, : side // 10, : side // 10], axis=(1, 2)) == 0).all()
    assert patch.provenance.native_pixel_m == side
    assert patch.provenance.notes == (
        f"the source has pixels of {side} m: detail finer than {side} m is missing",
    )
    cut = read_stack(
        tif(pixels, transform=from_origin(4e5, 5.3e6, side, side)), "a.tif", Cut(size=120)
    )
    assert (cut.height, cut.width) == (120, 120)


def test_a_map_click_patch_of_degrees_is_padded_to_a_window() -> None:
    patch = read_sample("austria-fields")
    latitude, longitude = patch.centre
    step = 8.983e-5
    corner = from_origin(longitude - 60 * step, latitude + 60 * step, step, step)
    data = written(patch, 120, 120, "EPSG:4326", corner)
    for found in (read_stack(data, "click.tif"), read_stack(data, "click.tif", Cut(size=120))):
        assert min(found.height, found.width) == 120
        assert found.provenance.padded_fraction == pytest.approx(0.34, abs=0.02)
        assert found.centre == pytest.approx((latitude, longitude), abs=4e-4)
    row, col = (round(x) for x in found.pixel_of(latitude, longitude))
    middle = found.data[:, row - 20 : row + 20, col - 20 : col + 20]
    assert np.isin(np.round(middle * 1e4), np.round(patch.data * 1e4)).all()


def test_padding_reflects_the_pixels_and_keeps_their_position() -> None:
    pixels = numbers(side=60)
    patch = read_stack(tif(pixels), "a.tif")
    assert (patch.height, patch.width) == (120, 120)
    assert patch.provenance.padded_fraction == 0.75
    np.testing.assert_allclose(patch.data[:, 30:90, 30:90], pixels / 1e4, rtol=1e-6)
    np.testing.assert_array_equal(patch.data[:, 29, 30:90], patch.data[:, 30, 30:90])
    assert patch.transform == (10.0, 0.0, 400_000.0 - 300, 0.0, -10.0, 5_300_000.0 + 300)
    assert patch.valid.all()
    assert patch.provenance.as_dict()["padded_fraction"] == 0.75
    assert patch.measured is not None
    assert patch.measured[30:90, 30:90].all()
    assert patch.measured.sum() == 3600
    opacity = patch.image()[..., 3]
    assert (opacity[patch.measured] == 255).all()
    assert (opacity[~patch.measured] == PALE).all()


def test_a_window_of_a_padded_file_states_its_own_share() -> None:
    patch = read_stack(tif(numbers(side=130)[:, :60]), "a.tif")
    assert patch.provenance.padded_fraction == 0.5
    assert patch.window(30, 0, 60).provenance.padded_fraction == 0
    assert patch.window(0, 0, 60).provenance.padded_fraction == 0.5


@pytest.mark.parametrize("shape", [(39, 200), (200, 39)])
def test_too_small_files_are_refused_whole_and_in_windows(shape: tuple[int, int]) -> None:
    data = tif(numbers(side=200)[:, : shape[0], : shape[1]])
    for cut in (None, Cut(size=120)):
        with pytest.raises(BadInput, match=f"covers {shape[1]} × {shape[0]} pixels of 10 m: give"):
            read_stack(data, "a.tif", cut)


@pytest.mark.parametrize("cut", [None, Cut(size=120), Cut(size=120, corner=(6, 12))])
@pytest.mark.parametrize("where", [{"crs": None}, {"transform": rasterio.Affine.identity()}])
def test_a_stack_without_a_position_is_read_without_one(
    where: dict[str, Any], cut: Cut | None
) -> None:
    patch = read_stack(tif(numbers(side=140), **where), "a.tif", cut)
    assert (patch.crs, patch.transform, patch.pixel_m) == (None, None, 10)
    assert patch.height == (140 if cut is None else 120)
    assert patch.provenance.notes == ("the place is unknown; pixels were taken to measure 10 m",)
    small = read_stack(tif(numbers(side=64), **where), "a.tif")
    assert (small.height, small.crs, small.provenance.padded_fraction) == (120, None, 0.7156)
    with pytest.raises(BadInput, match=r"'a.tif' has no position on Earth .* instead of a place"):
        read_stack(tif(numbers(side=140), **where), "a.tif", Cut(size=120, place=(48.0, 15.0)))


def test_a_place_outside_a_small_file_is_refused() -> None:
    data = tif(numbers(side=60))
    latitude, longitude = read_stack(data, "a.tif").centre
    assert read_stack(data, "a.tif", Cut(size=120, place=(latitude, longitude))).height == 120
    with pytest.raises(BadInput, match="lies outside this picture"):
        read_stack(data, "a.tif", Cut(size=120, place=(latitude + 0.004, longitude)))


def test_the_reflection_of_a_rotated_grid_leaves_no_gaps_at_its_edges() -> None:
    where = rasterio.Affine(7, 2, 4e5, 2, -7, 5.3e6)
    patch = read_stack(tif(numbers(side=90), transform=where), "a.tif")
    assert patch.valid.all()
    assert patch.provenance.padded_fraction == pytest.approx(
        1 - 90**2 * 53 / 120**2 / 100, abs=0.02
    )
    spectra = {tuple(s) for s in numbers(side=90).reshape(12, -1).T.tolist()}
    found = np.round(patch.data.reshape(12, -1) * 1e4).astype(int).T.tolist()
    assert {tuple(s) for s in found} == spectra


def test_a_small_stack_across_the_date_line_is_padded() -> None:
    where = from_origin(179.996, 48.2, 1e-4, 1e-4)
    patch = read_stack(tif(numbers(side=90), crs="EPSG:4326", transform=where), "a.tif")
    assert patch.provenance.padded_fraction == pytest.approx(0.54, abs=0.03)
    assert abs(patch.centre[1]) > 179.9


@pytest.mark.parametrize("west", [178.0, 190.0, 352.0])
def test_longitudes_beyond_180_degrees_are_wrapped(west: float) -> None:
    data = tif(numbers(side=200), crs="EPSG:4326", transform=from_origin(west, 48.2, 1e-4, 1e-4))
    patch = read_stack(data, "a.tif")
    assert patch.centre[1] == pytest.approx((west + 0.01 + 180) % 360 - 180, abs=1e-3)


NOWHERE = {
    "nowhere": ({"crs": "EPSG:4326", "transform": from_origin(10, 89.9, 1e-4, 1e-4)}, "nowhere on Earth"),
    "too far east": ({"crs": "EPSG:4326", "transform": from_origin(400, 48, 1e-4, 1e-4)}, "nowhere on Earth"),
    "90 m": ({"transform": from_origin(4e5, 5.3e6, 90, 90)}, r"pixels of about 90 × 90 m on the ground, not 3 to 65 m"),
    "1 m": ({"transform": from_origin(4e5, 5.3e6, 1, 1)}, r"pixels of about 1 × 1 m .*gdalwarp -t_srs EPSG:32633 -tr 10 10"),
    "degrees": ({"crs": "EPSG:4326", "transform": from_origin(0, 60, 0.5, 0.5)}, "on the ground, not 3 to 65 m"),
}  # fmt: skip


@pytest.mark.parametrize("case", NOWHERE)
def test_grids_that_are_not_of_earth_or_of_sentinel_2_are_refused(case: str) -> None:
    where, words = NOWHERE[case]
    with pytest.raises(BadInput, match=words):
        read_stack(tif(numbers(side=160), **where), "a.tif")


@settings(max_examples=examples(60), deadline=2000)
@given(
    crs=st.sampled_from(["EPSG:32633", "EPSG:3857", "EPSG:4326", "EPSG:3035", "EPSG:2263", None]),
    pixel=st.tuples(st.floats(1e-6, 100), st.floats(1e-6, 100)),
    skew=st.sampled_from([0.0, 1e-5, 3.0]),
    corner=st.tuples(st.floats(-2e7, 2e7), st.floats(-2e7, 2e7)),
    degrees=st.booleans(),
)
def test_any_grid_gives_10_m_pixels_or_a_sentence(
    crs: str | None,
    pixel: tuple[float, float],
    skew: float,
    corner: tuple[float, float],
    *,
    degrees: bool,
) -> None:
    scale = 1e-5 if degrees else 1.0
    transform = rasterio.Affine(
        pixel[0] * scale, skew * scale, corner[0] * scale, skew * scale, -pixel[1] * scale,
        corner[1] * scale,
    )  # fmt: skip
    try:
        patch: Raster | None = read_stack(
            tif(numbers(3, 50), bands=("B02", "B03", "B04"), crs=crs, transform=transform), "a.tif"
        )
    except LandcoverError:
        patch = None
    assert patch is None or (patch.pixel_m == pytest.approx(10) and min(patch.valid.shape) >= 120)


@pytest.mark.data
def test_eurosats_stacks_of_640_m_are_padded(shared_data: Path) -> None:
    path = shared_data / "eurosat" / "ms-samples" / "Forest" / "Forest_1.tif"
    assert read_stack(path, path.name).provenance.padded_fraction == pytest.approx(0.7156)
