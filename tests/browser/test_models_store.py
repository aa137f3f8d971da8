"""Your models in a real browser: imported from another computer, renamed, used, removed, undone."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from landcover.cli.main import main
from landcover.io.samples import samples
from tests.browser import steps
from tests.browser.test_access import show, views, violations

pytestmark = pytest.mark.browser


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model that the command line exported on what stands for another computer."""
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("LANDCOVER_HOME", str(tmp_path / "elsewhere"))
        path = tmp_path / "from-a-friend.zip"
        assert main(["models", "add", "landcover-cnn", "--name", "field-net"]) == 0
        assert main(["models", "export", "field-net", str(path)]) == 0
    return path


def open_store(page: Page, url: str) -> None:
    page.goto(f"{url}/models?view=Your+models")
    expect(steps.heading(page, "Your models")).to_be_visible()
    expect(steps.heading(page, "Import a model")).to_be_visible()


def bring_in(page: Page, archive: Path) -> None:
    page.locator("input[type=file]").set_input_files(archive)
    expect(page.get_by_text("field-net is among your models now")).to_be_visible()


def rename(page: Page, old: str, new: str) -> None:
    page.get_by_role("button", name=f"Rename {old}").click()
    field = page.get_by_role("textbox", name="New name")
    field.fill(new)
    page.get_by_role("button", name="Save the name").click()


def test_a_model_of_another_computer_is_renamed_used_removed_and_brought_back(
    page: Page, own_app: str, archive: Path, outside: list[str]
) -> None:
    open_store(page, own_app)
    bring_in(page, archive)
    rename(page, "field-net", "landcover-mosaic")
    expect(page.get_by_text("is the name of a shipped model")).to_be_visible()
    page.get_by_role("textbox", name="New name").fill("valley-net")
    page.get_by_role("button", name="Save the name").click()
    expect(page.get_by_text("field-net is called valley-net now")).to_be_visible()

    page.get_by_role("button", name="Use valley-net on Classify").click()
    expect(page.get_by_role("heading", name="Which land covers are here?")).to_be_visible()
    steps.classify_is_ready(page)
    steps.choose(page, "Places with known land covers", "4 ·")
    expect(steps.heading(page, samples()[3].title)).to_be_visible()
    expect(steps.verdict(page)).to_contain_text("%")
    assert "model=valley-net" in page.url

    open_store(page, own_app)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download valley-net (zip)").click()
    assert saved.value.suggested_filename == "valley-net.zip"
    assert Path(saved.value.path()).stat().st_size > 100_000
    page.get_by_role("button", name="Remove valley-net").click()
    expect(page.get_by_text("valley-net was removed")).to_be_visible()
    open_store(page, own_app)
    page.get_by_role("button", name="Bring back valley-net").click()
    expect(page.get_by_text("valley-net is back")).to_be_visible()
    expect(page.get_by_role("button", name="Use valley-net on Classify")).to_be_visible()
    assert steps.no_other_than_the_satellite_layer(outside)


@views(("dark", 400))
def test_it_is_accessible(page: Page, own_app: str, archive: Path, scheme: str, width: int) -> None:
    show(page, scheme, width)
    open_store(page, own_app)
    assert violations(page) == []
    bring_in(page, archive)
    page.get_by_role("button", name="Remove field-net").click()
    expect(page.get_by_role("button", name="Bring back field-net")).to_be_visible()
    bring_in(page, archive)
    page.get_by_role("button", name="Rename field-net").click()
    expect(page.get_by_role("textbox", name="New name")).to_be_visible()
    page.mouse.move(0, 0)
    assert violations(page) == []
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= width
