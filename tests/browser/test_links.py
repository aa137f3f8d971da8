"""The address of a page in a real browser: reload, back, a second tab, and a link."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from landcover.io.samples import read_sample
from tests.browser import steps
from tests.browser.test_explain import finished
from tests.support.app_server import serve

pytestmark = pytest.mark.browser

LAKE = {"sample": "finland-lake", "class": "Inland waters", "method": "occlusion"}
"""Neither the most probable class nor the best method: both must come from the address."""


def shows(page: Page, label: str, value: str) -> None:
    """Expect a select box to show a value, which may be followed by a probability."""
    box = page.get_by_role("combobox", name=label, exact=True)
    expect(box).to_have_value(re.compile(re.escape(value)))


@pytest.mark.slow
def test_back_and_forward_step_through_what_the_user_did(page: Page, app: str) -> None:
    frame = steps.open_app(page, app)
    steps.click_sample(page, frame, 4)
    expect(page).to_have_url(f"{app}/?sample=austria-fields")
    steps.choose(page, "Land cover", "Pastures")
    expect(page).to_have_url(f"{app}/?sample=austria-fields&class=Pastures")
    page.get_by_role("link", name="Models").click()
    expect(page.get_by_role("heading", name="Which model should I use?")).to_be_visible()
    expect(page).to_have_url(f"{app}/models?sample=austria-fields&class=Pastures")
    steps.idle(page)
    page.go_back()
    shows(page, "Land cover", "Pastures")
    steps.idle(page)
    page.go_back()
    expect(page).to_have_url(f"{app}/?sample=austria-fields")
    shows(page, "Land cover", "Arable land")
    steps.idle(page)
    page.go_back()
    expect(steps.heading(page, "Six real places")).to_be_visible()
    expect(page).to_have_url(f"{app}/")
    steps.idle(page)
    page.go_forward()
    expect(steps.heading(page, "Fields and scattered farms")).to_be_visible()
    expect(page).to_have_url(f"{app}/?sample=austria-fields")


def test_reload_and_second_tab_show_the_same_on_classify(
    page: Page, context: BrowserContext, app: str
) -> None:
    page.goto(f"{app}/?{urlencode(LAKE)}")
    title = "Classify · Land cover"
    for again in (page.reload, lambda: None):
        shows(page, "Land cover", "Inland waters")
        shows(page, "Method", "Occlusion")
        expect(page).to_have_url(f"{app}/?{urlencode(LAKE)}")
        assert page.title().endswith(title)
        again()
    other = context.new_page()
    other.goto(page.url)
    shows(other, "Land cover", "Inland waters")
    assert other.title() == page.title()
    other.close()


@pytest.mark.slow
def test_reload_and_second_tab_show_the_same_on_explain(
    page: Page, context: BrowserContext, app: str
) -> None:
    page.goto(f"{app}/explain?sample=finland-lake")
    finished(page)  # what appears later would move what is clicked
    page.get_by_role("radio", name="Methods").click()
    expect(page).to_have_url(f"{app}/explain?sample=finland-lake&compare=methods")
    finished(page)
    steps.choose(page, "Land cover", "Inland waters")
    finished(page)
    steps.choose(page, "Compared with", "black")
    address = f"{app}/explain?sample=finland-lake&class=Inland+waters&baseline=dark&compare=methods"
    expect(page).to_have_url(address)
    page.reload()
    other = context.new_page()
    other.goto(address)
    for shown in (page, other):
        expect(shown.get_by_role("radio", name="Methods")).to_be_checked()
        shows(shown, "Land cover", "Inland waters")
        shows(shown, "Compared with", "black")
        expect(shown).to_have_url(address)
    other.close()


def test_reload_and_second_tab_show_the_same_on_models(
    page: Page, context: BrowserContext, app: str
) -> None:
    rest = "&a=landcover-cnn&b=class-prior"
    for view, label, model in (("Card", "Model", "CNN"), ("Two models", "Model B", "prior")):
        address = f"{app}/models?model=landcover-cnn&view={view.replace(' ', '+')}{rest}"
        page.goto(address)
        other = context.new_page()
        other.goto(address)
        page.reload()
        for shown in (page, other):
            radio = shown.get_by_role("radio", name=view, exact=True)
            expect(radio).to_be_checked()
            shows(shown, label, model)
            expect(shown).to_have_url(address)
        other.close()


def test_the_link_of_an_upload_asks_for_the_file(
    page: Page, context: BrowserContext, app: str, tmp_path: Path
) -> None:
    steps.open_app(page, app)
    large = steps.write_stack(tmp_path / "my field.tif", read_sample("austria-fields"), (2, 1))
    steps.upload(page, large)
    expect(page.get_by_label("Row from the top")).to_have_value("60")
    page.get_by_label("Row from the top").fill("120")
    page.get_by_label("Row from the top").press("Enter")
    address = f"{app}/?file=my+field.tif&window=120%2C0"
    expect(page).to_have_url(address)
    other = context.new_page()
    other.goto(address)
    expect(other.get_by_text("Upload it under")).to_contain_text("my field.tif")
    steps.idle(other)
    steps.upload(other, large)
    expect(other.get_by_label("Row from the top")).to_have_value("120")
    expect(steps.verdict(other)).to_contain_text("%")
    expect(other).to_have_url(address)
    other.close()


def test_a_hostile_link_is_explained(page: Page, app: str, outside: list[str]) -> None:
    wrong = {"sample": "<img src=x>", "class": "![](https://example.com/a.png)", "at": "1e9,nan"}
    for name in ("", "explain", "models"):
        page.goto(f"{app}/{name}?{urlencode(wrong)}")
        expect(page.get_by_role("alert").first).to_contain_text("The address of this page")
        assert "Traceback" not in page.locator("[data-testid=stMain]").inner_text()
    assert steps.no_other_than_the_satellite_layer(outside)


@pytest.fixture
def fresh_app() -> Iterator[str]:
    with serve() as address:
        yield address


def test_a_link_works_for_the_first_visitor_of_a_server(page: Page, fresh_app: str) -> None:
    page.goto(f"{fresh_app}/explain?sample=finland-lake&compare=methods")
    expect(page.get_by_role("radio", name="Methods")).to_be_checked()
    expect(page).to_have_url(f"{fresh_app}/explain?sample=finland-lake&compare=methods")
    shows(page, "Place", "Finland")
