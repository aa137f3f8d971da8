"""The doctor names what is broken and what to do, and never ends in a traceback."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from landcover.cli.checkup import installation, server
from landcover.cli.checkup.finding import findings_of
from landcover.cli.doctor import CHECKS
from landcover.cli.main import main
from landcover.models import registry
from tests.conftest import ROOT


def doctor(*broken: str, **variables: str) -> list[dict[str, str]]:
    """What the doctor finds in a process without some modules, and with further variables."""
    code = (
        "import sys\n"
        f"for name in {broken!r}: sys.modules[name] = None\n"
        "from landcover.cli.main import main\n"
        "sys.exit(main(['doctor', '--json']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    found: list[dict[str, str]] = json.loads(done.stdout)
    assert done.returncode == any(each["level"] == "problem" for each in found)
    assert all(each["todo"] for each in found if each["level"] != "ok")
    return found


def troubles(found: list[dict[str, str]]) -> dict[str, str]:
    return {each["check"]: each["text"] for each in found if each["level"] != "ok"}


def test_a_good_installation_has_no_problem(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "ok       landcover-mosaic gives the known answer" in "\n".join(lines)
    assert lines[-1].startswith("Found no problems and ")
    assert len(lines) >= len(CHECKS)


def test_without_torch_the_rest_is_still_checked() -> None:
    found = doctor("torch")
    assert {"torch", "models"} <= set(troubles(found))
    assert "'torch' cannot be imported" in troubles(found)["torch"]
    assert {each["check"] for each in found} == set(CHECKS)


@pytest.mark.slow
def test_without_any_package_the_rest_is_still_checked() -> None:
    names = (
        "numpy",
        "rasterio",
        "pydantic",
        "platformdirs",
        "torch",
        "aiohttp",
        "pandas",
        "packaging",
    )
    found = doctor(*names)
    assert {"GDAL", "torch", "models", "own files"} <= set(troubles(found))
    assert {"Python", "clock", "settings"} <= {e["check"] for e in found if e["level"] == "ok"}


def test_a_damaged_model_is_named_and_the_others_load(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "broken"
    folder.mkdir(parents=True)
    (folder / "card.json").write_text("{")
    found = doctor(LANDCOVER_HOME=str(tmp_path))
    assert "broken" in troubles(found)["models"]
    (damaged,) = (e for e in found if e["check"] == "models" and e["level"] == "problem")
    assert "landcover models remove broken" in damaged["todo"]
    shipped = len(registry.default().shipped_names())
    assert f"{shipped} of {shipped + 1} models load" in [each["text"] for each in found]


def texts(name: str) -> list[tuple[str, str]]:
    return [(each.level, each.text) for each in findings_of(name, CHECKS[name])]


def test_a_folder_that_cannot_be_written_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANDCOVER_HOME", "/proc/landcover")
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    ((level, text),) = texts("own files")
    assert level == "warning"
    assert text.startswith("/proc/landcover cannot be written to")


def test_a_folder_that_others_read_and_a_killed_program_left_files_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANDCOVER_HOME", str(tmp_path))
    tmp_path.chmod(0o755)
    (tmp_path / ".landcover-lock").touch()
    found = "\n".join(text for _, text in texts("own files"))
    assert "Other users can look into" in found
    assert "1 temporary files or locks" in found


def test_settings_that_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANDCOVER_HOEM", "/x")
    monkeypatch.setenv("LANDCOVER_LIMIT_READERS", "3")
    (first, second) = findings_of("settings", server.settings)
    assert first.text == "LANDCOVER_HOEM is no setting of landcover."
    assert first.todo == "Did you mean LANDCOVER_HOME?"
    assert second.text == "Limits: readers = 3"
    monkeypatch.setenv("LANDCOVER_LIMIT_READERS", "many")
    (bad,) = findings_of("settings", server.settings)
    assert (bad.level, "READERS is 'many'" in bad.text) == ("problem", True)
    monkeypatch.delenv("LANDCOVER_LIMIT_READERS")
    monkeypatch.setenv("LANDCOVER_LOG", "xml")
    assert any("LANDCOVER_LOG is 'xml'" in text for _, text in texts("settings"))


def test_every_variable_that_the_program_reads_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    import re  # noqa: PLC0415

    sources = [*(ROOT / "landcover").rglob("*.py"), *(ROOT / "pages").rglob("*.py")]
    pattern = re.compile(r'"(LANDCOVER_[A-Z_]+[A-Z])"')
    read = {name for path in sources for name in pattern.findall(path.read_text("utf-8"))}
    assert {"LANDCOVER_HOME", "LANDCOVER_LOG", "LANDCOVER_CACHE_MB"} <= read
    for name in read:
        if not name.startswith("LANDCOVER_LIMIT"):
            monkeypatch.setenv(name, "text" if name == "LANDCOVER_LOG" else "1")
    assert [text for level, text in texts("settings") if level != "ok"] == []


def test_a_clock_before_the_release(monkeypatch: pytest.MonkeyPatch) -> None:
    class Reset(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Reset:
            return cls(1970, 1, 1, tzinfo=tz)

    monkeypatch.setattr(server, "datetime", Reset)
    assert texts("clock") == [("problem", "The clock says 1970-01-01, which cannot be.")]


def test_limits_beyond_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANDCOVER_LIMIT_HELD_BYTES", str(10**13))
    (level, text), (_, last) = texts("memory")
    assert (level, "but the limits allow" in text) == ("warning", True)
    assert "of them free" in last


def test_an_address_that_everybody_reaches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMLIT_SERVER_ADDRESS", "0.0.0.0")
    monkeypatch.setenv("STREAMLIT_SERVER_PORT", "1")
    first, second = texts("app")
    assert first[0] == "warning"
    assert second == ("ok", "The app's address is 0.0.0.0, port 1: it is free")
    monkeypatch.setenv("STREAMLIT_SERVER_PORT", "http")
    assert texts("app")[-1][0] == "problem"


def test_archives_that_do_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EARTH_SEARCH", "PLANETARY_COMPUTER", "COPERNICUS"):
        monkeypatch.setenv(f"LANDCOVER_CATALOG_{name}", "http://127.0.0.1:1/v1")
    found = list(findings_of("archives", server.catalogues))
    assert [each.level for each in found] == ["warning"] * 3
    assert "earth-search does not answer (Connection refused)." in found[0].text


def test_other_releases_than_the_tested_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "importlib.metadata.version", lambda name: "0.1" if name == "numpy" else "1"
    )
    found = "\n".join(each.text for each in installation.packages())
    assert "numpy 0.1 instead of" in found
