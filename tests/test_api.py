"""Test the public interface: ``import landcover as lc`` in a script or a notebook."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

import landcover as lc
from landcover.core.errors import BadInput, UnknownName
from landcover.io.samples import read_sample
from landcover.report.classification import report_of
from tests.browser.steps import write_stack
from tests.live.archive import Archive
from tests.support.colour_pictures import encoded, pixels

PNG = b"\x89PNG\r\n\x1a\n"
README = Path(__file__).parents[1] / "README.md"


@pytest.fixture(scope="module")
def model() -> lc.Classifier:
    return lc.load_model("landcover-cnn", "cpu")


@pytest.fixture(scope="module")
def result(model: lc.Classifier) -> lc.Classification:
    return model.predict(lc.open("finland-lake"))


def test_importing_the_package_loads_no_large_library() -> None:
    heavy = "{'numpy', 'torch', 'pandas', 'rasterio', 'matplotlib'} & set(sys.modules)"
    code = f"import sys, landcover; assert 'open' in dir(landcover); print({heavy} or 'none')"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "none"


def test_the_package_has_its_public_names_only() -> None:
    assert all(hasattr(lc, name) for name in lc.__all__)
    with pytest.raises(AttributeError, match="no attribute 'opem'"):
        lc.opem  # type: ignore[attr-defined] # noqa: B018


def test_a_result_has_prediction_and_verdict(result: lc.Classification) -> None:
    assert result.verdict.decision == "answer"
    predicted = {item.label for item in result.prediction.predicted}
    frame = result.to_frame()
    assert set(frame.label[frame.predicted]) == predicted
    assert "Inland waters" in predicted
    assert frame.attrs == {"source": "finland-lake", "model": "landcover-cnn", "verdict": "answer"}
    record = report_of(result, "finland-lake").as_dict()
    assert frame.to_dict("records") == record["labels"]


def test_no_class_is_predicted_if_the_verdict_is_cannot_tell(model: lc.Classifier) -> None:
    patch = lc.open("finland-lake")
    valid = patch.valid.copy()
    valid[:100] = False
    with_gaps = replace(patch, valid=valid, data=np.where(valid, patch.data, 0))
    frame = model.predict(with_gaps).to_frame()
    assert frame.attrs["verdict"] == "cannot tell"
    assert not frame.predicted.any()
    assert frame.certainty.isna().all()


def test_an_attribution_map_has_a_sentence_and_a_plot(result: lc.Classification) -> None:
    attribution = result.explain("Inland waters")
    assert attribution.explanation.label == "Inland waters"
    assert "Inland waters" in attribution.reading
    figure = attribution.plot()
    assert isinstance(figure, Figure)
    assert figure.axes[0].get_title() == "finland-lake"
    assert figure._repr_png_().startswith(PNG)
    with pytest.raises(UnknownName, match="Inland waters"):
        result.explain("Inland water")


def test_values_are_shown_in_a_notebook(model: lc.Classifier, result: lc.Classification) -> None:
    page = result._repr_html_()
    assert "Inland waters" in page
    assert result.verdict.reason in page
    assert "landcover CNN" in model._repr_html_()
    for value in (result, result.raster, result.explain("Inland waters", "grad-cam")):
        picture = value._repr_png_()
        assert picture is not None
        assert picture.startswith(PNG)


def test_the_thresholds_serve_the_given_aim(model: lc.Classifier) -> None:
    raster = lc.open("finland-lake")
    assert model.predict(raster, "f2").prediction.aim == "f2"
    with pytest.raises(BadInput, match="aim"):
        model.predict(raster, "f3")


def test_a_model_is_loaded_from_its_folder_too(model: lc.Classifier) -> None:
    assert model.model.folder is not None
    assert lc.load_model(model.model.folder, "cpu").card == model.card
    with pytest.raises(UnknownName, match="landcover-cnn"):
        lc.load_model("landcover-cnm")


def test_a_colour_picture_is_classified_by_a_model_for_pictures(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(encoded(pixels()))
    picture = lc.open(path)
    assert np.array_equal(picture.image()[..., :3], np.asarray(Image.open(path).convert("RGB")))
    frame = lc.load_model("eurosat-rgb", "cpu").predict(picture).to_frame()
    assert len(frame) == 10
    with pytest.raises(BadInput, match="without a position on Earth"):
        lc.open(path, at=(42.4, 2.8))


def test_a_window_around_a_place_is_opened(result: lc.Classification) -> None:
    window = lc.open("finland-lake", at=result.raster.centre)
    assert (window.height, window.width) == (120, 120)
    with pytest.raises(BadInput, match="outside"):
        lc.open("finland-lake", at=(0.0, 0.0))


def test_a_request_that_cannot_be_fetched_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="not a date"):
        lc.fetch(42.4, 2.8, near="last summer")
    with pytest.raises(BadInput, match="no catalogue file"):
        lc.fetch(42.4, 2.8, near="2024-06-15", catalog=str(tmp_path / "none.parquet"))
    with pytest.raises(UnknownName, match="catalogue"):
        lc.fetch(42.4, 2.8, catalog="earth-serch")


@pytest.mark.data
@pytest.mark.usefixtures("live")
def test_the_pass_nearest_to_a_day_is_fetched(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANDCOVER_HOME", str(tmp_path))
    place = archive.places["four patches"]
    patch = lc.fetch(place.lat, place.lon, near="2022-07-14")
    assert patch.acquired is not None
    assert (patch.height, patch.width, len(patch.bands)) == (120, 120, 12)
    assert "Earth Search" in patch.provenance.source


def test_the_lines_of_python_in_the_readme_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    assert Path("why.png").read_bytes().startswith(PNG)


def test_an_area_is_mapped(tmp_path: Path) -> None:
    found = lc.map_area("finland-lake", tmp_path / "map.tif", step=40)
    assert {path.name for path in found.files} == {path.name for path in tmp_path.iterdir()}
    frame = found.to_frame().set_index("label")
    assert frame.loc["Inland waters", "windows"] > 0
    assert 0 < frame.loc["Water", "mapped_ha"] < 144
    assert "Water" in found._repr_html_()
    with pytest.raises(BadInput, match=r"\.tif"):
        lc.map_area("finland-lake", tmp_path / "map.png")


def test_the_memory_and_the_day_of_a_map_are_checked(tmp_path: Path) -> None:
    for memory in (math.nan, math.inf, -1.0):
        with pytest.raises(BadInput, match="give gigabytes, such as 4"):
            lc.map_area("finland-lake", tmp_path / "map.tif", memory=memory)
    write_stack(tmp_path / "a_2020-06-21.tif", read_sample("finland-lake"))
    write_stack(tmp_path / "b_2021-06-26.tif", read_sample("finland-lake"))
    near = datetime(2020, 6, 1, 12, tzinfo=UTC)
    found = lc.map_area(tmp_path, tmp_path / "map.tif", step=120, near=near)
    assert [scene.name for scene in found.results[0].facts.scenes] == ["a_2020-06-21.tif"]


def test_dates_are_named_by_paths_and_folders(tmp_path: Path) -> None:
    paths = [tmp_path / f"lake_{day}.tif" for day in ("2020-06-21", "2021-06-26")]
    for path in paths:
        write_stack(path, read_sample("finland-lake"))
    assert lc.change_between(*paths).before.source == "lake_2020-06-21.tif"
    for sources in (tmp_path, str(tmp_path), iter(paths)):
        days = [one.facts.day for one in lc.series_of(sources, step=120).moments]
        assert days == ["2020-06-21", "2021-06-26"]
    with pytest.raises(BadInput, match=r"None of the sources can be used \(lake\.tif: "):
        lc.series_of("lake.tif")
