"""The Experiments page in a real browser: a run, its details and files, comparison, removal."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from landcover.datasets.example_folder import write_example
from landcover.jobs.runs import control
from landcover.models import registry
from landcover.models.store import import_archive
from tests.browser import steps
from tests.browser.test_access import press, violations
from tests.support import runs

pytestmark = pytest.mark.browser


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The home of the app; a run that a failed test leaves there is ended."""
    monkeypatch.setenv("LANDCOVER_HOME", str(tmp_path))
    with runs.tidy():
        yield tmp_path


@pytest.mark.slow
def test_a_run_is_read_downloaded_compared_removed_and_brought_back(
    page: Page, home: Path, own_app: str, outside: list[str]
) -> None:
    page.goto(f"{own_app}/experiments")
    expect(page.get_by_text("There are no runs of yours yet")).to_be_visible()
    page.get_by_role("button", name="Go to Train").click()
    expect(steps.heading(page, "Train and test")).to_be_visible()
    root = write_example(home / "six")
    settings = {"batch": 3, "validate_every": 1, "net_options": {**runs.NET, "members": 1}}
    run = control.start(runs.order(root, epochs=1, settings=settings))
    assert runs.wait(run.id, seconds=180).state == "finished"

    page.goto(f"{own_app}/experiments")
    expect(steps.heading(page, "mine")).to_be_visible()
    expect(page.locator(".js-plotly-plot")).to_have_count(2)
    page.get_by_text("Log", exact=True).click()
    expect(page.get_by_text("epoch 1 of 1")).to_be_visible()
    with page.expect_download() as archive:
        page.get_by_role("button", name="Weights, card and reports (zip)").click()
    saved = home / "saved.zip"
    archive.value.save_as(saved)
    assert {"card.json", "weights.safetensors"} <= set(zipfile.ZipFile(saved).namelist())
    other = registry.Registry(home=home / "elsewhere")
    assert import_archive(other, saved) == "mine"

    press(page, page.get_by_role("radio", name="Two compared"))
    expect(steps.heading(page, "Settings that differ")).to_be_visible()
    steps.choose(page, "Experiment B", "landcover-cnn")
    expect(page.locator(".js-plotly-plot")).to_have_count(2)
    steps.idle(page)
    assert violations(page) == []
    assert re.search(r"with=model(:|%3A)landcover-cnn", page.url)
    page.reload()
    expect(steps.heading(page, "Settings that differ")).to_be_visible()

    press(page, page.get_by_role("radio", name="One in detail"))
    page.get_by_text("Rename or remove").click()
    page.get_by_role("button", name="Remove mine").click()
    expect(page.get_by_text("mine was removed")).to_be_visible()
    page.get_by_role("button", name="Bring it back").click()
    expect(page.get_by_text("mine was removed")).to_have_count(0)
    expect(steps.heading(page, "mine")).to_be_visible()
    assert outside == []
