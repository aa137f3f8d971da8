"""The program's side of the gate: workers, and one call for everything that they do.

A file from outside can loop for ever in a decoder, crash it, or take gigabytes. A process can be
limited and killed; a thread cannot. Workers are started when they are needed, and kept, because
starting one takes a third of a second; one that was killed is replaced at the next call.

Processor time says little about a file where the computer is slow, or a virtual machine that
stands still while its clocks go on. So a worker states at its start how long a small file took,
and gets more time if that was long. One that used up its time is given a second chance if the
computer became slower or stood still meanwhile.
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event
from typing import Any, Final, TypeVar

import landcover
from landcover.core import errors, files, limits, logs
from landcover.core.errors import BadInput, LandcoverError
from landcover.core.progress import check
from landcover.io.gate import frames

__all__ = [
    "MOST_SLOWNESS",
    "PATIENCE",
    "START_S",
    "USUAL_S",
    "call",
    "idle",
    "seconds_for",
    "start",
    "stop",
]

T = TypeVar("T")

PATIENCE: Final = 15
"""Time on the clock per second of processor time that a task may use: on a busy computer it waits
for a processor most of the time. Only a reader that does nothing at all takes so long."""
START_S: Final = 60.0
"""Time for a worker to start, which takes a third of a second on a quiet machine."""
USUAL_S: Final = 0.1
"""Processor time of a worker's first work, :func:`landcover.io.gate.warm_up.warm_up`, up to which a
computer is not slow; it takes 0.04 s on a server."""
MOST_SLOWNESS: Final = 5.0
"""How many times as long a file may take on a slow computer, at most."""
_MUCH_SLOWER: Final = 1.5
_LATE_S: Final = 0.1
"""Delay of a thread up to which the computer did not stand still."""
_POLL_S: Final = 0.1
_RUN: Final = "from landcover.io.gate.worker import main; main()"
_ENVIRONMENT: Final = {
    "GDAL_CACHEMAX": "64",  # MB; by default a twentieth of the machine's memory
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONWARNINGS": "ignore",
}
_log: Final = logging.getLogger(__name__)


@dataclass(eq=False)
class _Worker:
    """A process that reads files.

    Attributes:
        process: the process.
        owner: id of the program's process that started it.
        slowness: how many times as long as usual a file may take; 0 until the worker is ready.
        still_s: for how long the computer stood still while the last task ran.
    """

    process: subprocess.Popen[bytes]
    owner: int
    slowness: float = 0.0
    still_s: float = 0.0

    def begin(self, cancel: Event | None) -> bool:
        """Wait until the worker is ready; false if it died or was killed."""
        if not self.slowness:
            with self._watched(START_S, cancel):
                first = self._receive()
            if first is not None:
                self.slowness = min(MOST_SLOWNESS, max(1.0, first["ready"] / USUAL_S))
        return bool(self.slowness)

    def ask(self, message: dict[str, Any], wait_s: float, cancel: Event | None) -> Any:  # noqa: ANN401
        """Send a task and wait for the answer; None if the worker died or was killed."""
        assert self.process.stdin is not None
        with self._watched(wait_s, cancel), suppress(OSError):
            frames.send(self.process.stdin, message)  # type: ignore[arg-type]
            return self._receive()
        return None

    def _receive(self) -> dict[str, Any] | None:
        assert self.process.stdout is not None
        return frames.receive(self.process.stdout)  # type: ignore[arg-type]

    @contextmanager
    def _watched(self, wait_s: float, cancel: Event | None) -> Iterator[None]:
        """Kill the process if a block takes too long, or when the user stops it."""
        done = Event()
        self.still_s = 0.0

        def watch() -> None:
            now = time.monotonic()
            until = now + wait_s
            while now < until and not (cancel is not None and cancel.is_set()):
                over = done.wait(min(_POLL_S, wait_s))
                before, now = now, time.monotonic()
                self.still_s += max(0.0, now - before - _POLL_S - _LATE_S)
                if over:
                    return
            self.process.kill()

        watcher = threading.Thread(target=watch, name="landcover-gate", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()

    def end(self) -> int:
        """Kill the process and return how it ended."""
        self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(OSError):
                if pipe is not None:
                    pipe.close()
        return self.process.wait()


_idle: Final[list[_Worker]] = []
_lock: Final = threading.Lock()
_places: threading.Semaphore | None = None


def call(
    task: str,
    values: dict[str, Any],
    take: Callable[[Any, Path], T],
    *,
    name: str,
    size: int,
    cancel: Event | None = None,
) -> T:
    """Let a worker do a task.

    Args:
        task: a key of :data:`landcover.io.gate.tasks.TASKS`.
        values: its JSON-ready values.
        take: makes the result of the worker's answer and of the file with its arrays, which is
            removed afterwards.
        name: name of the file for messages, without folders.
        size: bytes of the file, which extend the time.
        cancel: set to stop.

    Raises:
        LandcoverError: as the task raises it.
        BadInput: the worker took too much time or memory, or crashed.
        Cancelled: the user stopped it.
    """
    with _place(cancel), files.scratch() as folder:
        out = folder / "arrays"
        message = {
            "task": task,
            "values": values,
            "folder": str(Path.cwd()),
            "out": str(out),
            "limits": asdict(limits.current()),
        }
        answer = _answer(message, name, seconds_for(size), cancel)
        if "result" not in answer:
            raise _error(name, answer)
        try:
            return take(answer["result"], out)
        except (ValueError, TypeError, KeyError, OSError) as fault:
            _log.exception("A worker's answer cannot be used")
            raise _unreadable(name) from fault


def seconds_for(size: int) -> int:
    """Processor seconds that reading a file of so many bytes may take."""
    now = limits.current()
    by_size = now.read_seconds + size // now.read_bytes_a_second
    return min(by_size, now.read_seconds_most)


def _answer(
    message: dict[str, Any], name: str, seconds: float, cancel: Event | None
) -> dict[str, Any]:
    """The answer of a worker, or of a second one if the computer made the first one slow."""
    worker, first = _take(), True
    while True:
        answer, begun, allowed = None, time.monotonic(), seconds
        try:
            if worker.begin(cancel):
                allowed *= worker.slowness
                answer = worker.ask({**message, "seconds": allowed}, PATIENCE * allowed, cancel)
        finally:
            ended = _give_back(worker, answer)
        if answer is not None:
            return dict(answer)
        check(cancel)
        died = _died(name, ended, allowed) if worker.slowness else _not_started(name)
        ms = 1000 * (time.monotonic() - begun)
        logs.event("worker killed", level=logging.WARNING, error=died, ms=ms)
        second = _second(worker, allowed, cancel) if first and _out_of_time(ended) else None
        if second is None:
            raise died
        worker, first = second, False


def _second(worker: _Worker, allowed: float, cancel: Event | None) -> _Worker | None:
    """Another worker, if it is the computer that made one use up its time."""
    fresh, ready = _started(), False
    try:
        ready = fresh.begin(cancel)
    finally:
        if not ready:
            fresh.end()
    check(cancel)
    if not ready:
        return None
    if fresh.slowness > _MUCH_SLOWER * worker.slowness or worker.still_s > allowed / 2:
        return fresh
    _give_back(fresh, {})
    return None


def start() -> None:
    """Start a worker, if there is none, without waiting for it."""
    with _lock:
        if not any(worker.owner == os.getpid() for worker in _idle):
            _idle.append(_started())


def stop() -> None:
    """End the workers that do nothing at the moment."""
    with _lock:
        workers, _idle[:] = list(_idle), []
    for worker in workers:
        if worker.owner == os.getpid():
            worker.end()


def idle() -> list[int]:
    """Process ids of the workers that do nothing at the moment."""
    with _lock:
        return [worker.process.pid for worker in _idle if worker.owner == os.getpid()]


atexit.register(stop)


class _place:  # noqa: N801 - used like a function
    """One of the places for readers, for as long as a block lasts."""

    def __init__(self, cancel: Event | None) -> None:
        global _places  # noqa: PLW0603 - made with the limits that apply at the first call
        with _lock:
            if _places is None:
                _places = threading.Semaphore(limits.current().readers)
        self._places = _places
        self._cancel = cancel

    def __enter__(self) -> None:
        while not self._places.acquire(timeout=_POLL_S):
            check(self._cancel)

    def __exit__(self, *_: object) -> None:
        self._places.release()


def _take() -> _Worker:
    with _lock:
        while _idle:
            worker = _idle.pop()
            # After a fork the pipes belong to the parent process.
            if worker.owner == os.getpid():
                if worker.process.poll() is None:
                    return worker
                worker.end()
        return _started()


def _started() -> _Worker:
    root = str(Path(landcover.__file__).parent.parent)
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, **_ENVIRONMENT, "PYTHONPATH": os.pathsep.join(paths)}
    process = subprocess.Popen(  # noqa: S603 - this interpreter, and only our code
        # -P: modules in the folder where the user works are not imported.
        [sys.executable, "-P", "-c", _RUN],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    return _Worker(process, os.getpid())


def _give_back(worker: _Worker, answer: object) -> int | None:
    """Keep a worker that answered; end another one, and return how it ended."""
    if answer is None:
        return worker.end()
    with _lock:
        _idle.append(worker)
    return None


def _out_of_time(status: int | None) -> bool:
    """Whether a worker was ended because it used up its processor time."""
    return status == -getattr(signal, "SIGPROF", 0)


def _died(name: str, status: int | None, seconds: float) -> BadInput:
    if _out_of_time(status):
        return BadInput(
            f"'{name}' could not be read within {seconds:.0f} seconds: it is damaged, or this "
            "computer is very slow, so export it again, or try again later."
        )
    if status == -getattr(signal, "SIGKILL", 0):
        return BadInput(
            f"'{name}' could not be read in time: this computer is busy or the file is damaged, so "
            "try again later, or export it again."
        )
    return BadInput(
        f"'{name}' is damaged, or needs more memory than a file may take: export it again, or cut "
        "out the part that you need."
    )


def _not_started(name: str) -> BadInput:
    return BadInput(
        f"'{name}' could not be read, because this computer is too busy to start another program: "
        "try again later."
    )


def _error(name: str, answer: dict[str, Any]) -> LandcoverError:
    if "fault" in answer:
        _log.error("A reader failed:\n%s", answer["fault"])
        return _unreadable(name)
    kind = getattr(errors, str(answer.get("error")), BadInput)
    known = isinstance(kind, type) and issubclass(kind, LandcoverError)
    return (kind if known and kind is not errors.UnknownName else BadInput)(str(answer.get("text")))


def _unreadable(name: str) -> BadInput:
    return BadInput(f"'{name}' cannot be read: it is damaged, so copy or export it again.")
