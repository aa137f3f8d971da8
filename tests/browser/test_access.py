"""Accessibility of every page, checked by axe: both themes, on a wide and on a narrow screen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from landcover.io.samples import read_sample, samples
from pages.parts.shared import theme
from tests.browser import steps

pytestmark = pytest.mark.browser

SEVERE = {"critical", "serious"}
FOCUSED = """() => {
    const element = document.activeElement
    const ids = (element.getAttribute("aria-labelledby") || "").split(" ").filter(Boolean)
    const labels = [...(element.labels || []), ...ids.map(id => document.getElementById(id))]
    const texts = [element.getAttribute("aria-label"), ...labels.map(one => one && one.innerText)]
    return [...texts, element.title, element.innerText].find(text => text && text.trim()) || ""
}"""
"""The name of the element that has the keyboard's focus."""


def violations(page: Page) -> list[str]:
    """What axe finds on the entire page and in its frames: impact, rule and element."""
    size = page.viewport_size
    assert size is not None
    # Colours are measured only where they are visible, so the entire page is made visible.
    tall = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
    page.set_viewport_size({"width": size["width"], "height": int(tall) + 100})
    page.wait_for_timeout(1500)
    # Streamlit fades what it is about to replace.
    expect(page.locator("[data-stale=true]")).to_have_count(0)
    for frame in page.frames[1:]:
        frame.evaluate(Axe().axe_script)
    found = Axe().run(page).response["violations"]
    page.set_viewport_size(size)
    return [
        f"{rule['impact']}, {rule['id']}: {node['html'][:200]}"
        for rule in found
        if rule["impact"] in SEVERE or rule["id"] == "heading-order"
        for node in rule["nodes"]
    ]


def show(page: Page, scheme: str, width: int) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": width, "height": 900})


def colour_picture(folder: Path) -> Path:
    path = folder / "fields.png"
    path.write_bytes(theme.png(read_sample("austria-fields").image()[..., :3]))
    return path


VIEWS = [(scheme, width) for scheme in ("light", "dark") for width in (1280, 400)]


def views(*quick: tuple[str, int]) -> pytest.MarkDecorator:
    """All schemes and widths, of which `make test` runs only these."""
    slow = [pytest.param(*view, marks=pytest.mark.slow) for view in VIEWS if view not in quick]
    return pytest.mark.parametrize(("scheme", "width"), [*quick, *slow])


@views(("light", 1280))
def test_classify_and_explain(
    page: Page, app: str, tmp_path: Path, scheme: str, width: int
) -> None:
    show(page, scheme, width)
    frame = steps.open_app(page, app)
    assert violations(page) == []
    steps.click_sample(page, frame, 4)
    assert violations(page) == []
    # The page is the same with the small net, which is sooner done.
    page.goto(f"{app}/explain?sample={samples()[3].name}&model=landcover-cnn")
    expect(steps.heading(page, "Is it stable")).to_be_visible()
    expect(page.locator(".st-key-explain_progress")).to_have_count(0)
    assert violations(page) == []
    steps.open_page(page, "Classify")
    steps.upload(page, colour_picture(tmp_path))
    expect(steps.heading(page, "fields.png")).to_be_visible()
    expect(page.get_by_role("button", name="Image and attribution map as PNG")).to_be_visible()
    assert violations(page) == []


@views(("light", 1280), ("dark", 400))
def test_a_place_without_an_image(page: Page, app: str, scheme: str, width: int) -> None:
    show(page, scheme, width)
    steps.open_app(page, app)
    field = page.get_by_role("textbox", name=steps.SEARCH)
    field.fill("-3.1, -60.0")
    field.press("Enter")
    expect(page.get_by_role("button", name="Fetch the best image")).to_be_visible()
    assert violations(page) == []


@pytest.mark.parametrize(("scheme", "width"), [("dark", 400)])
def test_models_as_they_open(page: Page, app: str, scheme: str, width: int) -> None:
    for _ in sections_of_models(page, app, scheme, width):
        assert violations(page) == []


@views()
def test_models(page: Page, app: str, scheme: str, width: int) -> None:
    for _ in sections_of_models(page, app, scheme, width):
        views = page.get_by_role("radiogroup", name="View").get_by_role("radio")
        number = 0
        while number < views.count():  # counted again, because each section has its own
            press(page, views.nth(number))
            assert violations(page) == []
            number += 1


def sections_of_models(page: Page, app: str, scheme: str, width: int) -> Iterator[None]:
    """Open each section of the page Models."""
    show(page, scheme, width)
    steps.open_app(page, app)
    steps.open_page(page, "Models")
    expect(page.locator(".js-plotly-plot").first).to_be_visible()
    yield
    for section in page.get_by_role("radiogroup").first.get_by_role("radio").all()[1:]:
        press(page, section)
        yield


@views(("dark", 400))
def test_train_and_teach_as_they_open(page: Page, own_app: str, scheme: str, width: int) -> None:
    show(page, scheme, width)
    page.goto(f"{own_app}/train")
    example = page.get_by_role("button", name="Try it with the six example patches")
    expect(example).to_be_visible()
    example.click()
    expect(page.get_by_text("3 train, 1 validation and 1 test patches")).to_be_visible()
    assert violations(page) == []
    steps.open_page(page, "Teach")
    expect(page.get_by_text("There are no corrections yet")).to_be_visible()
    assert violations(page) == []


@views(("dark", 400))
def test_experiments(page: Page, own_app: str, scheme: str, width: int) -> None:
    show(page, scheme, width)
    page.goto(f"{own_app}/experiments?run=model:landcover-cnn")
    expect(steps.heading(page, "landcover-cnn")).to_be_visible()
    expect(page.locator(".js-plotly-plot")).to_have_count(2)
    for closed in page.locator("[data-testid=stExpander] summary").all():
        closed.click()
    steps.idle(page)
    page.mouse.move(0, 0)
    assert violations(page) == []
    press(page, page.get_by_role("radio", name="Two compared"))
    expect(page.locator(".js-plotly-plot")).to_have_count(2)
    assert violations(page) == []
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= width


@views(("light", 1280))
def test_data(page: Page, app: str, scheme: str, width: int) -> None:
    show(page, scheme, width)
    page.goto(f"{app}/data")
    expect(page.get_by_text("480,038 patches").first).to_be_visible()
    for view in page.get_by_role("radiogroup", name="View").get_by_role("radio").all():
        press(page, view)
        expect(page.locator(".js-plotly-plot").first).to_be_visible()
        assert violations(page) == []
        assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= width


@views(("light", 1280), ("dark", 400))
def test_classes(page: Page, app: str, scheme: str, width: int) -> None:
    show(page, scheme, width)
    page.goto(f"{app}/classes?about=Pastures")
    expect(steps.heading(page, "Pastures")).to_be_visible()
    expect(page.locator(".js-plotly-plot")).to_be_visible()
    assert violations(page) == []
    page.get_by_role("button", name="Pasture", exact=True).click()
    expect(page.get_by_role("heading", name="Pasture", exact=True)).to_be_visible()
    page.goto(f"{app}/classes")
    expect(page.get_by_role("button", name="Sea or lake")).to_be_visible()
    assert violations(page) == []


def press(page: Page, option: Locator) -> None:
    """Choose an option, and wait until the page has followed it."""
    option.click()
    expect(option).to_be_checked()
    steps.idle(page)
    # A pointer over a button changes its colours for a moment.
    page.mouse.move(0, 0)


def tab_to(page: Page, name: str) -> None:
    """Press Tab until the focus is on an element; each element on the way must have a name."""
    for _ in range(100):
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        assert focused, page.evaluate("document.activeElement.outerHTML")[:300]
        if focused.strip().endswith(name):
            return
    raise AssertionError(f"{name} was not reached")


def test_a_place_is_classified_and_explained_by_keyboard_alone(page: Page, app: str) -> None:
    steps.open_app(page, app)
    tab_to(page, "Places with known land covers")
    page.keyboard.type("4 ·")
    page.keyboard.press("Enter")
    expect(steps.verdict(page)).to_contain_text("%")
    expect(page.get_by_role("button", name="Image and attribution map as PNG")).to_be_visible()
    # The focus stays where the choice was made.
    assert page.evaluate(FOCUSED).strip() == "Places with known land covers"
    tab_to(page, "Image and attribution map as PNG")
    page.get_by_role("link", name="Explain").focus()
    page.keyboard.press("Enter")
    expect(steps.heading(page, "Why this result?")).to_be_visible()
    expect(steps.verdict(page)).to_contain_text("%")
