"""Uploads of several files: each image is one result, and what failed is said."""

from __future__ import annotations

import io
import os
import signal
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from landcover.io import sources
from landcover.io.gate import pool
from landcover.io.samples import read_sample, sample_files
from pages.parts.classify import map as chart
from pages.parts.classify import uploads
from pages.parts.shared import choice, holdings
from tests.browser.steps import write_stack
from tests.pages.conftest import MapStandIn
from tests.support.colour_pictures import encoded, pixels
from tests.support.held import hold
from tests.support.safe_tree import Safe, write_safe

ROOT = Path(__file__).parents[2]
SHOWN = "classify_upload_shown"


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setattr(chart, "st_folium", MapStandIn())
    monkeypatch.chdir(ROOT)
    return AppTest.from_file(str(ROOT / "app.py"), default_timeout=180).run()


def heading(page: AppTest) -> str:
    return str(page.header[0].value.replace("\\", ""))


def upload(page: AppTest, *files: tuple[str, bytes]) -> AppTest:
    page.file_uploader[0].set_value(
        [(name, data, "application/octet-stream") for name, data in files]
    )
    page.run()
    assert not page.exception
    return page


def stack(tmp_path: Path, sample: str, name: str) -> tuple[str, bytes]:
    return name, write_stack(tmp_path / name, read_sample(sample)).read_bytes()


def test_several_files_are_several_results(page: AppTest, tmp_path: Path) -> None:
    upload(
        page,
        stack(tmp_path, "austria-fields", "a_2017-06-13.tif"),
        ("broken.tif", b"II*\0nonsense"),
        ("picture.png", encoded(pixels())),
        stack(tmp_path, "finland-lake", "b_2017-09-24.tif"),
        *((f"x_{name[-7:]}", data) for name, data in sample_files("ireland-fields")),
        ("x_labels_metadata.json", b'{"labels": ["Pastures"]}'),
    )
    box = page.selectbox(key=SHOWN)
    assert box.label == "Show one of 4 uploaded images"
    assert box.options == ["x", "a_2017-06-13.tif", "b_2017-09-24.tif", "picture.png"]
    (error,) = page.error
    assert error.value.replace("\\", "") == (
        "1 of 5 could not be used:\n\n- 'broken.tif' is damaged or truncated: copy or export it again."
    )
    keys = {entry.name: entry.key for entry in page.session_state["classify_upload_entries"][1]}
    for name in ("picture.png", "b_2017-09-24.tif", "a_2017-06-13.tif"):
        page.selectbox(key=SHOWN).set_value(keys[name]).run()
        assert not page.exception
        assert heading(page) == name
        assert page.selectbox(key=SHOWN).value == keys[name]
        # A verdict has an icon; the noise in the picture is unlike the model's training data.
        assert len([error for error in page.error if not error.icon]) == 1


def test_a_zip_of_many_and_a_zipped_product(page: AppTest, tmp_path: Path) -> None:
    folder = write_safe(tmp_path / "safe", Safe(offsets=["0"] * 13))
    product, many = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(product, "w") as archive:
        for path in folder.rglob("*.*"):
            archive.write(path, path.relative_to(folder.parent))
    with zipfile.ZipFile(many, "w") as archive:
        for sample in ("austria-fields", "finland-lake"):
            archive.writestr(*stack(tmp_path, sample, f"{sample}_2017-06-13.tif"))
    upload(page, ("many.zip", many.getvalue()), ("S2A.zip", product.getvalue()))
    assert page.selectbox(key=SHOWN).options == [
        "S2A.zip",
        "many.zip/austria-fields_2017-06-13.tif",
        "many.zip/finland-lake_2017-06-13.tif",
    ]
    assert heading(page) == folder.name
    assert not page.error


def test_one_file_has_no_list_and_its_error_one_sentence(page: AppTest, tmp_path: Path) -> None:
    upload(page, stack(tmp_path, "austria-fields", "a_2017-06-13.tif"))
    assert heading(page) == "a_2017-06-13.tif"
    assert SHOWN not in {box.key for box in page.selectbox}
    upload(page, ("broken.tif", b"II*\0nonsense"))
    assert [item.value.replace("\\", "") for item in page.error] == [
        "'broken.tif' is damaged or truncated: copy or export it again."
    ]
    assert heading(page) == "a_2017-06-13.tif"


def test_files_of_one_name_are_told_apart(page: AppTest, tmp_path: Path) -> None:
    upload(
        page,
        stack(tmp_path, "austria-fields", "a_2017-06-13.tif"),
        stack(tmp_path, "finland-lake", "a_2017-06-13.tif"),
    )
    assert page.selectbox(key=SHOWN).options == ["a_2017-06-13 (2).tif", "a_2017-06-13.tif"]


def test_a_stack_without_a_place_is_shown(page: AppTest) -> None:
    raster = replace(read_sample("austria-fields"), crs=None, transform=None)
    hold(page.session_state, uploads={"upload:x": raster})
    page.session_state["classify_trail"] = [choice.Chosen(upload="upload:x")]
    page.run()
    assert not page.exception
    assert not page.error
    assert any(item.value.startswith("place unknown · ") for item in page.caption)
    page.switch_page(str(ROOT / "pages/explain.py")).run()
    assert not page.exception
    assert any(item.value.startswith("place unknown · ") for item in page.caption)


def test_reading_that_takes_long_shows_its_progress_and_can_be_stopped(
    page: AppTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "QUICK_S", 0.0)
    pool.stop()
    sources.level_of(__file__)  # starts a worker
    os.kill(pool.idle()[0], signal.SIGSTOP)
    files = [stack(tmp_path, "austria-fields", f"{n}_2017-06-13.tif") for n in range(20)]
    upload(page, *files)
    job = page.session_state[uploads.JOB]
    page.button(key="classify_upload_cancel").click().run()
    until = time.monotonic() + 60
    while not job.done and time.monotonic() < until:
        time.sleep(0.05)
    page.run()
    assert job.cancelled
    assert "Reading was stopped" in [info.value.rstrip(".") for info in page.info]
    monkeypatch.setattr(uploads, "QUICK_S", 60.0)
    page.button(key="classify_upload_again").click().run()
    assert page.selectbox(key=SHOWN).label == "Show one of 20 uploaded images"


def test_a_file_that_is_added_later_joins_those_before_it(page: AppTest, tmp_path: Path) -> None:
    first = stack(tmp_path, "austria-fields", "a_2017-06-13.tif")
    upload(page, first)
    upload(page, first, stack(tmp_path, "finland-lake", "b_2017-09-24.tif"))
    assert page.selectbox(key=SHOWN).options == ["a_2017-06-13.tif", "b_2017-09-24.tif"]
    held = page.session_state[holdings.KEY]
    assert sorted(file.name for file in held.files.values()) == [first[0], "b_2017-09-24.tif"]
    upload(page, first)
    assert [file.name for file in held.files.values()] == [first[0]]


def test_a_session_that_is_gone_leaves_no_file(page: AppTest, tmp_path: Path) -> None:
    upload(page, stack(tmp_path, "austria-fields", "a_2017-06-13.tif"))
    held = page.session_state[holdings.KEY]
    (file,) = held.files.values()
    assert file.path.exists()
    held.clear()
    assert not file.path.exists()
    assert not held.size
