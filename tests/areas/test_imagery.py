"""Imagery of an area: samples, rasters in memory and files, opened from a spec that can be pickled."""

from __future__ import annotations

import pickle
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from landcover.areas.imagery import Dates, FileSpec, ImagerySpec, RasterSpec, imagery_of
from landcover.core.errors import BadInput
from landcover.core.window import Window
from landcover.io import samples, sources
from tests.support.stack_files import numbers, tif


def stack(folder: Path) -> Path:
    path = folder / "S2A_20200123T105321_stack.tif"
    if not path.exists():  # its time is a part of a spec's identity
        path.write_bytes(tif(numbers(side=200)))
    return path


def specs(folder: Path) -> list[ImagerySpec]:
    file = stack(folder)
    return [
        imagery_of("austria-fields"),
        RasterSpec(sources.read(file)),
        imagery_of(file),
        FileSpec.of_upload((("my stack.tif", file),)),
    ]


@pytest.mark.parametrize("number", range(4))
def test_a_pickled_spec_opens_the_same_imagery(tmp_path: Path, number: int) -> None:
    spec = specs(tmp_path)[number]
    copy = pickle.loads(pickle.dumps(spec))
    assert copy.identity == spec.identity == specs(tmp_path)[number].identity
    one, other = spec.open(), copy.open()
    assert one.extent == other.extent
    assert (one.bands, one.level, one.acquired) == (other.bands, other.level, other.acquired)
    assert one.provenance == other.provenance
    whole = one.read(one.extent)
    np.testing.assert_array_equal(whole.data, other.read(other.extent).data)
    assert whole.valid.any()
    assert whole.acquired == one.acquired


@pytest.mark.parametrize("number", range(4))
def test_a_window_may_reach_beyond(tmp_path: Path, number: int) -> None:
    imagery = specs(tmp_path)[number].open()
    whole = imagery.read(imagery.extent)
    found = imagery.read(imagery.extent.part(-30, 50, 130, 400))
    np.testing.assert_array_equal(found.data[:, 30:, :50], whole.data[:, :100, 50:100])
    assert not found.valid[:30].any()
    assert not found.valid[:, 350:].any()
    assert not found.data[:, ~found.valid].any()
    away = imagery.read(imagery.extent.part(9_000, 0, 24, 48))
    assert not away.valid.any()
    assert away.data.shape == (12, 24, 48)


@pytest.mark.parametrize("number", range(4))
def test_a_window_of_another_zone_gets_the_nearest_pixels(tmp_path: Path, number: int) -> None:
    imagery = specs(tmp_path)[number].open()
    latitude, longitude = imagery.extent.centre
    zone = 31 if imagery.extent.crs == "EPSG:32632" else 32
    window = Window.around(latitude, longitude, pixels=60, crs=f"EPSG:326{zone}")
    found = imagery.read(window)
    assert found.valid.all()
    assert found.crs == window.crs
    values = set(np.unique(imagery.read(imagery.extent).data[3]))
    assert set(np.unique(found.data[3])) <= values


def test_reflections_around_a_small_upload_are_not_mapped(tmp_path: Path) -> None:
    path = tmp_path / "small.tif"
    path.write_bytes(tif(numbers(side=80)))
    raster = sources.read(path)
    assert raster.height == 120
    imagery = RasterSpec(raster).open()
    assert imagery.read(imagery.extent).valid.sum() == 80 * 80


def test_the_identity_follows_the_pixels(tmp_path: Path) -> None:
    raster = samples.read_sample("austria-fields")
    data = raster.data.copy()
    data[3, 5, 5] += 0.001
    assert RasterSpec(raster).identity != RasterSpec(replace(raster, data=data)).identity
    path = stack(tmp_path)
    before = imagery_of(path).identity
    path.write_bytes(tif(numbers(side=200) + 1, tags={"a": "b"}))
    assert imagery_of(path).identity != before


def test_what_cannot_be_mapped_is_refused(tmp_path: Path) -> None:
    raster = samples.read_sample("austria-fields")
    with pytest.raises(BadInput, match="no position"):
        RasterSpec(replace(raster, crs=None, transform=None))
    facts = replace(raster.provenance, level="RGB")
    with pytest.raises(BadInput, match="is a colour picture, of which no map"):
        RasterSpec(
            replace(
                raster,
                data=np.clip(raster.data[1:4], 0, 1),
                bands=("R", "G", "B"),
                provenance=facts,
            )
        )
    with pytest.raises(BadInput, match="There is no file, folder or sample"):
        imagery_of("nowhere.tif")
    with pytest.raises(BadInput, match="has changed or is gone"):
        FileSpec(source=str(tmp_path / "gone.tif"), stamp="0").open()


def test_a_single_image_of_another_day_is_refused(tmp_path: Path) -> None:
    """As one of many would be; a folder often holds one scene only."""
    dated, undated = tmp_path / "in/lake_2020-06-21.tif", tmp_path / "lake.tif"
    dated.parent.mkdir()
    for path in (dated, undated):
        path.write_bytes(tif(numbers(side=130)))
    june, later = Dates(months=frozenset({6})), Dates(start=date(2021, 1, 1))
    for source in (dated, dated.parent):
        assert imagery_of(source, dates=june).open().acquired is not None
        with pytest.raises(BadInput, match=r"is of 2020-06-21, which is none of these days"):
            imagery_of(source, dates=later)
    assert imagery_of(undated, dates=Dates(near=date(2021, 1, 1)))
    with pytest.raises(BadInput, match=r"'lake.tif' states no date"):
        imagery_of(undated, dates=june)
    with pytest.raises(BadInput, match="'finland-lake' is of"):
        imagery_of("finland-lake", dates=later)
