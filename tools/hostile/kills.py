"""Kill real runs at random moments and check that nothing is lost, half-written or left over.

Each job runs in a forked child, which is killed with SIGKILL after a random part of the time that
an uninterrupted run takes. After the kill the files must be whole, and have all that the child had
confirmed. Every few kills, and at the end, a run must finish, with the result of an uninterrupted
one and without temporary files.

    python -m tools.hostile.kills          # all, some minutes
    python -m tools.hostile.kills --short  # a few of each
    python -m tools.hostile.kills explain  # one job
"""

from __future__ import annotations

import os
import random
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import takewhile
from os import _exit as leave
from pathlib import Path
from typing import Any, Final

from landcover.core import files
from tools.hostile.table import Row, table_text

__all__ = ["Job", "main", "run", "run_job"]

SEED: Final = 13
FINISH_EVERY: Final = 4
"""Kills after which the run is left to finish."""
LONGEST_S: Final = 120.0

Say = Callable[[str], None]
"""Confirms something: from then on a kill must not lose it."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """Something that writes files, and what must be true of them.

    Attributes:
        what: name of the job.
        kills: number of kills of the full form.
        few: number of kills of the short form.
        work: does it in a folder; the same call resumes it.
        check: checks the folder after a kill, given what was confirmed since it was new.
        result: what an uninterrupted run leaves, to be compared.
        prepare: makes what is in the folder before the first run.
        begin: the same for what is in this process, such as a server.
    """

    what: str
    kills: int
    work: Callable[[Path, Say], None]
    check: Callable[[Path, list[str]], None]
    result: Callable[[Path], object]
    few: int = 2
    prepare: Callable[[Path], object] = lambda _: None
    begin: Callable[[], object] = lambda: None


@dataclass
class Tally:
    """What came of the kills of one job."""

    kills: int = 0
    resumed: int = 0
    left: int = 0
    failures: list[str] = field(default_factory=list)


def run(short: bool, only: str = "") -> list[Row]:  # noqa: FBT001 - the same in all parts of `make hostile`
    """Kill all jobs and return a row for each.

    Args:
        short: a few kills of each job instead of all.
        only: a part of the name of the jobs to kill.
    """
    from tools.hostile.killed_jobs import jobs  # noqa: PLC0415 - loads torch

    rows = []
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kills-")))
        for job in jobs(stack, home, short=short):
            if only not in job.what:
                continue
            count = job.few if short else job.kills
            rows.append(run_job(job, home / "runs" / job.what.replace(" ", "-"), count))
    return rows


def run_job(job: Job, folder: Path, kills: int, seed: int = SEED) -> Row:
    """Kill one job some times.

    Args:
        job: the job.
        folder: for its files.
        kills: how often.
        seed: of the random moments.
    """
    chance, tally = random.Random(f"{seed} {job.what}"), Tally()  # noqa: S311 - moments of kills
    whole, place = folder / "whole", folder / "killed"
    _fresh(job, whole)
    status, _, seconds = _child(partial(job.work, whole), whole)
    if status:
        return Row(f"kills: {job.what}", kills, kills, status)
    expected = _result(job, whole)
    confirmed: list[str] = []
    _fresh(job, place)
    while tally.kills < kills and len(tally.failures) < 5:
        moment = chance.uniform(0, seconds)
        status, said, took = _child(partial(job.work, place), place, moment)
        confirmed += said
        if status == "killed":
            tally.kills += 1
            tally.left += len(leftovers(place))
            _note(tally, _child(_asked(job.check, place, list(confirmed)), place)[0])
            if tally.kills % FINISH_EVERY and tally.kills < kills:
                continue
            status, _, took = _child(partial(job.work, place), place)
            tally.resumed += 1
        else:
            seconds = (seconds + took) / 2
        _finished(job, place, status, expected, tally)
        confirmed.clear()
        _fresh(job, place)
    for failure in tally.failures:
        print(f"{job.what}: {failure}", file=sys.stderr)
    shutil.rmtree(folder)
    figure = (
        f"one run {seconds:.2f} s; {tally.resumed} resumed to the same end, "
        f"{tally.left} temporary files of killed runs removed"
    )
    return Row(f"kills: {job.what}", tally.kills, len(tally.failures), figure)


def _finished(job: Job, place: Path, status: str, expected: list[str], tally: Tally) -> None:
    """Check a run that was not killed."""
    left = leftovers(place)
    if status:
        _note(tally, f"the run after the kill failed: {status}")
    elif (found := _result(job, place)) != expected:
        what = _words(found, expected)
        _note(tally, f"the result differs from that of an uninterrupted run: {what}")
    elif left:
        _note(tally, f"left over: {left}")


def _words(found: Sequence[str], expected: Sequence[str]) -> str:
    """The first place in which two results differ, and what is around it."""
    ours, theirs = " ".join(found), " ".join(expected)
    same = takewhile(lambda pair: pair[0] == pair[1], zip(ours, theirs, strict=False))
    at = max(0, sum(1 for _ in same) - 60)
    return f"…{ours[at : at + 200]}… instead of …{theirs[at : at + 200]}…"


def _note(tally: Tally, failure: str) -> None:
    if failure:
        tally.failures.append(failure)


def _asked(check: Callable[[Path, list[str]], None], *given: Any) -> Callable[[Say], None]:  # noqa: ANN401
    return lambda _: check(*given)


def _result(job: Job, folder: Path) -> list[str]:
    """The result of a run, as one line: it is read in a child, like everything else.

    Some libraries of this program run threads, which do not survive a fork. So the parent only
    forks and waits.
    """
    status, said, _ = _child(lambda say: say(repr(job.result(folder))), folder)
    return said or [status]


def leftovers(folder: Path) -> list[str]:
    """Temporary files and folders, and locks, anywhere in a folder."""
    found = (path for path in folder.rglob("*") if path.name.endswith((".part", ".next.parquet")))
    locks = (path for path in folder.rglob("*") if files.is_own(path.name))
    return sorted({path.relative_to(folder).as_posix() for path in (*found, *locks)})


def _fresh(job: Job, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "tmp").mkdir(parents=True)
    job.begin()
    _child(lambda _: (job.prepare(folder), None)[1], folder)


def _child(
    work: Callable[[Say], None], folder: Path, kill_after: float | None = None
) -> tuple[str, list[str], float]:
    """Do something in a forked child, and kill it.

    Returns:
        ``killed``, what went wrong, or "" if it finished; what it confirmed; its seconds.
    """
    read, write = os.pipe()
    begun = time.monotonic()
    child = os.fork()
    if child == 0:
        os.close(read)
        _work(work, folder, write)
    os.close(write)
    limit = LONGEST_S if kill_after is None else kill_after
    text, ended = b"", False
    while not ended and (left := limit - (time.monotonic() - begun)) > 0:
        if select.select([read], [], [], left)[0]:
            more = os.read(read, 65_536)
            text, ended = text + more, not more
    took = time.monotonic() - begun
    if not ended:
        os.kill(child, signal.SIGKILL)
    while more := os.read(read, 65_536):
        text += more
    os.close(read)
    os.waitpid(child, 0)
    said, _, failure = text.decode("utf-8", "replace").partition("\0")
    # A last line without its end was not confirmed.
    lines = said.split("\n")[:-1]
    if failure or ended:
        return failure, lines, took
    return ("killed" if kill_after is not None else "it did not end"), lines, took


def _work(work: Callable[[Say], None], folder: Path, write: int) -> None:
    """The life of the child."""
    try:
        with _quiet(), _in(folder):
            work(lambda fact: _write(write, f"{fact}\n".encode()))
    except BaseException:  # noqa: BLE001 - the parent reports it
        os.write(write, b"\0" + traceback.format_exc(limit=-4).encode()[-3000:])
    finally:
        leave(0)


def _write(handle: int, text: bytes) -> None:
    while text:
        text = text[os.write(handle, text) :]


@contextmanager
def _quiet() -> Iterator[None]:
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    yield


@contextmanager
def _in(folder: Path) -> Iterator[None]:
    """Let all temporary files be in the folder, where they can be counted."""
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder / "tmp")
    yield


def main(words: list[str]) -> int:
    """Print the table; the exit status is 1 if anything failed."""
    begun = time.monotonic()
    rows = run("--short" in words, *(word for word in words if word != "--short"))
    print(table_text(rows))
    print(f"{time.monotonic() - begun:.0f} s")
    return int(any(row.failed for row in rows))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
