"""Progress on standard error: a bar on a terminal, occasional lines in a log."""

from __future__ import annotations

import io
import re
import sys
import threading

import pytest

from landcover.cli.progress import Display, show
from landcover.core.progress import BYTES, Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def fetching(done: int, what: str = "Fetching x.zip", detail: str = "") -> Progress:
    return Progress(what=what, done=done, total=100_000_000, unit=BYTES, detail=detail)


def frames(text: str) -> list[str]:
    """The drawn lines, without control sequences."""
    return re.sub(r"\x1b\[[?0-9;]*[A-Za-z]", "", text).replace("\r", "\n").splitlines()


@pytest.fixture(autouse=True)
def _width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")


def test_a_terminal_gets_a_bar_with_rate_and_time_left_which_is_removed_at_the_end() -> None:
    terminal, clock = Terminal(), Clock()
    with show(terminal, clock) as report:
        for second in range(4):
            clock.now = float(second)
            report(fetching(second * 5_000_000))
        report(fetching(15_000_000, detail="no answer, next try in 4 s"))
    drawn = frames(terminal.getvalue())
    assert any(
        line.startswith("Fetching x.zip ━")
        and "15.0 of 100.0 MB, 5.0 MB/s, 0:17 left, no answer, next try in 4 s" in line
        for line in drawn
    )
    assert terminal.getvalue().endswith("\x1b[2K")


def test_a_rate_that_would_be_zero_is_left_out() -> None:
    stream, clock = io.StringIO(), Clock()
    display = Display(stream, clock)
    for done in range(4):
        clock.now = 40.0 * done
        display(Progress(what="Folds of x", done=done, total=8, unit="folds"))
    assert stream.getvalue().splitlines() == ["Folds of x: 2 of 8 folds, 4:00 left"]


def test_the_rate_is_reset_with_each_job_and_has_its_unit() -> None:
    terminal, clock = Terminal(), Clock()
    with show(terminal, clock) as report:
        report(fetching(90_000_000))
        clock.now = 1.0
        report(Progress(what="Unpacking", done=1000, unit="files"))
        for second in range(2, 5):
            clock.now = float(second)
            report(Progress(what="Unpacking", done=1000 + 20 * second, total=2000, unit="files"))
    text = "\n".join(frames(terminal.getvalue()))
    assert "90.0 of 100.0 MB" in text
    assert "1,080 of 2,000 files, 20 files/s, 0:46 left" in text


def test_a_job_without_a_count_shows_its_name() -> None:
    terminal = Terminal()
    with show(terminal) as report:
        report(fetching(1))
        report(Progress(what="Asking Earth Search"))
    assert frames(terminal.getvalue())[-2].startswith("Asking Earth Search ━")


def test_markup_in_a_name_is_shown_as_it_is() -> None:
    terminal = Terminal()
    with show(terminal) as report:
        report(Progress(what="Looking through [red]x", detail="[bold]{y}"))
    assert "Looking through [red]x" in terminal.getvalue()
    assert "[bold]{y}" in terminal.getvalue()


def test_a_log_gets_a_line_a_minute_and_one_when_the_job_changes() -> None:
    log, clock = io.StringIO(), Clock()
    with show(log, clock) as report:
        for second in range(150):
            clock.now = float(second)
            report(fetching(second * 500_000))
        clock.now = 165.0
        report(fetching(75_000_000, "Checking x.zip"))
        report(fetching(76_000_000, "Checking x.zip"))
    lines = log.getvalue().splitlines()
    assert lines == [
        "Fetching x.zip: 30.0 of 100.0 MB, 0.5 MB/s, 2:20 left",
        "Fetching x.zip: 60.0 of 100.0 MB, 0.5 MB/s, 1:20 left",
        "Checking x.zip: 75.0 of 100.0 MB",
    ]


def test_a_quick_command_writes_nothing_into_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    with show() as report:
        report(Progress(what="Reading", done=1, total=1))
    assert capsys.readouterr() == ("", "")


def test_the_bar_does_not_change_standard_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with show() as report:
        report(Progress(what="Reading", done=1, total=2))
        sys.stdout.write("result\n")
    assert capsys.readouterr().out == "result\n"
    assert "result" not in terminal.getvalue()


def test_an_error_inside_leaves_no_bar_behind() -> None:
    terminal = Terminal()

    def fail() -> None:
        with show(terminal) as report:
            report(Progress(what="Reading", done=1, total=2))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert terminal.getvalue().endswith("\x1b[2K")


def test_reports_may_come_from_several_threads() -> None:
    terminal = Terminal()
    with show(terminal) as report:
        threads = [
            threading.Thread(target=report, args=(Progress(what=f"Job {k % 3}", done=k, total=9),))
            for k in range(9)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert "Job" in terminal.getvalue()


def test_long_times_left_are_shown_in_hours() -> None:
    log, clock = io.StringIO(), Clock()
    display = Display(log, clock)
    for second in range(3):
        clock.now = float(second)
        display(Progress(what="Training", done=second, total=7386, unit="patches"))
    assert display.left == "2:03:04 left"
    display.close()
    assert display.left == ""
