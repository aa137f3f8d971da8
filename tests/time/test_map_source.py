"""Finished maps as sources of a change."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio

from landcover.areas.layout import COVER_EXTRA, NODATA, PRESENCE_EXTRA, UNIT
from landcover.core.errors import BadInput
from landcover.time.map_source import is_map, read_map
from tests.support.dated_maps import COVERS, DateMap, date_map

TAGS = {
    "LAYER": "cover",
    "MODEL": "landcover-area",
    "CARD": "abc",
    "LEVEL": "L2A",
    "SOURCE": "lake",
    "ACQUIRED": "2021-06-26T10:00:00+00:00",
    "BASELINE": "03.01",
}


def write(path: Path, found: DateMap, extra: tuple[str, ...] = COVER_EXTRA, **tags: str) -> Path:
    layers = np.concatenate([found.cover, found.cover[: len(extra) - len(COVER_EXTRA)]])
    names = (*COVERS, *extra)
    count, rows, columns = layers.shape
    with rasterio.open(
        path, "w", driver="GTiff", count=count, height=rows, width=columns, dtype="uint8",
        crs=found.grid.crs, transform=found.grid.affine, nodata=NODATA,
    ) as file:  # fmt: skip
        file.write(layers)
        for band, name in enumerate(names, start=1):
            file.set_band_description(band, name)
        file.scales = [1.0 if name in ("mask", "decision") else UNIT for name in names]
        file.update_tags(**{**TAGS, **tags})
    return path


def test_a_cover_is_read_with_what_it_says_of_itself(tmp_path: Path) -> None:
    made = date_map()
    path = write(tmp_path / "june-cover.tif", made)
    assert is_map(str(path))
    found = read_map(str(path))
    assert np.array_equal(found.cover, made.cover)
    assert found.covers == COVERS
    assert found.grid == made.grid
    assert found.facts.acquired == datetime(2021, 6, 26, 10, tzinfo=UTC)
    assert (found.facts.model, found.facts.card) == ("landcover-area", "abc")
    assert found.facts.baseline == "03.01"


@pytest.mark.parametrize(
    ("stated", "known"),
    [
        ("2021-06-26T10:00:00+00:00 / 2021-06-26T10:10:00+00:00", True),
        ("2021-06-26T10:00:00+00:00 / 2021-07-26T10:00:00+00:00", False),
        ("last summer", False),
    ],
)
def test_only_a_single_day_is_a_date(tmp_path: Path, stated: str, known: bool) -> None:  # noqa: FBT001
    found = read_map(str(write(tmp_path / "a-cover.tif", date_map(), ACQUIRED=stated)))
    assert (found.facts.acquired is not None) == known


def test_images_and_what_is_nothing_are_no_maps(tmp_path: Path) -> None:
    for name in ("finland-lake", "48.2,16.3", str(tmp_path), "missing.tif", "a\0.tif"):
        assert not is_map(name)
    (tmp_path / "damaged.tif").write_bytes(b"II*\0")
    assert not is_map(str(tmp_path / "damaged.tif"))


def test_the_presence_stands_for_the_cover_beside_it(tmp_path: Path) -> None:
    presence = write(tmp_path / "june.tif", date_map(seed=5), PRESENCE_EXTRA, LAYER="presence")
    with pytest.raises(BadInput, match=r"give the cover, a file that ends with -cover\.tif"):
        read_map(str(presence))
    made = date_map(seed=6)
    write(tmp_path / "june-cover.tif", made)
    assert np.array_equal(read_map(str(presence)).cover, made.cover)
