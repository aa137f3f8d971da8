"""Test the commands ``corrections`` and ``adapt``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from landcover.adapt import geojson
from landcover.adapt.corrections import Kept
from landcover.adapt.lineage import ADAPTATION
from landcover.cli.main import main
from landcover.explain import neighbours
from landcover.io.samples import NAMES
from landcover.models import registry
from landcover.trust import novelty

CNN = ("--model", "landcover-cnn")
WATER = {"finland-lake"}


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANDCOVER_HOME", str(tmp_path / "home"))


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(arguments)
    out, err = capsys.readouterr()
    return status, out, err


def forget() -> None:
    """Remove what is kept besides the corrections."""
    shutil.rmtree(Kept.default().folder)


@pytest.fixture
def corrected(capsys: pytest.CaptureFixture[str]) -> None:
    """Correct the answers for all samples."""
    for name in NAMES:
        said = "--present" if name in WATER else "--absent"
        status, _, err = run(
            capsys, "corrections", "add", name, said, "Inland waters", "--absent", "Pastures", *CNN
        )
        assert (status, err) == (0, "")


@pytest.mark.usefixtures("corrected")
def test_corrections_are_listed_undone_exported_and_imported(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    _, out, _ = run(capsys, "corrections")
    assert len(out.splitlines()) == len(NAMES)
    assert "finland-lake · " in out
    file = tmp_path / "mine.geojson"
    assert run(capsys, "corrections", "export", str(file))[0] == 0
    kept = Kept.default().read()
    assert geojson.read(file) == kept
    assert kept[0].answer
    assert kept[0].model == "landcover-cnn"
    _, out, _ = run(capsys, "corrections", "--json")
    assert json.loads(out) == json.loads(file.read_text(encoding="utf-8"))
    assert run(capsys, "corrections", "undo")[1].startswith(f"Removed: {kept[-1].id}")
    assert run(capsys, "corrections", "import", str(file))[1].startswith("Added 1 of 6")
    assert Kept.default().read() == kept


def test_without_corrections_commands_say_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert "no corrections yet" in run(capsys, "corrections")[1]
    for command in (("corrections", "undo"), ("adapt", "--sources", "finland-lake"), ("adapt",)):
        status, out, err = run(capsys, *command)
        assert (status, out) == (2, "")
        assert err.startswith("error: There are no corrections")


@pytest.mark.parametrize(
    "arguments",
    [
        ("corrections", "add", "finland-lake"),
        ("corrections", "add", "finland-lake", "--present", "Moon"),
        ("corrections", "add", "no-such-file.tif", "--present", "Pastures"),
        ("corrections", "import", "no-such-file.geojson"),
        ("corrections", "export", "corrections.exe"),
        ("adapt", "no-such-file.geojson", "--sources", "finland-lake"),
    ],
)
def test_bad_usage_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1


@pytest.mark.usefixtures("corrected")
def test_a_model_is_adapted_measured_and_kept(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    base = ("adapt", "--sources", *NAMES, *CNN)
    status, out, err = run(capsys, *base)
    assert (status, err) == (0, "")
    assert "6 corrections at 6 places" in out
    assert registry.default().user_names() == []
    out_folder = tmp_path / "own"
    status, out, err = run(
        capsys, *base, "--out", str(out_folder), "--register", "mine", "--anyway", "--json"
    )
    assert status == 0
    found = json.loads(out)
    assert found["parent"] == "landcover-cnn"
    assert found["left_out"]["n"] == len(NAMES)
    for model in ("mine", out_folder):
        card = registry.default().load(model, "cpu").card
        assert card.training[ADAPTATION]["corrections_sha256"] == found["corrections_sha256"]
    status, out, _ = run(capsys, "classify", "finland-lake", "--model", "mine", "--json")
    assert status == 0
    assert json.loads(out)["model"]
    folder = registry.default().folder("mine")
    assert novelty.load(folder, registry.default().card("mine").hash) is not None
    assert neighbours.load(folder, registry.default().card("mine").hash) is not None
    status, _, err = run(capsys, *base, "--out", str(out_folder))
    assert status == 2
    assert "is not an empty folder" in err


@pytest.mark.usefixtures("corrected")
@pytest.mark.slow
def test_files_are_needed_only_where_nothing_is_kept_for_the_model(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    status, out, err = run(capsys, "adapt", *CNN)
    assert (status, err) == (0, "")
    assert "6 corrections at 6 places" in out
    assert run(capsys, "adapt", *CNN, "--sources", *NAMES)[1] == out

    status, again, err = run(capsys, "adapt", *CNN, "--register", "mine")
    assert (status, again) == (2, out)
    assert "not kept, because it is not shown to help" in err
    assert registry.default().user_names() == []

    other = ("adapt", "--model", "random-convolution")
    status, _, err = run(capsys, *other)
    assert status == 2
    *lost, last = err.splitlines()
    assert len(lost) == len(NAMES)
    assert all("are not kept: give the file of '" in line for line in lost)
    assert "no corrections with their pixels" in last
    assert run(capsys, *other, "--sources", *NAMES)[0] == 0
    status, again, err = run(capsys, *other)
    assert (status, err) == (0, "")
    assert "6 corrections at 6 places" in again

    file = tmp_path / "own.geojson"
    run(capsys, "corrections", "export", str(file))
    while Kept.default().read():
        run(capsys, "corrections", "undo")
    assert not list(Kept.default().folder.iterdir())
    assert "needs the files once" in run(capsys, "corrections", "import", str(file))[1]
    assert run(capsys, "adapt", *CNN)[0] == 2


@pytest.mark.usefixtures("corrected")
def test_a_model_that_is_not_shown_to_help_is_not_kept(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    forget()
    out_folder = tmp_path / "own"
    three = (*NAMES[:3],)
    status, out, err = run(capsys, "adapt", "--sources", *three, *CNN, "--out", str(out_folder))
    assert status == 2
    assert "3 corrections at 3 places" in out
    assert "cannot be told from 3 places" in out
    *lost, last = err.splitlines()
    assert len(lost) == 3
    assert "is not among the sources" in lost[0]
    assert "not shown to help" in last
    assert not out_folder.exists()


@pytest.mark.usefixtures("corrected")
def test_sources_that_are_missing_are_named_and_the_rest_is_used(
    capsys: pytest.CaptureFixture[str],
) -> None:
    forget()
    status, out, err = run(capsys, "adapt", "--sources", *NAMES[:5], *CNN)
    assert status == 1
    assert "5 corrections" in out
    assert err.count("\n") == 1
    assert NAMES[5] in err


def test_the_next_windows_to_correct_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "corrections", "add", "finland-lake", "--present", "Inland waters", *CNN)
    status, out, err = run(capsys, "corrections", "suggest", *NAMES, "--count", "9", *CNN)
    assert (status, err) == (0, "")
    named = [line.split(" · ")[0] for line in out.splitlines()]
    assert sorted(named) == sorted(set(NAMES) - {"finland-lake"})
    status, out, err = run(capsys, "corrections", "suggest", "no-such.tif", NAMES[0], *CNN)
    assert status == 1
    assert "no-such.tif" in err
    status, _, err = run(capsys, "corrections", "suggest", "no-such.tif", *CNN)
    assert status == 2
    assert err.splitlines()[-1].startswith("error: None of the sources")
