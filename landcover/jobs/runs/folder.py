"""The folders of runs, in ``LANDCOVER_HOME/runs``: files, states, and the locks around them.

Every change of a state is made under one lock, so that a run that waits is either started by the
runner or stopped by the user, never both. Reading needs no lock, since files are replaced whole.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, get_args

from landcover.core import files, home, limits, locks, untrusted_json
from landcover.core.errors import BadInput, UnknownName
from landcover.core.regular_file import read_regular

__all__ = [
    "HISTORY_FILE",
    "LOG_FILE",
    "MODEL_FOLDER",
    "ORDER_FILE",
    "PROGRESS_FILE",
    "REPORT_FOLDER",
    "ROOM",
    "ROOM_FILE",
    "SETTINGS_FILE",
    "STATE_FILE",
    "STOP_FILE",
    "Facts",
    "State",
    "changing",
    "conclude",
    "ids",
    "new_id",
    "now",
    "path_of",
    "read_facts",
    "read_json",
    "runner_lives",
    "runner_lock",
    "runs",
    "trash",
    "update",
    "waiting",
    "write_facts",
]

ORDER_FILE: Final = "order.json"
STATE_FILE: Final = "state.json"
SETTINGS_FILE: Final = "settings.json"
PROGRESS_FILE: Final = "progress.json"
HISTORY_FILE: Final = "history.jsonl"
LOG_FILE: Final = "log.txt"
STOP_FILE: Final = "stop"
ROOM_FILE: Final = "room"
"""Is removed when the disk is full, so that the state of the run can be written."""
ROOM: Final = bytes(65_536)
MODEL_FOLDER: Final = "model"
REPORT_FOLDER: Final = "report"

State = Literal["queued", "running", "stopped", "failed", "finished", "interrupted"]
_ID: Final = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{4}")
_PATIENCE_S: Final = 20.0
"""How long to wait for another process that changes a state, which takes milliseconds."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The content of a run's state file.

    Attributes:
        state: of the run.
        created, queued, started, ended: times in UTC; None if it has not happened.
        error: why the run failed or was interrupted, one sentence; else empty.
        model: name of the model that was added to the user's models; else empty.
    """

    state: State
    created: datetime
    queued: datetime
    started: datetime | None = None
    ended: datetime | None = None
    error: str = ""
    model: str = ""


def runs() -> Path:
    """The folder of all runs, which may not exist."""
    return home.location() / "runs"


def trash() -> Path:
    """The folder of removed runs, which may not exist."""
    return home.location() / "trash" / "runs"


def now() -> datetime:
    """The time in UTC."""
    return datetime.now(UTC)


def new_id(moment: datetime) -> str:
    """A new run's id; ids sort by time."""
    return f"{moment:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def ids(folder: Path | None = None) -> list[str]:
    """The ids of all runs, newest first."""
    try:
        found = [path.name for path in (folder or runs()).iterdir() if _is_run(path)]
    except OSError:
        return []
    return sorted(found, reverse=True)[: limits.current().runs]


def _is_run(path: Path) -> bool:
    return _ID.fullmatch(path.name) is not None and path.is_dir() and not path.is_symlink()


def path_of(run: str) -> Path:
    """The folder of a run.

    Raises:
        UnknownName: there is no such run.
    """
    path = runs() / run
    if not _ID.fullmatch(run) or not _is_run(path):
        raise UnknownName("run", run, ids()[:20])
    return path


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object of a run.

    Raises:
        OSError: it cannot be read.
        ValueError: it is damaged.
    """
    most = limits.current().run_file_bytes
    values = untrusted_json.parse(read_regular(path, most, inside=path.parent), most_bytes=most)
    if not isinstance(values, dict):
        raise ValueError(path.name)  # noqa: TRY004 - damaged, as in the other cases
    return values


def read_facts(folder: Path) -> Facts:
    """Read the state of a run as its file has it.

    Raises:
        OSError: it cannot be read.
        ValueError: it is damaged.
    """
    values = read_json(folder / STATE_FILE)
    known = {each.name for each in fields(Facts)}
    try:
        times = ("created", "queued", "started", "ended")
        read = {name: _moment(values.get(name)) for name in times}
        rest = {key: str(values[key]) for key in known - set(times) if key in values}
        facts = Facts(**{**read, **rest})  # type: ignore[arg-type]
    except TypeError:
        raise ValueError(STATE_FILE) from None
    missing = facts.created is None or facts.queued is None
    if facts.state not in get_args(State) or missing:
        raise ValueError(STATE_FILE)
    return facts


def waiting() -> list[str]:
    """The ids of the runs that wait, in the order of the queue. Reads their states alone."""
    found = []
    for run in ids():
        with suppress(OSError, ValueError):
            facts = read_facts(runs() / run)
            if facts.state == "queued":
                found.append((facts.queued, run))
    return [run for _, run in sorted(found)]


def _moment(value: object) -> datetime | None:
    """A time of JSON.

    Raises:
        ValueError: it is none.
    """
    if value is None:
        return None
    moment = datetime.fromisoformat(str(value))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def write_facts(folder: Path, facts: Facts) -> None:
    """Write the state of a run.

    Raises:
        BadInput: it cannot be written.
    """
    text = json.dumps(asdict(facts), indent=1, default=datetime.isoformat) + "\n"
    files.write_text(folder / STATE_FILE, text)


def update(folder: Path, **changes: Any) -> Facts:  # noqa: ANN401 - fields of Facts
    """Change the state of a run; call it inside :func:`changing`.

    Raises:
        BadInput: it cannot be read or written.
    """
    try:
        facts = replace(read_facts(folder), **changes)
    except (OSError, ValueError):
        raise BadInput(f"The run {folder.name} is damaged: remove it.") from None
    write_facts(folder, facts)
    return facts


def conclude(folder: Path, **changes: Any) -> None:  # noqa: ANN401 - fields of Facts
    """Note how a run ended if it is running, also on a full disk.

    Raises:
        BadInput: its state cannot be read or written.
    """
    try:
        _conclude(folder, changes)
    except BadInput:
        (folder / ROOM_FILE).unlink(missing_ok=True)
        _conclude(folder, changes)


def _conclude(folder: Path, changes: dict[str, Any]) -> None:
    with changing():
        (folder / STOP_FILE).unlink(missing_ok=True)
        try:
            running = read_facts(folder).state == "running"
        except (OSError, ValueError):
            return  # it is listed as damaged
        if running:
            update(folder, ended=now(), **changes)


@contextmanager
def changing() -> Iterator[None]:
    """Lock all states for a moment; waits for other processes and threads.

    Raises:
        BadInput: the folder cannot be written to, or another process holds the lock for long.
    """
    home.folder()
    files.make_folder(runs())
    with files.lock_file(runs() / "changes", wait_s=_PATIENCE_S):
        yield


def runner_lock() -> Path:
    """The file that the runner locks (:func:`landcover.core.files.lock_file`)."""
    return runs() / "runner"


def runner_lives() -> bool:
    """Whether a runner works on the queue now."""
    return locks.is_locked(runner_lock())
