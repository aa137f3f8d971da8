"""Teach it your region in a real browser: correct answers, adapt, see the difference, undo."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from landcover.adapt import geojson
from landcover.adapt.corrections import of_answer
from landcover.io.samples import Sample, read_sample, samples
from tests.browser import steps
from tests.browser.test_access import show, tab_to, views, violations

pytestmark = pytest.mark.browser

FORM = "Is this right? Correct it"


def form(page: Page) -> Locator:
    return page.locator(".st-key-classify_correct")


def open_sample(page: Page, url: str, sample: Sample) -> None:
    page.goto(f"{url}/?sample={sample.name}")
    expect(steps.heading(page, sample.title)).to_be_visible()
    expect(page.get_by_text(FORM)).to_be_visible()
    steps.idle(page)


def choose_sample(page: Page, number: int) -> None:
    steps.choose(page, "Places with known land covers", f"{number} ·")
    expect(steps.heading(page, samples()[number - 1].title)).to_be_visible()
    # Until the whole page is drawn anew, the form is that of the place before; and it is drawn
    # once more when the attribution map is computed.
    steps.idle(page)
    expect(page.get_by_role("button", name="Image and attribution map as PNG")).to_be_visible()
    steps.idle(page)


def correct(page: Page, sample: Sample) -> None:
    """Say of each class that was found whether the reference label has it."""
    keep = page.get_by_role("button", name="Keep this correction")
    if not keep.is_visible():
        page.get_by_text(FORM).click()
    expect(keep).to_be_visible()
    for row in form(page).get_by_test_id("stButtonGroup").all():
        label = row.locator("label").first.inner_text()
        answer = "There" if label in sample.truth else "Not there"
        row.get_by_role("radio", name=answer, exact=True).click()
    keep.click()
    expect(form(page).get_by_text("You said of this place")).to_be_visible()


@pytest.mark.slow
def test_five_answers_are_corrected_a_model_adapted_and_all_is_undone(
    page: Page, app: str, outside: list[str], tmp_path: Path
) -> None:
    open_sample(page, app, samples()[0])
    for number, sample in enumerate(samples()[:5], 1):
        if number > 1:
            choose_sample(page, number)
        correct(page, sample)
    expect(form(page).get_by_text("That is 5 corrections")).to_be_visible()
    page.get_by_role("button", name="All corrections").click()
    expect(steps.heading(page, "Your corrections (5)")).to_be_visible()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Export all corrections (GeoJSON)").click()
    exported = tmp_path / "five.geojson"
    waiting.value.save_as(exported)
    assert len(json.loads(exported.read_text())["features"]) == 5

    page.get_by_role("button", name="Suggest places").click()
    expect(page.get_by_text(samples()[5].title)).to_be_visible()

    page.get_by_role("button", name="Adapt landcover").click()
    expect(page.locator(".st-key-teach_chart .js-plotly-plot")).to_be_visible()
    page.get_by_text("Show as a table").click()
    expect(page.get_by_role("table").get_by_text("All, log loss")).to_be_visible()
    # Of five places it may or may not be shown to help.
    page.get_by_role("button", name="Use this model").or_(
        page.get_by_role("button", name="Keep it anyway")
    ).click()
    expect(page.get_by_text("is in the list of models")).to_be_visible()

    page.get_by_role("button", name="Use my-region on Classify").click()
    expect(steps.heading(page, "Before and after your corrections")).to_be_visible()
    expect(page.locator(".st-key-before_after_chart .js-plotly-plot")).to_be_visible()
    expect(page.get_by_text("The model is adapted to this place")).to_be_visible()
    page.get_by_text("Show before and after as a table").click()
    expect(page.get_by_role("columnheader", name="Change in points")).to_be_visible()
    page.get_by_role("button", name="Back to ").click()
    expect(steps.heading(page, "Before and after your corrections")).to_have_count(0)

    page.get_by_role("button", name="Undo this correction").click()
    expect(form(page).get_by_text("was removed")).to_be_visible()
    page.get_by_role("button", name="Bring it back").click()
    expect(form(page).get_by_text("You said of this place")).to_be_visible()

    steps.open_page(page, "Teach")
    page.get_by_role("button", name="Remove my-region").click()
    expect(page.get_by_text("my-region was removed")).to_be_visible()
    page.get_by_role("button", name="Remove all corrections").click()
    expect(page.get_by_text("There are no corrections yet")).to_be_visible()
    page.locator("input[type=file]").set_input_files(exported)
    expect(page.get_by_text("Added 5 of 5 corrections")).to_be_visible()
    expect(steps.heading(page, "Your corrections (5)")).to_be_visible()
    assert steps.no_other_than_the_satellite_layer(outside)


@views()
def test_correcting_and_teaching_are_accessible(
    page: Page, app: str, scheme: str, width: int
) -> None:
    show(page, scheme, width)
    page.goto(f"{app}/teach")
    expect(page.get_by_text("There are no corrections yet")).to_be_visible()
    assert violations(page) == []
    page.locator("input[type=file]").set_input_files(
        {"name": "mine.geojson", "mimeType": "application/geo+json", "buffer": of_samples()}
    )
    expect(steps.heading(page, "Your corrections (6)")).to_be_visible()
    page.get_by_role("button", name="Adapt landcover").click()
    expect(page.locator(".st-key-teach_chart .js-plotly-plot")).to_be_visible()
    page.get_by_text("Show as a table").click()
    page.get_by_role("button", name="Suggest places").click()
    expect(page.get_by_text("All 6 windows at hand are corrected")).to_be_visible()
    page.mouse.move(0, 0)
    assert violations(page) == []
    narrow = page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth")
    assert narrow <= width
    page.get_by_role("button", name="Use this model").or_(
        page.get_by_role("button", name="Keep it anyway")
    ).click()
    expect(page.get_by_text("is in the list of models")).to_be_visible()
    page.get_by_role("button", name="Show place 4").click()
    expect(steps.heading(page, "Before and after your corrections")).to_be_visible()
    expect(page.get_by_role("button", name="Image and attribution map as PNG")).to_be_visible()
    page.get_by_text(FORM).click()
    expect(page.get_by_role("button", name="Keep this correction")).to_be_visible()
    page.mouse.move(0, 0)
    assert violations(page) == []
    narrow = page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth")
    assert narrow <= width


def of_samples() -> bytes:
    """Corrections of all samples, as a file."""
    made = [
        of_answer(read_sample(sample.name), {}, predicted=[], present=sample.truth, complete=True)
        for sample in samples()
    ]
    return geojson.as_text(made).encode()


@pytest.mark.slow
def test_on_a_personal_computer_a_correction_outlives_a_reload(page: Page, own_app: str) -> None:
    open_sample(page, own_app, samples()[3])
    page.get_by_text(FORM).click()
    tab_to(page, "Nothing else is there: all other land covers are absent")
    page.keyboard.press("Space")
    tab_to(page, "Keep this correction")
    page.keyboard.press("Enter")
    expect(form(page).get_by_text("You said of this place")).to_be_visible()
    page.reload()
    expect(form(page).get_by_text("You said of this place")).to_be_visible()
    page.get_by_role("button", name="Undo this correction").click()
    expect(form(page).get_by_text("was removed")).to_be_visible()
    page.reload()
    expect(page.get_by_text(FORM)).to_be_visible()
    expect(form(page).get_by_text("You said of this place")).to_have_count(0)
