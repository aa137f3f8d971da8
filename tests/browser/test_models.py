"""The Models page in a real browser: charts, and a threshold moved by keyboard."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser import steps
from tests.support.examples import sampled

pytestmark = pytest.mark.browser


def open_models(page: Page, app: str) -> None:
    steps.open_app(page, app)
    page.get_by_role("link", name="Models").click()
    expect(page.get_by_role("heading", name="Which model should I use?")).to_be_visible()
    expect(page.get_by_role("heading", name="Accuracy against time")).to_be_visible()


def open_view(page: Page, section: str, view: str) -> None:
    page.get_by_role("radio", name=section, exact=True).click()
    option = page.get_by_role("radio", name=view, exact=True)
    option.click()
    expect(option).to_be_checked()


def test_a_threshold_moves_by_keyboard_and_is_reset(
    page: Page, app: str, outside: list[str]
) -> None:
    page.set_viewport_size({"width": 1280, "height": 2400})
    open_models(page, app)
    chart = page.locator(".st-key-models_chart_leaderboard .js-plotly-plot")
    expect(chart).to_be_visible()  # the browser loads plotly when it is first needed
    open_view(page, "Probabilities", "Thresholds")
    slider = page.get_by_role("slider")
    expect(slider).to_be_visible()
    steps.choose(page, "Class", "Pastures")
    recall = page.get_by_test_id("stMetric").filter(has_text="Recall")
    expect(recall).to_be_visible()
    before = slider.get_attribute("aria-valuetext")
    slider.press("End")
    expect(recall.get_by_test_id("stMetricValue")).to_have_text("0.000")
    page.get_by_role("button", name="Reset to the report's").click()
    expect(slider).to_have_attribute("aria-valuetext", str(before))
    expect(recall.get_by_test_id("stMetricValue")).not_to_have_text("0.000")
    assert steps.no_other_than_the_satellite_layer(outside)


@pytest.mark.parametrize("scheme", sampled(["light", "dark"], ["light"]))
def test_fits_a_phone(page: Page, app: str, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    open_models(page, app)
    page.set_viewport_size({"width": 400, "height": 850})
    for section, view in (
        ("Probabilities", "Reliability"),
        ("Probabilities", "Risk and coverage"),
        ("Errors", "Failures"),
        ("Trust and card", "Can it be trusted?"),
        ("Trust and card", "Card"),
        ("Trust and card", "Architecture"),
    ):
        open_view(page, section, view)
        expect(
            page.get_by_role("alert").filter(has_text=re.compile("wrong|damaged"))
        ).to_have_count(0)
        width = page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth")
        assert width <= 400


def test_a_wide_net_is_scrolled_by_keyboard_inside_its_frame(page: Page, app: str) -> None:
    page.set_viewport_size({"width": 400, "height": 850})
    page.goto(f"{app}/models?view=Architecture&model=landcover-cnn")
    drawing = page.locator("[class*=st-key-app_architecture_landcover-cnn]")
    expect(drawing.locator(".js-plotly-plot")).to_be_visible()
    expect(drawing.get_by_text("layout.1", exact=True)).to_be_attached()
    button = drawing.get_by_role("button").first
    button.focus()
    for _ in range(8):
        button.press("ArrowRight")
    expect(drawing).not_to_have_js_property("scrollLeft", 0)
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= 400
    page.get_by_text("Show as a table").click()
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()


def test_the_curve_of_the_verdict_is_reached_by_keyboard(
    page: Page, app: str, outside: list[str]
) -> None:
    page.set_viewport_size({"width": 1280, "height": 2400})
    open_models(page, app)
    open_view(page, "Trust and card", "Can it be trusted?")
    for head in ("How often is a good patch flagged?", "Which bad patches are flagged?"):
        expect(page.get_by_role("heading", name=head)).to_be_visible()
    for stem in ("false-alarms", "caught", "risk-verdict"):
        chart = page.locator(f"[class*=st-key-models_chart_{stem}] .js-plotly-plot")
        expect(chart).to_be_visible()
    good = page.get_by_role("radio", name="Good patches", exact=True)
    good.focus()
    good.press("ArrowRight")
    mixed = page.get_by_role("radio", name="Good patches mixed with corrupted ones")
    mixed.press("Space")
    expect(mixed).to_be_checked()
    expect(page.locator("[class*=st-key-models_chart_risk-verdict][class*=mixed]")).to_be_visible()
    assert steps.no_other_than_the_satellite_layer(outside)
