"""The Area page without a browser: choices, states, the map, and what it says."""

from __future__ import annotations

import json
import re
import tempfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from threading import Event
from typing import Any
from unittest.mock import patch

import folium
import numpy as np
import pytest
import streamlit
from streamlit.testing.v1 import AppTest

from landcover.adapt import adaptation
from landcover.adapt.corrections import of_answer
from landcover.areas import job
from landcover.areas.block import BlockMap
from landcover.areas.imagery import FileSpec
from landcover.core import limits
from landcover.core.progress import Report
from landcover.core.raster import Raster
from landcover.io.samples import NAMES, read_sample
from landcover.jobs import queue
from landcover.models import registry, store
from landcover.models.registry import Registry
from pages.parts.area import mapping, page, state
from pages.parts.area import place as place_of_map
from pages.parts.area import request as requests
from pages.parts.classify import uploads
from pages.parts.shared import holdings
from tests.browser.steps import write_stack
from tests.live.granules import PLACES
from tests.pages.conftest import ROOT, MapStandIn

PATIENCE_S = 120
EXAMPLE = read_sample("finland-lake")


@pytest.fixture
def area_page(area_map: MapStandIn) -> Iterator[AppTest]:  # noqa: ARG001 - it must be in place first
    test = AppTest.from_file(str(ROOT / "pages" / "area.py"), default_timeout=60)
    test.session_state["app_page"] = "by itself"
    test.run()
    assert not test.exception
    yield test
    assert not test.exception


def texts(page: AppTest) -> str:
    kinds: tuple[Any, ...] = (page.info, page.success, page.warning, page.error, page.markdown)
    return "\n".join(str(item.value).replace("\\", "") for kind in kinds for item in kind)


def markup(page: AppTest) -> str:
    return "".join(str(one.value) for one in page.get("html"))


def labels(page: AppTest) -> list[str]:
    return [button.label for button in page.button]


def press(page: AppTest, label: str) -> AppTest:
    return next(button for button in page.button if button.label == label).click().run()


def made(page: AppTest) -> mapping.Mapping:
    found = page.session_state[mapping.KEY]
    assert isinstance(found, mapping.Mapping)
    return found


def finish(page: AppTest) -> AppTest:
    """Run the page until its job has ended; AppTest does not poll."""
    until = time.monotonic() + PATIENCE_S
    while "Cancel" in labels(page):
        assert time.monotonic() < until
        time.sleep(0.1)
        page.run()
    return page


def shown(area_map: MapStandIn) -> dict[str, Any]:
    """What the last call told the map's script."""
    whole = folium.Map()
    area_map.calls[-1]["feature_group_to_add"].add_to(whole)
    [call] = re.findall(r"landcoverArea.show\(map_div, (.*)\);", whole.get_root().render())
    found: dict[str, Any] = json.loads(call)
    return found


def draw(page: AppTest, area_map: MapStandIn, ring: list[list[float]]) -> None:
    area_map.answer = {
        "last_active_drawing": {"geometry": {"type": "Polygon", "coordinates": [ring]}}
    }
    page.run()


def square(west: float, south: float, side: float) -> list[list[float]]:
    east, north = west + side, south + side
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]


def choose_how(page: AppTest, how: str) -> AppTest:
    return page.segmented_control(key="area_how").set_value(how).run()


def test_the_first_visit_offers_an_example_and_says_what_it_costs(
    area_page: AppTest, area_map: MapStandIn
) -> None:
    assert area_page.selectbox(key="area_source").value.name == "finland-lake"
    facts = dict(area_page.table[0].value.itertuples(index=False))
    assert facts["Size"] == "1.4 km²"
    assert facts["Blocks"] == "4"
    assert facts["To fetch"].startswith("nothing")
    assert facts["Time"].startswith("about")
    assert "Map this area" in labels(area_page)
    assert [one["kind"] for one in shown(area_map)["outlines"]] == ["imagery"]
    [picture] = shown(area_map)["layers"]
    assert picture["side"] == "under"
    (south, west), (north, east) = picture["bounds"]
    latitude, longitude = EXAMPLE.centre
    assert south < latitude < north
    assert west < longitude < east
    assert area_map.calls[-1]["center"] == pytest.approx(EXAMPLE.centre, abs=1e-2)
    assert "They are real and work without a network" in area_page.caption[0].value


def test_without_an_outline_it_says_what_to_do(area_page: AppTest) -> None:
    for how, sentence in (
        ("Drawn on the map", "Nothing is drawn yet"),
        ("From a file", "upload a GeoJSON"),
        ("Typed", "type west, south, east and north"),
    ):
        choose_how(area_page, how)
        assert sentence in texts(area_page)
        assert "Map this area" not in labels(area_page)


def test_a_drawing_becomes_the_area(area_page: AppTest, area_map: MapStandIn) -> None:
    latitude, longitude = EXAMPLE.centre
    draw(area_page, area_map, square(longitude - 0.004, latitude - 0.002, 0.004))
    assert area_page.segmented_control(key="area_how").value == "Drawn on the map"
    assert [one["kind"] for one in shown(area_map)["outlines"]] == ["imagery", "area"]
    size = dict(area_page.table[0].value.itertuples(index=False))["Size"]
    assert 0.05 < float(size.split()[0]) < 0.3


def test_an_area_that_cannot_be_mapped_gets_a_sentence(
    area_page: AppTest, area_map: MapStandIn
) -> None:
    latitude, longitude = EXAMPLE.centre
    draw(area_page, area_map, square(longitude + 3, latitude, 0.01))
    assert len(area_page.error) == 1
    assert "Map this area" not in labels(area_page)
    tie = square(longitude, latitude, 0.004)
    draw(area_page, area_map, [tie[0], tie[2], tie[1], tie[3], tie[0]])
    assert "cross" in area_page.error[0].value
    choose_how(area_page, "Typed")
    area_page.text_input(key="area_box_text").input("/etc/passwd")
    press(area_page, "Use")
    assert "four numbers" in texts(area_page)


def test_what_lies_outside_the_imagery_is_said_before_the_start(
    area_page: AppTest, area_map: MapStandIn
) -> None:
    latitude, longitude = EXAMPLE.centre
    draw(area_page, area_map, square(longitude - 0.004, latitude - 0.002, 0.004))
    assert not area_page.warning
    draw(area_page, area_map, square(longitude - 0.004, latitude - 0.002, 0.03))
    assert "lies outside the imagery and is not mapped" in area_page.warning[0].value
    assert "Map this area" in labels(area_page)


def test_an_area_that_is_too_large_is_refused_with_the_limit(
    area_page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{limits.PREFIX}APP_AREA_KM2", "1")
    area_page.run()
    assert "at most 1 km²" in texts(area_page)
    assert "Map this area" not in labels(area_page)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.geojson", json.dumps({"type": "Polygon", "coordinates": [square(30.59, 62.81, 0.02)]})),
        ("a.wkt", "POLYGON ((30.59 62.81, 30.61 62.81, 30.61 62.83, 30.59 62.83, 30.59 62.81))"),
    ],
)
def test_an_outline_comes_from_a_file(area_page: AppTest, name: str, content: str) -> None:
    choose_how(area_page, "From a file")
    field = next(one for one in area_page.file_uploader if one.key == "area_file")
    field.set_value([(name, content.encode(), "application/octet-stream")]).run()
    assert not area_page.error
    assert "Map this area" in labels(area_page)


def outline_file(west: float) -> bytes:
    return json.dumps({"type": "Polygon", "coordinates": [square(west, 62.81, 0.02)]}).encode()


def give_outlines(page: AppTest, **files: bytes) -> AppTest:
    """Put files into the field of outlines, whose ids are their names."""
    field = next(one for one in page.file_uploader if one.key == "area_file")
    with patch("uuid.uuid4", side_effect=files):
        field.set_value([(f"{name}.geojson", content, "") for name, content in files.items()])
    return page.run()


def test_an_outline_goes_with_its_file(area_page: AppTest, area_map: MapStandIn) -> None:
    first, second = outline_file(30.59), outline_file(30.6)
    give_outlines(choose_how(area_page, "From a file"), first=first)
    rings = shown(area_map)["outlines"][1]["rings"]
    # What was read is dropped.
    give_outlines(area_page, first=b"", second=second)
    assert shown(area_map)["outlines"][1]["rings"] != rings
    assert "the last one counts: second.geojson" in "".join(
        one.value.replace("\\", "") for one in area_page.caption
    )
    # Taken back, the file before it counts.
    give_outlines(area_page, first=b"")
    assert not area_page.error
    assert shown(area_map)["outlines"][1]["rings"] == rings
    # Another way to give the area empties the field, but takes nothing back.
    choose_how(area_page, "The entire image")
    choose_how(area_page, "From a file")
    assert [one["kind"] for one in shown(area_map)["outlines"]] == ["imagery", "area"]
    give_outlines(area_page, second=second)
    give_outlines(area_page)
    assert [one["kind"] for one in shown(area_map)["outlines"]] == ["imagery"]
    assert "No outline yet" in texts(area_page)
    assert "Map this area" not in labels(area_page)


def test_a_damaged_outline_gets_one_sentence(area_page: AppTest) -> None:
    choose_how(area_page, "From a file")
    field = next(one for one in area_page.file_uploader if one.key == "area_file")
    field.set_value([("a.geojson", b"\xff[" * 5000, "application/octet-stream")]).run()
    assert len(area_page.error) == 1
    assert "Map this area" not in labels(area_page)


def test_the_example_is_mapped_looked_at_and_packed(
    area_page: AppTest, area_map: MapStandIn
) -> None:
    press(area_page, "Map this area")
    finish(area_page)
    assert "The map is complete: 1.4 km² in 4 blocks." in texts(area_page)
    found = made(area_page)
    assert found.done == 4
    # Half of the patch is a lake, and the rest is mostly forest.
    canvas = found.canvases[0]
    middle = canvas.decision > 0
    names = {canvas.covers[number - 1] for number in set(canvas.decision[middle].tolist())}
    assert {"Water", "Forest"} <= names

    [layer] = shown(area_map)["layers"]
    assert layer["name"] == "Land cover"
    assert layer["opacity"] == 0.85
    (south, west), (north, east) = layer["bounds"]
    assert south < EXAMPLE.centre[0] < north
    assert west < EXAMPLE.centre[1] < east

    heads = [next(iter(table.value.columns)) for table in area_page.table]
    assert "Cover" in heads
    assert "On the map" in heads
    windows = next(t.value for t in area_page.table if "Windows" in t.value.columns)
    total = found.results[0].tally.windows
    assert windows["Windows"].iloc[0] == f"present in {total} of {total}"
    assert 0 < len(windows) < 19
    assert "All other classes: present in no window." in "".join(
        one.value for one in area_page.caption
    )
    with zipfile.ZipFile(found.bundle) as archive:
        inside = set(archive.namelist())
    assert {"map.tif", "map-cover.tif", "map-decision.tif", "map.json", "map.csv", "map.png"} <= (
        inside
    )

    # A click shows the classes of a place.
    area_map.answer = {"last_clicked": dict(zip(("lat", "lng"), EXAMPLE.centre, strict=True))}
    area_page.run()
    kinds = [one["kind"] for one in shown(area_map)["outlines"]]
    assert kinds == ["imagery", "window", "cell"]
    probabilities = next(t.value for t in area_page.table if "Threshold" in t.value.columns)
    assert len(probabilities) == 19
    assert "Cell of 80 m: **" in texts(area_page)
    area_map.answer = {"last_clicked": {"lat": 0.0, "lng": 0.0}}
    area_page.run()
    assert "This place is not on the map" in texts(area_page)

    # The legend and the confidence filter.
    area_page.slider(key="area_least").set_value(100).run()
    assert "lower the least confidence" in texts(area_page)
    area_page.slider(key="area_least").set_value(0).run()
    for number in range(1, len(canvas.covers) + 1):
        area_page.checkbox(key=f"area_cover_{number}").uncheck()
    area_page.run()
    assert "switched off in the legend" in texts(area_page)

    # All layers, and two of them beside each other.
    for name in area_page.selectbox(key="area_layer").options:
        area_page.selectbox(key="area_layer").select(name).run()
        assert "<svg" not in markup(area_page)  # st.html leaves such an element out
        assert ("<img" in markup(area_page)) == (name == "What hides the ground")
        assert [one["name"] for one in shown(area_map)["layers"]] == [name]
        assert shown(area_map)["divider"] is None
    area_page.selectbox(key="area_layer").select("Picture").run()
    area_page.selectbox(key="area_beside").select("Confidence").run()
    assert shown(area_map)["divider"] == ["Picture", "Confidence"]
    assert [one["side"] for one in shown(area_map)["layers"]] == ["left", "right"]

    # The other outline is another map; this one stays until it is removed.
    choose_how(area_page, "Drawn on the map")
    assert "The map is complete" in texts(area_page)
    assert "Bring back the map before" not in labels(area_page)
    press(area_page, "Remove this map")
    assert [one["side"] for one in shown(area_map)["layers"]] == ["under"]
    press(area_page, "Bring back the map before")
    assert "The map is complete: 1.4 km² in 4 blocks." in texts(area_page)
    assert found.bundle.is_file()


def test_a_map_that_another_one_replaced_comes_back(area_page: AppTest) -> None:
    finish(press(area_page, "Map this area"))
    first = made(area_page)
    area_page.select_slider(key=page.STEP).set_value(48).run()
    finish(press(area_page, "Map this area"))
    second = made(area_page)
    assert second is not first
    press(area_page, "Bring back the map before")
    assert made(area_page) is first
    press(area_page, "Bring back the map before")
    assert made(area_page) is second
    # One is kept, and no more.
    press(area_page, "Remove this map")
    assert second.folder.exists()
    assert not first.folder.exists()


def test_a_map_that_is_stopped_keeps_its_blocks_and_goes_on(
    area_page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    others, compute = Event(), job.map_block

    def first_alone(task: job.MapTask, index: job.Index, cores: int) -> BlockMap:
        if index != task.plan.indices[0]:
            others.wait(PATIENCE_S)
        return compute(task, index, cores)

    # However fast the computer is, the map is not complete when it is stopped.
    monkeypatch.setattr(job, "map_block", first_alone)
    press(area_page, "Map this area")
    until = time.monotonic() + PATIENCE_S
    while not made(area_page).done:
        assert time.monotonic() < until
        time.sleep(0.02)
    press(area_page, "Cancel")
    others.set()
    finish(area_page)
    found = made(area_page)
    before = found.done
    assert 0 < before < 4
    assert f"Stopped: {before} of 4 blocks are finished" in texts(area_page)
    press(area_page, "Go on")
    finish(area_page)
    assert made(area_page) is found
    assert found.is_complete
    assert found.fresh == 4 - before


def test_a_map_that_cannot_start_says_why(
    area_page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{limits.PREFIX}SESSION_JOBS", "1")

    def wait(_: Report, cancel: Event) -> None:
        cancel.wait(PATIENCE_S)

    queue.default().submit(queue.LONG, "another", wait, owner="test session id")
    press(area_page, "Map this area")
    assert "computations of yours are still waiting" in texts(area_page)
    assert "Try again" in labels(area_page)


def test_a_map_that_fails_says_why_and_can_be_tried_again(area_page: AppTest) -> None:
    press(area_page, "Map this area")
    found = made(area_page)
    found.canvases = ()
    found.folder.rename(found.folder.with_name("gone"))
    Path(found.folder).write_text("in the way")
    finish(area_page)
    assert found.error
    assert len(area_page.error) == 1
    assert {"Try again", "Go on"} & set(labels(area_page))


def test_a_cluster_that_is_none_is_one_sentence(
    area_page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(mapping.SCHEDULER_VARIABLE, "nowhere")
    finish(press(area_page, "Map this area"))
    assert "not the address of a scheduler" in texts(area_page)


def test_a_place_can_be_typed(area_page: AppTest) -> None:
    press(area_page, "Map this area")
    finish(area_page)
    press(area_page, "Look there")
    assert area_page.session_state[place_of_map.PLACE] == pytest.approx(
        made(area_page).canvases[0].plan.window.centre
    )
    area_page.text_input(key=place_of_map.TYPED).input("nowhere")
    press(area_page, "Look there")
    assert "Type a latitude and a longitude" in texts(area_page)


@pytest.mark.data
@pytest.mark.usefixtures("live")
def test_live_imagery_is_searched_described_and_mapped(area_page: AppTest) -> None:
    area_page.selectbox(key="area_source").select(state.Source("live")).run()
    assert "Nothing is drawn yet" in texts(area_page)
    assert "The entire image" not in area_page.segmented_control(key="area_how").options
    choose_how(area_page, "Typed")
    place = PLACES["four patches"]
    south, west = place.lat - 0.006, place.lon - 0.008
    area_page.text_input(key="area_box_text").input(
        f"{west:.4f},{south:.4f},{west + 0.016:.4f},{south + 0.012:.4f}"
    )
    press(area_page, "Use")
    assert "Map this area" not in labels(area_page)
    for first, last, sentence in (
        (date(2016, 1, 1), date(2016, 1, 2), "No scene of"),
        (date(2017, 6, 1), date(2017, 6, 30), "**1 pass**"),
    ):
        area_page.date_input[0].set_value((first, last))
        finish(press(area_page, "Find imagery"))
        assert sentence in texts(area_page)
    # The form keeps what was searched for while it is not shown.
    for name in (state.Source("sample", "finland-lake"), state.Source("live")):
        area_page.selectbox(key="area_source").select(name).run()
    assert area_page.date_input[0].value == (first, last)
    assert "**1 pass**" in texts(area_page)
    facts = dict(area_page.table[0].value.itertuples(index=False))
    assert facts["To fetch"].startswith("at most about")
    press(area_page, "Map this area")
    finish(area_page)
    assert "The map is complete" in texts(area_page)
    found = made(area_page)
    assert found.canvases[0].decision.any()
    assert found.canvases[0].picture[3].any()
    assert [scene.acquired.year for scene in found.results[0].facts.scenes if scene.acquired]


def upload(page: AppTest, *paths: Path) -> AppTest:
    field = next(one for one in page.file_uploader if one.key.startswith("classify_files"))
    kind = "application/octet-stream"
    return field.set_value([(one.name, one.read_bytes(), kind) for one in paths]).run()


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Let only 300 × 300 pixels fit into memory; return where temporary files go."""
    monkeypatch.setenv(f"{limits.PREFIX}SAMPLES", str(12 * 300 * 300))
    monkeypatch.setattr(holdings, "MIDDLE", 120)
    monkeypatch.setattr(uploads, "PICTURE", 100)
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_all_of_an_upload_is_mapped_that_does_not_fit_into_memory(
    area_page: AppTest, area_map: MapStandIn, little_memory: Path, tmp_path: Path
) -> None:
    scene = write_stack(tmp_path / "valley_2017-09-24.tif", EXAMPLE, (3, 3))
    upload(area_page, scene)
    assert not [error.value for error in area_page.error]
    assert area_page.selectbox(key="area_source").value.kind == "upload"
    held = area_page.session_state[holdings.KEY]
    [key] = held.uploads
    assert held.uploads[key].data.shape == (12, 120, 120)
    facts = dict(area_page.table[0].value.itertuples(index=False))
    assert facts["Size"] == "13.0 km²"
    [outline] = shown(area_map)["outlines"]
    corners = FileSpec.of(scene).open().extent.outline
    assert outline["rings"][0] == [list(corner) for corner in corners]
    # All of it is shown, not only what is in memory.
    [picture] = shown(area_map)["layers"]
    latitudes, longitudes = zip(*corners, strict=True)
    drawn = (min(latitudes), min(longitudes)), (max(latitudes), max(longitudes))
    for found, expected in zip(picture["bounds"], drawn, strict=True):
        assert found == pytest.approx(expected, abs=1e-3)
    finish(press(area_page, "Map this area"))
    assert "The map is complete: 13.0 km²" in texts(area_page)
    assert [one["side"] for one in shown(area_map)["layers"]] == ["left"]
    decision = made(area_page).canvases[0].decision
    assert 45 * 45 * 0.95 < (decision > 0).sum() <= 46 * 46
    # Nothing is left on the disk but the upload itself and the map.
    assert list(little_memory.iterdir()) == [held.folder]
    held.clear()
    assert not [path for path in held.folder.iterdir() if path.is_file()]


def test_an_upload_is_listed_until_it_is_taken_back(
    area_page: AppTest, little_memory: Path, tmp_path: Path
) -> None:
    scene = write_stack(tmp_path / "valley_2017-09-24.tif", EXAMPLE, (3, 3))
    upload(area_page, scene)
    held = area_page.session_state[holdings.KEY]
    [file] = held.files.values()
    assert file.path.is_relative_to(little_memory)
    upload(area_page)
    assert not file.path.exists()
    assert area_page.selectbox(key="area_source").value.kind == "sample"
    upload(area_page, scene)
    assert area_page.selectbox(key="area_source").value.kind == "upload"


def test_an_older_upload_makes_room_and_is_named(
    area_map: MapStandIn,  # noqa: ARG001 - it must be in place first
    browser_map: MapStandIn,  # noqa: ARG001 - as above
    little_memory: Path,  # noqa: ARG001 - as above
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    older = write_stack(tmp_path / "older_2017-09-24.tif", EXAMPLE, (3, 3))
    newer = write_stack(tmp_path / "newer_2018-09-24.tif", later(), (3, 3))
    most = max(older.stat().st_size, newer.stat().st_size) * 3 // 2
    monkeypatch.setenv(f"{limits.PREFIX}SESSION_UPLOAD_BYTES", str(most))
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    upload(app, older)
    app.switch_page(str(ROOT / "pages" / "area.py")).run().run()
    upload(app, newer)
    assert not app.exception
    assert "The files of older_2017-09-24.tif made room" in texts(app)
    options = app.selectbox(key="area_source").options
    assert "newer_2018-09-24.tif" in options
    assert "older_2017-09-24.tif" not in options


def test_uploaded_scenes_are_mapped_together(
    area_page: AppTest, area_map: MapStandIn, tmp_path: Path
) -> None:
    assert EXAMPLE.transform is not None
    a, b, west, d, e, north = EXAMPLE.transform
    beside = replace(EXAMPLE, transform=(a, b, west + 1200, d, e, north))
    scenes = [
        write_stack(tmp_path / "one_2017-09-24.tif", EXAMPLE),
        write_stack(tmp_path / "other_2017-09-24.tif", beside),
    ]
    upload(area_page, scenes[0])
    assert not [one for one in area_page.selectbox(key="area_source").options if "All" in one]
    upload(area_page, *scenes)
    said = "Your 2 images are in the list “Imagery”, and so is “All 2 uploaded scenes together”."
    assert said in [one.value for one in area_page.caption]
    area_page.selectbox(key="area_source").select(state.Source("scenes")).run()
    assert "All 2 uploaded scenes together" in area_page.selectbox(key="area_source").options
    assert len(shown(area_map)["outlines"]) == 2
    assert [one["side"] for one in shown(area_map)["layers"]] == ["under", "under"]
    finish(press(area_page, "Map this area"))
    assert "The map is complete: 3.4 km²" in texts(area_page)
    assert 14 * 28 < (made(area_page).canvases[0].decision > 0).sum() <= 17 * 32
    # Without one of them there is nothing to join.
    upload(area_page, scenes[0])
    assert area_page.selectbox(key="area_source").value.kind != "scenes"


def test_a_model_that_lacks_bands_is_said(area_page: AppTest) -> None:
    bands = ("B02", "B03", "B04", "B08")
    pixels = np.stack([EXAMPLE.band(name) for name in bands])
    four = replace(EXAMPLE, data=pixels, bands=bands)
    facts = dict(area_page.table[0].value.itertuples(index=False))
    assert facts["Model"] == "landcover area"
    area_page.session_state[holdings.KEY].uploads["upload:x"] = four
    area_page.run()
    facts = dict(area_page.table[0].value.itertuples(index=False))
    said = "landcover area, from the bands B02, B03, B04 and B08 alone"
    assert facts["Model"].startswith(said)
    finish(press(area_page, "Map this area"))
    assert said in "".join(one.value.replace("\\", "") for one in area_page.caption)


def test_the_speed_is_that_of_large_maps() -> None:
    requests.note_speed("one", 20, 10)
    assert requests.speed("one") == requests.FIRST_SPEED
    requests.note_speed("one", 200, 10)
    assert requests.speed("one") == 20


def test_the_parts_of_a_map_in_two_zones_are_told_apart(area_page: AppTest, tmp_path: Path) -> None:
    scenes = [
        write_stack(tmp_path / f"{name}_2017-09-24.tif", read_sample(name))
        for name in ("finland-lake", "austria-fields")
    ]
    upload(area_page, *scenes)
    area_page.selectbox(key="area_source").select(state.Source("scenes")).run()
    finish(press(area_page, "Map this area"))
    zones = {f"UTM zone {int(result.crs[-2:])} north" for result in made(area_page).results}
    assert len(zones) == 2
    assert {one.value for one in area_page.subheader} >= {f"In {zone}" for zone in zones}
    downloads = [one.label for one in area_page.get("download_button")]
    assert {f"Hectares as CSV, {zone}" for zone in zones} <= set(downloads)
    assert len(set(downloads)) == len(downloads)


def test_an_upload_stays_while_other_pages_are_visited(
    area_map: MapStandIn, browser_map: MapStandIn, little_memory: Path, tmp_path: Path
) -> None:
    assert area_map is not browser_map
    page = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    upload(page, write_stack(tmp_path / "valley_2017-09-24.tif", EXAMPLE, (3, 3)))
    for name in ("area.py", "classify.py", "area.py"):
        page.switch_page(str(ROOT / "pages" / name)).run().run()
        assert not page.exception
    assert page.selectbox(key="area_source").value.kind == "upload"
    [file] = page.session_state[holdings.KEY].files.values()
    assert file.path.is_relative_to(little_memory)
    assert dict(page.table[0].value.itertuples(index=False))["Size"] == "13.0 km²"


def test_an_image_that_cannot_be_mapped_is_named(area_page: AppTest) -> None:
    raster = replace(EXAMPLE, crs=None, transform=None)
    held = area_page.session_state[holdings.KEY]
    held.uploads["upload:x"] = replace(
        raster, provenance=replace(raster.provenance, source="nowhere.tif")
    )
    area_page.run()
    assert "Not in the list: nowhere.tif. A map needs reflectance and a position" in texts(
        area_page
    )


def adapt_in_session(page: AppTest, name: str) -> Registry:
    """Adapt the usual model to the samples, in the session's own folder."""
    shipped, said = registry.default(), []
    for number, one in enumerate(NAMES):
        answer = {"present": ["Inland waters"]} if number % 2 else {"absent": ["Inland waters"]}
        patch = read_sample(one)
        said.append((of_answer(patch, {}, predicted=[], **answer), patch))
    folder = page.session_state[holdings.KEY].folder
    made = adaptation.adapt(shipped.load(shipped.usual_for_areas()), said, name)
    made.save(folder / "made")
    own = Registry(shipped=shipped.shipped, home=folder)
    store.add(own, folder / "made", name)
    return own


def choose_adapted(page_: AppTest) -> None:
    field = page_.selectbox(key=page.MODEL)
    assert sum("valley" in one for one in field.options) == 1
    field.select("valley").run()


def test_a_model_that_this_session_adapted_maps_too(area_page: AppTest) -> None:
    own = adapt_in_session(area_page, "valley")
    assert "valley" not in registry.default().names()
    area_page.run()
    assert any("valley" in one for one in area_page.selectbox(key=page.MODEL).options)
    finish(press(area_page, "Map this area"))
    before = made(area_page).canvases[0]
    choose_adapted(area_page)
    finish(press(area_page, "Map this area"))
    assert "The map is complete" in texts(area_page)
    after = made(area_page).canvases[0]
    assert not np.array_equal(before.presence, after.presence)
    # Land covers of cells are read from features, which an adaptation leaves as they are.
    assert before.covers == after.covers
    np.testing.assert_array_equal(before.decision, after.decision)

    # Once it is removed, the other models are offered, and the page goes on.
    store.remove(own, "valley")
    area_page.run()
    assert not any("valley" in one for one in area_page.selectbox(key=page.MODEL).options)
    assert "Map this area" in labels(area_page)


def test_a_map_whose_model_was_removed_says_so(
    area_page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = adapt_in_session(area_page, "valley")
    area_page.run()
    choose_adapted(area_page)
    monkeypatch.setenv(mapping.SCHEDULER_VARIABLE, "nowhere")
    finish(press(area_page, "Map this area"))
    monkeypatch.delenv(mapping.SCHEDULER_VARIABLE)
    store.remove(own, "valley")
    finish(press(area_page, "Try again"))
    assert "The adapted model of this map was removed" in texts(area_page)


def later() -> Raster:
    """The example a year later, with north and south exchanged."""
    assert EXAMPLE.acquired is not None
    pixels = EXAMPLE.data[:, ::-1]
    facts = replace(EXAMPLE.provenance, source="later.tif")
    when = EXAMPLE.acquired.replace(year=EXAMPLE.acquired.year + 1)
    return replace(EXAMPLE, data=pixels.copy(), acquired=when, provenance=facts, scl=None)


def test_two_dates_are_shown_beside_each_other_and_compared(
    area_page: AppTest, area_map: MapStandIn
) -> None:
    press(area_page, "Map this area")
    finish(area_page)
    press(area_page, "Compare with another date")
    assert "Now map the same area from imagery of another date" in texts(area_page)
    area_page.session_state[holdings.KEY].uploads["upload:x"] = later()
    area_page.run()
    assert area_page.selectbox(key="area_source").value.kind == "upload"
    press(area_page, "Map this area")
    finish(area_page)
    area_page.selectbox(key="area_beside").select("Land cover, first date").run()
    assert shown(area_map)["divider"] == ["Land cover", "Land cover, first date"]
    pair = [one["url"] for one in shown(area_map)["layers"]]
    assert len(set(pair)) == 2
    finish(press(area_page, "Find the change"))
    assert "of the ground changed" in texts(area_page)
    balance = next(t.value for t in area_page.table if "Net, ha" in t.value.columns)
    assert "Water" in set(balance["Cover"])
    area_page.selectbox(key="area_layer").select("Change").run()
    assert shown(area_map)["layers"][0]["name"] == "Change"
    assert "<svg" not in markup(area_page)
    assert "<img" in markup(area_page)
    press(area_page, "Remove the first date")
    assert "Two dates" not in [one.value for one in area_page.header]
    assert "Change" not in area_page.selectbox(key="area_layer").options


def test_files_are_named_after_imagery_and_days(
    area_page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[str] = []
    finish(press(area_page, "Map this area"))
    press(area_page, "Compare with another date")
    area_page.session_state[holdings.KEY].uploads["upload:x"] = later()
    finish(press(area_page.run(), "Map this area"))
    finish(press(area_page, "Find the change"))
    monkeypatch.setattr(
        streamlit, "download_button", lambda _, __, name, *___, **____: names.append(name)
    )
    area_page.run()
    first, second = EXAMPLE.acquired, later().acquired
    start = f"landcover-area-later-{second:%Y-%m-%d}-"
    assert all(name.startswith(start) for name in names)
    assert {Path(name).suffix for name in names} == {".zip", ".csv", ".png", ".tif"}
    assert sum(f"-since-{first:%Y-%m-%d}-" in name for name in names) == 2
    assert "finland-lake" in area_page.session_state["area_first"].stem


def test_maps_of_different_areas_are_not_compared(area_page: AppTest) -> None:
    press(area_page, "Map this area")
    finish(area_page)
    press(area_page, "Compare with another date")
    area_page.session_state[holdings.KEY].uploads["upload:x"] = read_sample("austria-fields")
    area_page.run()
    press(area_page, "Map this area")
    finish(area_page)
    finish(press(area_page, "Find the change"))
    assert "map the same outline from both images" in texts(area_page)
