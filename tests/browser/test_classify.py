"""The Classify page in a real browser, without access to the internet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from landcover.core.classes import CLASS_NAMES
from landcover.io.samples import read_sample, samples
from tests.browser import steps
from tests.support.app_server import serve
from tests.support.examples import sampled

pytestmark = pytest.mark.browser


def test_opens_with_a_map_and_one_try_of_the_satellite_layer(
    page: Page, app: str, outside: list[str]
) -> None:
    errors: list[str] = []
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    frame = steps.open_app(page, app)
    box = frame.locator(".leaflet-container").bounding_box()
    assert box is not None
    assert box["height"] > 300
    assert box["width"] > 300
    tile = frame.locator("img.leaflet-tile-loaded").first
    assert tile.evaluate("image => image.naturalWidth") == 256
    expect(frame.locator(".lc-pin")).to_have_count(len(samples()))
    expect(page.get_by_role("heading", name="Which land covers are here?")).to_be_visible()
    assert steps.no_other_than_the_satellite_layer(outside)
    assert len(outside) == 1
    assert len(errors) == 1
    # Nothing on the map is nameless.
    for role, name in (
        ("region", "Map"),
        ("button", "Zoom in"),
        ("button", "Zoom out"),
        ("link", "Draw a rectangle"),
        ("button", "Layers of the map"),
        ("button", f"Choose {samples()[0].title}"),
    ):
        expect(frame.get_by_role(role, name=name)).to_have_count(1)  # type: ignore[arg-type]


def test_click_on_a_sample_gives_covers_and_probabilities(
    page: Page, app: str, outside: list[str]
) -> None:
    frame = steps.open_app(page, app)
    sample = samples()[3]
    steps.click_sample(page, frame, 4)
    expect(page.get_by_role("heading", name=sample.title)).to_be_visible()
    expect(steps.verdict(page)).to_contain_text("%")
    shown = page.locator("[data-testid=stMain]").inner_text()
    for label in sample.truth:
        assert label in shown
    expect(frame.locator("img.leaflet-image-layer")).to_be_visible()
    expect(page.locator(".st-key-classify_chart .js-plotly-plot")).to_be_visible()
    page.get_by_text("Show as a table").click()
    rows = page.get_by_role("table").first.get_by_role("row")
    expect(rows).to_have_count(len(CLASS_NAMES) + 1)
    # The map repeats its last click with every answer; that must not undo a later choice.
    steps.choose(page, "Places with known land covers", "6 ·")
    expect(steps.heading(page, samples()[5].title)).to_be_visible()
    page.wait_for_timeout(1500)
    expect(steps.heading(page, samples()[5].title)).to_be_visible()
    assert steps.no_other_than_the_satellite_layer(outside)


def test_other_class_and_method_change_the_attribution(page: Page, app: str) -> None:
    frame = steps.open_app(page, app)
    steps.click_sample(page, frame, 4)
    picture = page.locator(".st-key-classify_attribution img")
    expect(picture).to_be_visible()
    first = picture.get_attribute("src")
    steps.choose(page, "Land cover", "Marine waters")
    expect(picture).not_to_have_attribute("src", first or "")
    second = picture.get_attribute("src")
    steps.choose(page, "Method", "Grad-CAM")
    expect(picture).not_to_have_attribute("src", second or "")
    expect(page.get_by_text("treats all bands together")).to_be_visible()


def test_uploaded_stack_gives_the_sample_s_own_answer(page: Page, app: str, tmp_path: Path) -> None:
    frame = steps.open_app(page, app)
    steps.click_sample(page, frame, 4)
    own = page.locator("ul.landcover-verdict b").all_inner_texts()
    assert own
    stack = steps.write_stack(tmp_path / "my field.tif", read_sample("austria-fields"))
    steps.upload(page, stack)
    expect(page.get_by_role("heading", name="my field.tif")).to_be_visible()
    expect(page.locator("ul.landcover-verdict b")).to_have_text(own)


@pytest.mark.slow
def test_several_files_are_results_to_switch_between(page: Page, app: str, tmp_path: Path) -> None:
    steps.open_app(page, app)
    first = steps.write_stack(tmp_path / "first.tif", read_sample("austria-fields"))
    second = steps.write_stack(tmp_path / "second.tif", read_sample("finland-lake"))
    (broken := tmp_path / "broken.tif").write_bytes(b"II*\0nonsense")
    steps.upload(page, first, second, broken)
    expect(page.get_by_role("heading", name="first.tif")).to_be_visible()
    expect(page.get_by_text("'broken.tif' is damaged or truncated")).to_be_visible()
    page.get_by_role("combobox", name="Land cover", exact=True).wait_for()
    steps.choose(page, "Show one of 2 uploaded images", "second")
    expect(page.get_by_role("heading", name="second.tif")).to_be_visible()
    expect(page.get_by_role("button", name="Image and attribution map as PNG")).to_be_visible()
    expect(page.get_by_text("'broken.tif' is damaged or truncated")).to_be_visible()
    assert "file=second.tif" in page.url
    assert "%25" not in page.url


def test_larger_picture_lets_the_user_choose_a_window(page: Page, app: str, tmp_path: Path) -> None:
    steps.open_app(page, app)
    large = steps.write_stack(tmp_path / "large.tif", read_sample("austria-fields"), (3, 2))
    steps.upload(page, large)
    row = page.get_by_label("Row from the top")
    expect(row).to_have_value("120")
    expect(page.get_by_label("Column from the left")).to_have_value("60")
    row.fill("240")
    row.press("Enter")
    expect(row).to_have_value("240")
    expect(steps.verdict(page)).to_contain_text("%")
    # A click next to the window, still inside the image, moves it there.
    for _ in range(5):  # a map that was being drawn again does not see a click
        steps.idle(page)
        chart = page.locator(steps.MAP_FRAME).bounding_box()
        assert chart is not None
        page.mouse.click(chart["x"] + chart["width"] / 2, chart["y"] + chart["height"] / 2 - 150)
        with suppress(AssertionError):
            expect(row).not_to_have_value("240", timeout=15_000)
            break
    expect(row).not_to_have_value("240")


def test_a_rectangle_on_a_larger_picture_classifies_its_windows(
    page: Page, app: str, tmp_path: Path
) -> None:
    frame = steps.open_app(page, app)
    large = steps.write_stack(tmp_path / "large.tif", read_sample("austria-fields"), (2, 2))
    steps.upload(page, large)
    expect(page.get_by_role("button", name="Image and attribution map as PNG")).to_be_visible()
    expect(frame.locator("path.lc-neighbour")).to_have_count(8)
    steps.idle(page)
    chart = page.locator(steps.MAP_FRAME).bounding_box()
    assert chart is not None
    middle = (chart["x"] + chart["width"] / 2, chart["y"] + chart["height"] / 2)
    frame.locator(".leaflet-draw-draw-rectangle").click()
    expect(frame.locator(".leaflet-draw-tooltip")).to_have_count(1)
    page.mouse.move(middle[0] - 190, middle[1] - 190)
    page.mouse.down()
    page.mouse.move(*middle, steps=4)
    page.mouse.move(middle[0] + 190, middle[1] + 190, steps=4)
    page.mouse.up()
    expect(page.get_by_text("4 of 4 windows")).to_be_visible()
    expect(frame.locator("path.lc-window")).to_have_count(4)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="All windows as CSV").click()
    rows = list(csv.DictReader(io.StringIO(waiting.value.path().read_text())))
    assert len(rows) == 4 * len(CLASS_NAMES)
    # The upper left square opens, and the rectangle is one step back.
    page.mouse.click(middle[0] - 90, middle[1] - 90)
    expect(page.get_by_label("Row from the top")).to_have_value("0")
    expect(page.get_by_label("Column from the left")).to_have_value("0")
    page.get_by_role("button", name="Previous place").click()
    expect(page.get_by_text("4 of 4 windows")).to_be_visible()


@pytest.mark.parametrize(
    ("name", "data"),
    sampled(
        [("notes.tif", b"not a picture"), ("empty.tif", b""), ("broken.zip", b"PK\x03\x04rest")],
        [("notes.tif", b"not a picture")],
    ),
)
def test_bad_upload_gives_one_message_and_the_app_continues(
    page: Page, app: str, tmp_path: Path, name: str, data: bytes
) -> None:
    steps.open_app(page, app)
    path = tmp_path / name
    path.write_bytes(data)
    steps.upload(page, path)
    alert = page.get_by_role("alert").first
    expect(alert).to_contain_text(name)
    assert "Traceback" not in page.locator("[data-testid=stMain]").inner_text()
    page.get_by_role("tab", name="Labelled sample").click()
    steps.choose(page, "Places with known land covers", "6 ·")
    expect(steps.verdict(page)).to_contain_text("%")
    expect(page.get_by_text(name + "'")).to_have_count(0)


def test_click_elsewhere_explains_what_to_do(page: Page, app: str) -> None:
    frame = steps.open_app(page, app)
    chart = frame.locator(".leaflet-container")
    chart.click(position={"x": 60, "y": 250})
    expect(page.get_by_role("button", name="Fetch the best image")).to_be_visible()
    # The map goes to the square, which is drawn with its neighbours although there is no image.
    expect(frame.locator("path.lc-square").last).to_be_visible()
    expect(frame.locator("path.lc-neighbour")).to_have_count(8)
    page.get_by_role("button", name="Go to the nearest sample").click()
    expect(steps.verdict(page)).to_contain_text("%")
    # With this button the page is complete, and no button moves under the pointer.
    expect(page.get_by_role("button", name="Image and attribution map as PNG")).to_be_visible()
    page.get_by_role("button", name="Previous place").click()
    expect(page.get_by_role("button", name="Fetch the best image")).to_be_visible()
    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_role("heading", name="Six real places to start with")).to_be_visible()


def test_drawn_rectangle_chooses_the_sample_in_it(page: Page, app: str) -> None:
    frame = steps.open_app(page, app)
    target = steps.pin(frame, 4).bounding_box()
    assert target is not None
    frame.locator(".leaflet-draw-draw-rectangle").click()
    # The tool is ready when its tooltip is shown.
    expect(frame.locator(".leaflet-draw-tooltip")).to_have_count(1)
    tip = (target["x"] + target["width"] / 2, target["y"] + target["height"])
    page.mouse.move(tip[0] - 40, tip[1] - 30)
    page.mouse.down()
    page.mouse.move(tip[0] + 10, tip[1] + 10, steps=4)
    page.mouse.move(tip[0] + 50, tip[1] + 30, steps=4)
    page.mouse.up()
    expect(page.get_by_role("heading", name=samples()[3].title)).to_be_visible()


def test_places_are_found_and_invalid_ones_are_explained(
    page: Page, app: str, outside: list[str]
) -> None:
    frame = steps.open_app(page, app)
    box = page.get_by_role("textbox", name=steps.SEARCH)
    for text, said in (("over the hills", "is not a place"), ("95, 10", "nowhere on Earth")):
        box.fill(text)
        box.press("Enter")
        expect(page.get_by_role("alert").first).to_contain_text(said)
    box.fill("48.2223, 13.7209")
    box.press("Enter")
    expect(page.get_by_role("heading", name=samples()[3].title)).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)
    box.fill("Vienna")
    box.press("Enter")
    expect(page.get_by_text("48.2085° N, 16.3721° E")).to_be_visible()
    # Close up, the map has names of places and what else is drawn without a network.
    expect(frame.locator(".lc-label span").filter(has_text="Vienna")).to_be_visible()
    page.get_by_role("button", name="East").click()
    expect(page.get_by_text("48.2085° N, 16.3721° E")).to_have_count(0)
    assert steps.no_other_than_the_satellite_layer(outside)


def test_everything_works_by_keyboard(page: Page, app: str) -> None:
    steps.open_app(page, app)
    reach = "document.activeElement.getAttribute('aria-label') || ''"
    for _ in range(60):
        page.keyboard.press("Tab")
        if "Places with known land covers" in page.evaluate(reach):
            break
    else:
        pytest.fail("the Tab key never reached the list of samples")
    page.keyboard.type("Lake")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=samples()[1].title)).to_be_visible()


def test_pin_answers_to_the_enter_key(page: Page, app: str) -> None:
    frame = steps.open_app(page, app)
    frame.locator(".lc-pin").nth(0).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=samples()[0].title)).to_be_visible()


def test_downloads_can_be_read(page: Page, app: str) -> None:
    frame = steps.open_app(page, app)
    steps.click_sample(page, frame, 4)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Result as JSON").click()
    record = json.loads(waiting.value.path().read_text())
    assert {"source", "model", "labels", "abstained", "quality", "provenance"} <= set(record)
    assert [row["label"] for row in record["labels"]] == list(CLASS_NAMES)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Probabilities as CSV").click()
    rows = list(csv.DictReader(io.StringIO(waiting.value.path().read_text())))
    assert [float(row["probability"]) for row in rows] == [
        row["probability"] for row in record["labels"]
    ]
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Image and attribution map as PNG").click()
    assert waiting.value.path().read_bytes().startswith(b"\x89PNG")


def test_choice_and_view_survive_a_visit_to_models(page: Page, app: str) -> None:
    frame = steps.open_app(page, app)
    steps.click_sample(page, frame, 4)
    page.get_by_role("link", name="Models").click()
    expect(page.locator(steps.MAP_FRAME)).to_have_count(0)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)
    page.get_by_role("link", name="Classify").click()
    expect(page.get_by_role("heading", name=samples()[3].title)).to_be_visible()
    expect(frame.locator("img.leaflet-image-layer")).to_be_in_viewport()


def test_online_layers_are_requested_only_when_chosen(
    page: Page, app: str, outside: list[str]
) -> None:
    frame = steps.open_app(page, app)
    assert steps.no_other_than_the_satellite_layer(outside)
    outside.clear()
    # By keyboard: a menu opened by hovering closes when the page moves under the mouse.
    frame.get_by_role("button", name="Layers of the map").press("Enter")
    frame.get_by_role("checkbox", name="Streets: OpenStreetMap (online)").press("Space")
    page.wait_for_timeout(500)
    assert outside
    assert all("tile.openstreetmap.org" in url for url in outside)
    # The offline background is still visible below the layer that does not answer.
    expect(frame.locator("img.leaflet-tile-loaded").first).to_be_visible()


@pytest.mark.slow
def test_with_a_network_the_satellite_layer_is_on_until_it_is_switched_off(
    page: Page, app: str
) -> None:
    tile = next((Path(__file__).parents[2] / "static/tiles/0/0").glob("*.png")).read_bytes()
    page.route("https://tiles.maps.eox.at/**", lambda route: route.fulfill(body=tile))
    frame = steps.open_app(page, app)
    satellite = frame.locator("img[src*='tiles.maps.eox.at']")
    expect(satellite.first).to_be_visible()
    frame.get_by_role("button", name="Layers of the map").press("Enter")
    frame.get_by_role("checkbox", name="Satellite: Sentinel-2 cloudless 2016 (online)").press(
        "Space"
    )
    expect(satellite).to_have_count(0)
    frame = steps.open_app(page, app)
    expect(satellite).to_have_count(0)
    # The tests share the browser's storage, so leave it as it was.
    frame.get_by_role("button", name="Layers of the map").press("Enter")
    frame.get_by_role("checkbox", name="Satellite: Sentinel-2 cloudless 2016 (online)").press(
        "Space"
    )
    expect(satellite.first).to_be_visible()


def test_the_map_follows_the_dark_theme(page: Page, app: str) -> None:
    shade = "box => getComputedStyle(box).getPropertyValue('background-color')"
    colours = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        frame = steps.open_app(page, app)
        for name in (".leaflet-container", ".leaflet-control-zoom-in"):
            colours[scheme, name] = frame.locator(name).evaluate(shade)
    assert colours["light", ".leaflet-control-zoom-in"] == "rgb(255, 255, 255)"
    assert colours["dark", ".leaflet-control-zoom-in"] == "rgb(28, 33, 40)"
    assert colours["dark", ".leaflet-container"] == "rgb(23, 36, 46)"


@pytest.mark.parametrize("scheme", sampled(["light", "dark"], ["dark"]))
def test_fits_a_phone(page: Page, app: str, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": 400, "height": 850})
    frame = steps.open_app(page, app)
    steps.click_sample(page, frame, 4)
    expect(steps.verdict(page)).to_contain_text("%")
    width = page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth")
    assert width <= 400
    for name in ("Classify", "Explain", "Models", "Teach"):
        expect(page.get_by_role("link", name=name)).to_have_count(1)
    down = steps.verdict(page).evaluate(
        "list => list.getBoundingClientRect().bottom - document.querySelector('h1')"
        ".getBoundingClientRect().top"
    )
    assert down <= 2 * 850


@pytest.mark.slow
def test_a_touched_pin_leaves_no_tooltip_over_the_map(browser: Browser, app: str) -> None:
    context = browser.new_context(has_touch=True, viewport={"width": 400, "height": 850})
    page = context.new_page()
    frame = steps.open_app(page, app)
    steps.pin(frame, 4).tap()
    expect(steps.heading(page, samples()[3].title)).to_be_visible()
    expect(steps.verdict(page)).to_contain_text("%")
    expect(frame.locator(".leaflet-tooltip")).to_have_count(0)
    context.close()


@pytest.fixture(scope="module")
def app_below_a_path() -> Iterator[str]:
    with serve("--server.baseUrlPath=land/cover") as address:
        yield address


@pytest.mark.slow
def test_map_draws_below_a_base_path(page: Page, app_below_a_path: str, outside: list[str]) -> None:
    frame = steps.open_app(page, f"{app_below_a_path}/land/cover/")
    steps.click_sample(page, frame, 4)
    expect(steps.verdict(page)).to_contain_text("%")
    assert steps.no_other_than_the_satellite_layer(outside)


@pytest.fixture
def fresh_app() -> Iterator[str]:
    with serve() as address:
        yield address


@pytest.mark.parametrize(
    ("name", "head"),
    sampled(
        [("explain", "Why this result?"), ("models", "Which model should I use?")],
        [("explain", "Why this result?")],
    ),
)
def test_a_page_can_be_opened_by_its_own_address(
    page: Page, fresh_app: str, name: str, head: str
) -> None:
    """The first visitor of a server determines how Streamlit treats the folder of pages."""
    for _ in ("first", "again"):
        page.goto(f"{fresh_app}/{name}")
        expect(page.get_by_role("heading", name=head)).to_be_visible()
        expect(page).to_have_url(f"{fresh_app}/{name}")
        # Our own navigation, not the one that Streamlit makes from the folder.
        expect(page.get_by_role("link", name="Classify")).to_be_visible()
        expect(page.get_by_role("link", name="app", exact=True)).to_have_count(0)


@pytest.mark.slow
def test_a_press_on_the_map_does_not_scroll_the_page(page: Page, app: str) -> None:
    """A pin of a map that is partly out of sight would move away from under the pointer."""
    page.set_viewport_size({"width": 400, "height": 760})
    frame = steps.open_app(page, app)
    before = steps.pin(frame, 3).bounding_box()
    assert before is not None
    page.mouse.move(before["x"] + before["width"] / 2, before["y"] + before["height"] / 3)
    page.mouse.down()
    page.wait_for_timeout(300)
    assert steps.pin(frame, 3).bounding_box() == before
    page.mouse.up()
    expect(steps.heading(page, samples()[2].title)).to_be_visible()
