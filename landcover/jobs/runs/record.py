"""The runs on disk: their orders, states, progress, epochs and logs. Nothing here changes a run.

What is on disk may be damaged, by a full disk or by hand. A damaged run is listed as failed, with
one sentence, and can be removed.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from landcover.core import limits, untrusted_json
from landcover.core.errors import BadInput, UnknownName
from landcover.core.regular_file import open_regular, read_regular
from landcover.jobs.runs import folder as files_of
from landcover.jobs.runs.folder import Facts, State
from landcover.jobs.runs.order import RunOrder
from landcover.train import history
from landcover.train.history import Epoch

__all__ = [
    "ACTIVE",
    "Run",
    "RunProgress",
    "State",
    "all_runs",
    "find",
    "log_of",
    "read_epochs",
    "run_of",
]

ACTIVE: Final[frozenset[State]] = frozenset({"queued", "running"})
"""States of runs that will go on by themselves."""
_NAMED: Final = 20
"""Runs that a message names."""
DAMAGED: Final = "The files of this run are damaged: remove it."


@dataclass(frozen=True, kw_only=True)
class RunProgress:
    """How far a run is.

    Attributes:
        what: the current step, such as ``train`` or ``Reading``.
        epoch, epochs: the current epoch, from 1, and how many there are at most; 0 for a step
            without epochs.
        step, steps: steps of the optimiser in this epoch, or what is counted; 0 if unknown.
        loss: mean of this epoch so far; NaN if there is none.
        patches_per_second: of training; NaN if unknown.
        seconds_left: estimated; None if unknown.
    """

    what: str
    epoch: int = 0
    epochs: int = 0
    step: int = 0
    steps: int = 0
    loss: float = math.nan
    patches_per_second: float = math.nan
    seconds_left: float | None = None

    @property
    def fraction(self) -> float:
        """Completed fraction of this step, 0 to 1."""
        inner = self.step / self.steps if self.steps else 0.0
        done = (self.epoch - 1 + inner) / self.epochs if self.epochs else inner
        return min(1.0, max(0.0, done))


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run as it is on disk now.

    Attributes:
        id: its name on disk.
        folder: its folder.
        order: what it is to do.
        state: ``interrupted`` also if the process that computed it is gone.
        created, started, ended: times in UTC; None if it has not happened.
        error: why it failed or was interrupted, one sentence; else empty.
        step: how far it is; None unless it is running.
        history: epochs of all fits, one after another, counted from 1.
        fits: the name of the fit of each epoch.
        model: name of the model that was added to the user's models; else empty.
        place: in the queue, from 1; 0 if it does not wait.
        damaged: whether its files cannot be read; then the order only has its name.
    """

    id: str
    folder: Path
    order: RunOrder
    state: State
    created: datetime
    started: datetime | None = None
    ended: datetime | None = None
    error: str = ""
    step: RunProgress | None = None
    history: tuple[Epoch, ...] = ()
    fits: tuple[str, ...] = ()
    model: str = ""
    place: int = 0
    damaged: bool = False

    @property
    def name(self) -> str:
        """The name of its result."""
        return self.order.name

    @property
    def best_ap(self) -> float:
        """The best macro average precision on validation so far; NaN if not measured."""
        return history.best_ap(self.history)


def all_runs() -> tuple[Run, ...]:
    """All runs, newest first."""
    lives = files_of.runner_lives()
    found = [_read(files_of.runs() / run, lives=lives) for run in files_of.ids()]
    waiting = sorted((when, run.id) for run, when in found if run.state == "queued")
    places = {run: place for place, (_, run) in enumerate(waiting, 1)}
    # Ids have seconds only.
    newest = sorted((run for run, _ in found), key=lambda run: (run.created, run.id), reverse=True)
    return tuple(replace(run, place=places.get(run.id, 0)) for run in newest)


def run_of(run: str) -> Run:
    """One run.

    Raises:
        UnknownName: there is no such run.
    """
    path = files_of.path_of(run)
    found, _ = _read(path, lives=files_of.runner_lives())
    if found.state != "queued":
        return found
    return next((each for each in all_runs() if each.id == run), found)


def find(text: str) -> Run:
    """The run of that id, or the newest of that name.

    Raises:
        UnknownName: there is none.
    """
    runs = all_runs()
    found = next((run for run in runs if text == run.id), None)
    found = found or next((run for run in runs if text == run.name), None)
    if found is None:
        raise UnknownName("run", text, [run.id for run in runs[:_NAMED]])
    return found


def log_of(run: str, characters: int = 20_000) -> str:
    """The end of a run's log; empty if it has none yet.

    Raises:
        UnknownName: there is no such run.
        BadInput: it cannot be read.
    """
    path = files_of.path_of(run) / files_of.LOG_FILE
    most = 4 * max(0, characters)  # bytes of a letter in UTF-8
    try:
        with open_regular(path, inside=path.parent) as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - most))
            text = file.read(most).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    except OSError:
        raise BadInput(f"The log of the run {run} cannot be read: check its folder.") from None
    lines = "".join(c if c.isprintable() or c == "\n" else " " for c in text)
    return lines[max(0, len(lines) - characters) :]


def _read(path: Path, *, lives: bool) -> tuple[Run, datetime]:
    """A run, and when it was queued."""
    try:
        facts = files_of.read_facts(path)
        order = RunOrder.from_json(
            read_regular(path / files_of.ORDER_FILE, limits.current().run_file_bytes, inside=path)
        )
    except (OSError, ValueError, BadInput):
        return _damaged(path)
    state, error = facts.state, facts.error
    if state == "running" and not lives:
        state, error = "interrupted", error or INTERRUPTED
    epochs, fits = _history(path)
    running = state == "running"
    run = Run(
        id=path.name,
        folder=path,
        order=order,
        state=state,
        created=facts.created,
        started=facts.started,
        ended=facts.ended,
        error=error,
        step=_progress(path, facts) if running else None,
        history=epochs,
        fits=fits,
        model=facts.model,
    )
    return run, facts.queued


INTERRUPTED: Final = (
    "The computer or the program that trained ended: resume the run, which goes on after its last "
    "epoch."
)


def _damaged(path: Path) -> tuple[Run, datetime]:
    created = datetime.strptime(path.name[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
    order = RunOrder(kind="train", dataset="?", root=Path("?"), model="?", name=path.name)
    run = Run(
        id=path.name,
        folder=path,
        order=order,
        state="failed",
        created=created,
        error=DAMAGED,
        damaged=True,
    )
    return run, created


def _progress(path: Path, facts: Facts) -> RunProgress | None:
    """The progress of a running run; None before the first report, or if it is damaged."""
    try:
        values = files_of.read_json(path / files_of.PROGRESS_FILE)
        at = datetime.fromisoformat(str(values.pop("at")))
        if facts.started is not None and at < facts.started:  # of the time before it was resumed
            return None
        return RunProgress(**_numbers(values, RunProgress))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _history(path: Path) -> tuple[tuple[Epoch, ...], tuple[str, ...]]:
    """The epochs of all fits and the fit of each; what cannot be read is left out."""
    file = path / files_of.HISTORY_FILE
    try:
        found = file.stat()
        return _epochs(file, (found.st_mtime_ns, found.st_size, found.st_ino))
    except (OSError, ValueError):
        return (), ()


@lru_cache(maxsize=1_000)
def _epochs(
    file: Path,
    stamp: tuple[int, ...],  # noqa: ARG001 - it changes whenever the file is written
) -> tuple[tuple[Epoch, ...], tuple[str, ...]]:
    """The epochs of a file. Pages list all runs every few seconds, and most have ended long ago.

    Raises:
        OSError: it cannot be read.
        ValueError: it is too large.
    """
    most = limits.current().run_file_bytes
    epochs, fits = list[Epoch](), list[str]()
    for number, (fit, epoch) in enumerate(
        read_epochs(read_regular(file, most, inside=file.parent).splitlines()), 1
    ):
        epochs.append(replace(epoch, epoch=number))
        fits.append(fit)
    return tuple(epochs), tuple(fits)


def read_epochs(lines: Sequence[bytes]) -> list[tuple[str, Epoch]]:
    """Read lines of JSON: an epoch each, and the fit to which it belongs, if the line has one."""
    found = []
    for line in lines:
        try:
            values = untrusted_json.parse(line)
            fit = str(values.pop("fit", ""))
            found.append((fit, Epoch(**_numbers(values, Epoch))))
        except (ValueError, TypeError, AttributeError, RecursionError):
            continue
    return found


def _numbers(values: dict[str, Any], kind: type[Any]) -> dict[str, Any]:
    """The values of a dataclass from JSON, in which null is a number that is not known.

    Raises:
        ValueError, TypeError: a value has the wrong type, or there is no such field.
    """
    kinds = {each.name: str(each.type) for each in fields(kind)}
    read: dict[str, Any] = {}
    for name, value in values.items():
        wanted = kinds.get(name)
        if wanted == "str":
            read[name] = str(value)[:200]
        elif wanted == "int":
            read[name] = int(value)
        elif wanted == "float":
            read[name] = math.nan if value is None else float(value)
        elif wanted is not None:
            read[name] = None if value is None else float(value)
    return read
