"""Logs hold nothing that a visitor sent, whoever logs it."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from landcover.core import logs
from landcover.core.errors import BadInput

CANARY = "Grandma's-farm-47.123456"

PROGRAM = f"""
import logging, sys, threading, warnings
from landcover.core import logs
from landcover.core.errors import BadInput

canary = {CANARY!r}
early = logging.getLogger("streamlit.early")
early.addHandler(logging.StreamHandler(sys.stdout))
early.propagate = False
logs.configure()
late = logging.getLogger("uvicorn.late")
late.addHandler(logging.StreamHandler(sys.stdout))
late.propagate = False
late.error("before it is taken over: " + canary)
logs.configure()

logs.event("session opened", session=canary)
logs.event("classified", ms=12.345, model="landcover-cnn", session=canary)
logs.event("classified", model=canary + "/../x")
logs.event("upload refused", error=BadInput(canary))
logging.getLogger("landcover.net.disk_cache").warning("The cache in %s is full: %r.", canary, canary)
early.error("GET /" + canary)
late.warning("%s said %s", "127.0.0.1", canary)
logging.getLogger("uvicorn.access").info("GET /%s", canary)
try:
    try:
        {{}}[canary]
    except KeyError as error:
        raise ValueError(canary) from error
except ValueError:
    early.exception("Uncaught: " + canary)
warnings.warn(canary, stacklevel=1)
def fails(): raise RuntimeError(canary)
thread = threading.Thread(target=fails, name=canary)
thread.start(); thread.join()
raise OSError(2, "No such file", canary)
"""


def run(form: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the program above, with its logs in that form."""
    root = Path(__file__).parents[2]
    return subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={"PYTHONPATH": str(root), "LANDCOVER_LOG": form, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def lines() -> list[dict[str, object]]:
    done = run("json", LANDCOVER_LIMIT_READERS="3")
    assert done.returncode == 1
    assert CANARY not in done.stdout + done.stderr
    assert done.stdout.splitlines() == ["message of uvicorn.late, <string>:14"]
    return [json.loads(line) for line in done.stderr.splitlines()]


def of(lines: list[dict[str, object]], event: str) -> list[dict[str, object]]:
    found = [line for line in lines if line["event"] == event]
    assert found, [line["event"] for line in lines]
    return found


def test_every_line_is_json_with_time_level_and_event(lines: list[dict[str, object]]) -> None:
    assert all(str(line["time"]).endswith("+00:00") for line in lines)
    assert {line["level"] for line in lines} == {"info", "warning", "error"}
    assert all(line["event"] for line in lines)


def test_the_start_has_versions_and_changed_limits(lines: list[dict[str, object]]) -> None:
    (start,) = of(lines, "started")
    assert start["changed_limits"] == {"readers": 3}
    assert {"landcover", "python", "torch", "streamlit"} <= set(dict(start["versions"]))  # type: ignore[call-overload]


def test_events_have_durations_models_classes_and_the_same_code_for_a_session(
    lines: list[dict[str, object]],
) -> None:
    first, other = of(lines, "classified")
    assert (first["ms"], first["model"]) == (12.3, "landcover-cnn")
    assert other["model"] == "other"
    assert first["session"] == of(lines, "session opened")[0]["session"]
    assert len(str(first["session"])) == 8
    assert of(lines, "upload refused")[0]["error"] == "BadInput"


def test_the_code_of_a_session_differs_between_processes() -> None:
    codes = {
        line.split("session=")[1]
        for _ in range(2)
        for line in run("text").stderr.splitlines()
        if "session opened" in line
    }
    assert len(codes) == 2


def test_messages_of_others_are_reduced_to_where_they_came_from(
    lines: list[dict[str, object]],
) -> None:
    of(lines, "The cache in … is full: ….")
    assert {line["event"] for line in lines} >= {
        "message of streamlit.early, <string>:22",
        "message of uvicorn.late, <string>:23",
    }
    assert not any("uvicorn.access" in str(line["event"]) for line in lines)


def test_an_error_is_its_class_its_causes_and_lines_of_code(
    lines: list[dict[str, object]],
) -> None:
    (logged,) = (line for line in lines if line.get("causes"))
    assert (logged["error"], logged["causes"]) == ("ValueError", ["KeyError"])
    assert logged["at"] == ["<string>:29"]
    assert of(lines, "an error ended a thread")[0]["error"] == "RuntimeError"
    assert of(lines, "an error ended a program")[0]["error"] == "FileNotFoundError"
    assert of(lines, "a warning of Python")[0]["error"] == "UserWarning"


def test_text_has_the_same_values_and_no_canary() -> None:
    done = run("text")
    assert CANARY not in done.stdout + done.stderr
    assert "classified  ms=12.3  model=landcover-cnn" in done.stderr
    assert "error=ValueError  causes=KeyError" in done.stderr


def test_full_logs_keep_messages_for_development() -> None:
    done = run("full")
    assert CANARY in done.stderr
    assert "classified" in done.stderr


def test_an_unknown_form_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(logs.VARIABLE, "xml")
    with pytest.raises(BadInput, match="LANDCOVER_LOG is 'xml': set it to text, json or full"):
        logs.configure()


def test_without_configuration_nothing_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    logs.event("classified", ms=1, model="landcover-cnn")
    assert capsys.readouterr() == ("", "")


def test_only_known_events_are_logged() -> None:
    with pytest.raises(ValueError, match="no event"):
        logs.event("somebody looked at 47.1, 8.5")  # type: ignore[arg-type]


def test_a_files_path_is_cut_before_what_may_name_a_person() -> None:
    record = logging.LogRecord("x", logging.ERROR, "/home/ann/x.py", 3, "%s", (CANARY,), None)
    assert logs.scrubbed(record).getMessage() == "message of x, x.py:3"
