"""Training in a real browser: a short run that ends as a usable model, and one that outlives kills."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from landcover.io.samples import samples
from landcover.jobs.runs import record
from tests.browser import steps
from tests.browser.test_access import show, views, violations
from tests.support import runs
from tests.support.app_server import served

pytestmark = pytest.mark.browser

MODEL = "my-cnn"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The home of the app; a run that a failed test leaves there is ended."""
    monkeypatch.setenv("LANDCOVER_HOME", str(tmp_path))
    with runs.tidy():
        yield tmp_path


def open_example(page: Page, url: str) -> None:
    """Open the page and choose the six example patches."""
    page.goto(f"{url}/train")
    example = page.get_by_role("button", name="Try it with the six example patches")
    expect(example).to_be_visible()
    example.click()
    expect(page.get_by_text("3 train, 1 validation and 1 test patches")).to_be_visible()


def start(page: Page, epochs: int) -> None:
    """Start a training, after its cost was said."""
    field = page.get_by_role("spinbutton", name="Epochs", exact=True)
    field.fill(str(epochs))
    field.press("Enter")
    expect(page.get_by_text("MB of disk for 3 patches")).to_be_visible()
    page.get_by_role("button", name="Start training").click()
    expect(steps.heading(page, f"{MODEL} ")).to_be_visible()


@pytest.mark.slow
def test_a_short_training_is_watched_and_its_model_used(
    page: Page, home: Path, own_app: str, outside: list[str]
) -> None:
    open_example(page, own_app)
    start(page, 60)
    expect(page.get_by_text(re.compile(r"^Training, epoch \d+ of 60, loss"))).to_be_visible()
    expect(page.get_by_text(re.compile("patches/s, about .* left"))).to_be_visible()
    expect(page.locator("[class*=st-key-models_chart_loss] .js-plotly-plot")).to_be_visible()
    expect(steps.heading(page, f"{MODEL} is finished")).to_be_visible(timeout=180_000)
    expect(page.locator("[class*=st-key-models_chart_validation] .js-plotly-plot")).to_be_visible()
    assert (home / "models" / MODEL / "weights.safetensors").is_file()

    page.get_by_role("button", name=f"Use {MODEL} on Classify").click()
    expect(page.get_by_role("heading", name="Which land covers are here?")).to_be_visible()
    steps.classify_is_ready(page)
    steps.choose(page, "Places with known land covers", "4 ·")
    expect(steps.heading(page, samples()[3].title)).to_be_visible()
    expect(steps.verdict(page)).to_contain_text("%")
    assert f"model={MODEL}" in page.url

    steps.open_page(page, "Train")
    page.get_by_role("radio", name="Test a model").click()
    steps.choose(page, "Model to test", "landcover CNN")
    page.get_by_role("button", name="Start the test").click()
    expect(steps.heading(page, "Results")).to_be_visible(timeout=180_000)
    page.get_by_role("radio", name="Failures").click()
    expect(page.get_by_role("img", name="True colours of patch").first).to_be_visible()
    assert steps.no_other_than_the_satellite_layer(outside)


@pytest.mark.slow
def test_a_run_outlives_its_browser_and_a_server_that_is_killed(page: Page, home: Path) -> None:
    own = {"LANDCOVER_PERSONAL": "1", "LANDCOVER_HOME": str(home)}
    with served(environment=own) as server:
        open_example(page, server.address)
        start(page, 300)
        expect(page.get_by_text(re.compile(r"^Training, epoch \d+ of 300, "))).to_be_visible()
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
    (run,) = record.all_runs()
    assert run.state == "running"
    seen = len(run.history)
    with served(environment=own) as server:
        page.goto(f"{server.address}/train")
        expect(steps.heading(page, f"{MODEL} is")).to_be_visible()
        expect(steps.heading(page, f"{MODEL} is finished")).to_be_visible(timeout=240_000)
    (run,) = record.all_runs()
    assert (run.state, run.model) == ("finished", MODEL)
    assert [entry.epoch for entry in run.history] == list(range(1, 301))
    assert seen < 300


@views()
def test_it_is_accessible(page: Page, home: Path, own_app: str, scheme: str, width: int) -> None:
    show(page, scheme, width)
    open_example(page, own_app)
    page.get_by_text("More settings").click()
    page.get_by_text("Record it in TensorBoard or MLflow").click()
    page.get_by_text("Files for TensorBoard").click()
    start(page, 10)
    expect(steps.heading(page, f"{MODEL} is finished")).to_be_visible(timeout=180_000)
    page.mouse.move(0, 0)
    assert violations(page) == []
    narrow = page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth")
    assert narrow <= width
    assert list((home / "runs").glob("*/tensorboard/train/events.*"))


def test_a_shared_server_does_not_train(page: Page, app: str) -> None:
    page.goto(f"{app}/train")
    expect(page.get_by_text("it is switched off here")).to_be_visible()
    expect(page.get_by_label("Folder on this computer")).to_have_count(0)
