"""The files of a change: what other programs read in them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
import rasterio

from landcover.core.errors import BadInput
from landcover.time import change_files as of
from landcover.time.change import CANT_TELL, Change, compare
from tests.support.dated_maps import COVERS, date_map, ground, reference


@pytest.fixture(scope="module")
def change() -> Change:
    after = ground()
    after[:12] = COVERS.index("Water")
    shares = 0.8 * np.eye(len(COVERS)) + 0.2 / len(COVERS)
    return compare(
        date_map("2020-06-21", seed=1),
        date_map("2021-01-26", truth=after, seed=2),
        reference=reference(shares),
    )


def test_the_raster_has_names_and_colours(change: Change, tmp_path: Path) -> None:
    written = of.write_change(change, tmp_path / "change.tif")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(p.name for p in written.all)
    sidecar = (tmp_path / "change.tif.aux.xml").read_text()
    assert "Forest → Water" in sidecar
    assert sidecar.index("outside the area") < sidecar.index("can't tell")
    with rasterio.open(written.change) as file:
        assert (file.read(1) == change.layer).all()
        assert file.nodata == 0
        assert file.crs == change.grid.crs
        colours = file.colormap(1)
        tags = file.tags()
        names = [tags[f"CLASS_{n}"] for n in range(1, len(of.names_of(COVERS)))]
    water = [n for n, name in enumerate(names, start=1) if name.endswith("→ Water")]
    assert len({colours[number] for number in water}) == 1
    assert names[CANT_TELL - 1] == "can't tell"
    assert tags["LAYER"] == "change"
    assert tags["ACQUIRED_BEFORE"].startswith("2020-06-21")
    assert "days of the year apart" in tags["WARNING_1"]
    with rasterio.open(written.probability) as file:
        assert file.scales == (0.004,)
        assert (file.read(1) == change.chance).all()


def test_the_table_has_a_row_a_group_with_intervals(change: Change) -> None:
    rows = list(csv.DictReader(io.StringIO(of.as_csv(change).decode())))
    assert [row["cover"] for row in rows] == list(COVERS)
    for row in rows:
        for name in ("before", "after", "net", "gain", "loss"):
            low, value, high = (float(row[f"{name}{end}_ha"]) for end in ("_low", "", "_high"))
            assert low <= value <= high
        assert float(row["gain_ha"]) - float(row["loss_ha"]) == pytest.approx(
            float(row["net_ha"]), abs=0.02
        )
        assert row["from"], row["to"] == ("2020-06-21", "2021-01-26")


def test_the_record_and_the_text_say_how_much_is_error(change: Change) -> None:
    record = json.loads(json.dumps(of.record_of(change), allow_nan=False))
    assert record["share_with_different_answers"] > record["share_changed"]["value"]
    text = of.as_text(change)
    assert "errors of one of them" in text
    assert "If the errors of the two maps were independent" in text
    assert "days of the year apart" in text
    assert all(name in text for name in COVERS)


@pytest.mark.parametrize("name", ["change.png", "change", ".tif"])
def test_another_ending_is_refused(change: Change, tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match=r"change\.tif"):
        of.write_change(change, tmp_path / name)
    assert not list(tmp_path.iterdir())
