"""Sources with a few bands on the command line, and the commands that choose and measure models."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from rasterio import Affine

import landcover as lc
from landcover.cli.main import main
from landcover.core.bands import BAND_NAMES
from landcover.io.samples import read_sample
from landcover.models import band_choice, band_mixture
from landcover.models.model import save_model, weights_bytes
from tests.support import tiny
from tests.support.bigearthnet_tree import PatchSpec, v2_id, write_v2
from tests.support.stack_files import tif

DEVICE = ("--device", "cpu")
THREE = ("B02", "B03", "B04")
SIX = (*THREE, "B8A", "B11", "B12")
TEN = tuple(name for name in BAND_NAMES if name not in ("B01", "B09"))
MORE = ((*THREE, "B08"), SIX, TEN)


def write_sample(folder: Path, bands: tuple[str, ...]) -> Path:
    """Some bands of a sample, as a stack with named bands."""
    patch = read_sample("austria-fields")
    pixels = np.stack([np.round(1e4 * patch.band(name)) for name in bands]).astype(np.uint16)
    crs, transform = patch.georeference
    path = folder / f"{len(bands)}.tif"
    path.write_bytes(tif(pixels, bands=bands, crs=crs, transform=Affine(*transform)))
    return path


@pytest.mark.parametrize("bands", [THREE, *(pytest.param(b, marks=pytest.mark.slow) for b in MORE)])
def test_a_stack_of_a_few_bands_gets_the_default_model_with_what_it_gives_up(
    bands: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_sample(tmp_path, bands)
    assert main(["classify", str(path), "--json", *DEVICE]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["model"] == f"landcover-mosaic@{'+'.join(bands)}"
    origin = record["provenance"]
    assert set(origin["estimated_bands"]) == set(BAND_NAMES) - set(bands)
    assert "average precision by " in origin["gives_up"]
    assert "Arable land" in {row["label"] for row in record["labels"] if row["predicted"]}
    assert main(["classify", str(path), *DEVICE]) == 0
    out = capsys.readouterr().out
    assert f"model landcover-mosaic@{'+'.join(bands)}, card" in out
    assert out.count(origin["gives_up"]) == 1


def test_a_named_model_estimates_the_bands_that_it_lacks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_sample(tmp_path, THREE)
    command = ["classify", str(path), "--json", *DEVICE, "--model"]
    assert main([*command, "landcover-cnn"]) == 0
    assert json.loads(capsys.readouterr().out)["model"] == "landcover-cnn@B02+B03+B04"
    own = tiny.tiny_cnn()
    weights = weights_bytes(own.net)
    card = own.card.with_fields(weights_sha256=hashlib.sha256(weights).hexdigest())
    save_model(card, weights, tmp_path / "own")
    assert main([*command, str(tmp_path / "own")]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["model"] == own.card.name
    assert "gives_up" not in record["provenance"]


def test_a_stack_of_a_few_bands_is_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = write_sample(tmp_path, THREE), tmp_path / "why.png"
    command = ["explain", str(path), "--label", "Arable land", "--model", "landcover-cnn"]
    assert main([*command, "--out", str(out), "--json", *DEVICE]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["explanation"]["model"] == "landcover-cnn@B02+B03+B04"
    assert out.stat().st_size > 10_000
    assert "faithfulness" not in record["explanation"] or not record["explanation"]["faithfulness"]


def test_python_gives_the_same_result(tmp_path: Path) -> None:
    found = lc.load_model("landcover-cnn", "cpu").predict(lc.open(write_sample(tmp_path, SIX)))
    assert found.prediction.model == f"landcover-cnn@{'+'.join(SIX)}"
    assert set(found.estimated) == set(BAND_NAMES) - set(SIX)
    assert found.gives_up.startswith("6 of 12 bands are estimated")


def test_the_model_for_some_bands_is_named_with_its_cost(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["bands", "best", "b02, B03,B04"]) == 0
    name, sentence = capsys.readouterr().out.splitlines()
    assert name == "landcover-mosaic@B02+B03+B04"
    assert sentence.startswith("  9 of 12 bands are estimated, which changes average precision by ")
    assert main(["bands", "best", ",".join(BAND_NAMES), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "landcover-mosaic"
    for text in ("B02,B03,B99", "", "B02,B03"):
        assert main(["bands", "best", text]) == 2
        assert capsys.readouterr().err.startswith("error: ")


@pytest.mark.slow
def test_the_distribution_is_fitted_and_models_are_measured_with_subsets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    specs = [
        PatchSpec(v2_id(k, row=20 * s), ("Pastures",) if k % 2 else ("Mixed forest",), split)
        for s, split in enumerate(("train", "test"))
        for k in range(4)
    ]
    root = str(write_v2(tmp_path / "bigearthnet", specs))
    before = [path.read_bytes() for path in (band_mixture.FILE, band_choice.FILE)]
    assert main(["bands", "fit", root, "--dataset", "bigearthnet", "--components", "2"]) == 0
    fitted = json.loads(capsys.readouterr().out)
    assert (fitted["n"], fitted["splits"]) == (4, ["train"])
    assert main(["bands", "measure", root, "--dataset", "bigearthnet", "--json", *DEVICE]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["n"] == 4
    assert [row["subset"] for row in found["rows"]][:2] == ["twelve", "ten, without 60 m"]
    assert all(row["macro_loss"]["value"] == 0 for row in found["rows"][:1])
    assert [path.read_bytes() for path in (band_mixture.FILE, band_choice.FILE)] == before
