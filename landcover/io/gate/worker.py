"""A worker process: it reads files until its input ends.

It answers on standard output; what libraries print goes nowhere. Its memory is limited from the
start, its processor time for each task. It opens no connection and starts no process.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import tempfile
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

from landcover.core import disk_errors, limits
from landcover.core.errors import BadInput, LandcoverError, TooLarge
from landcover.core.limits import Limits
from landcover.io.gate import frames

__all__ = ["NICENESS", "forbid_escapes", "limit_time", "main"]

try:
    import resource
except ImportError:  # Windows has no limits of this kind
    resource = None  # type: ignore[assignment]

_FORBIDDEN: Final = (
    "socket.connect",
    "socket.bind",
    "socket.getaddrinfo",
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.spawn",
)
"""What reading a file never needs, as Python's audit events name it."""
NICENESS: Final = 5
"""Reading a file takes a processor only when no click needs it."""
_NO_MEMORY: Final = (
    "It needs more memory than a file may take: read a window of it (--at or --window), or cut out "
    "the part that you need."
)


def main() -> None:
    """Answer tasks until the program closes the pipe."""
    tasks, answers = _pipes()
    from landcover.io.gate.tasks import TASKS  # noqa: PLC0415 - after libraries cannot print here
    from landcover.io.gate.warm_up import warm_up  # noqa: PLC0415 - as above

    sys.addaudithook(forbid_escapes)
    with suppress(OSError, AttributeError):
        os.nice(NICENESS)
    slowness = warm_up()
    # What is there now stays; to look at it after each task took most of a small task's time.
    gc.collect()
    gc.freeze()
    frames.send(answers, {"ready": slowness})
    before: Limits | None = None
    while (message := frames.receive(tasks)) is not None:
        allowed = Limits(**message["limits"])
        if allowed != before:
            _limit_memory(allowed.read_memory_bytes)
            before = allowed
        limit_time(message["seconds"])
        with limits.replaced(allowed):
            answer = _answer(TASKS, message)
        limit_time(0)
        frames.send(answers, answer)
        gc.collect()


def _pipes() -> tuple[BinaryIO, BinaryIO]:
    """The pipes to the program; standard input and output then lead nowhere."""
    tasks, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    return tasks, answers


def _answer(tasks: dict[str, Any], message: dict[str, Any]) -> dict[str, Any]:
    try:
        os.chdir(message["folder"])
        tempfile.tempdir = str(Path(message["out"]).parent)
        result = tasks[message["task"]](message["values"], Path(message["out"]))
    except LandcoverError as error:
        return {"error": type(error).__name__, "text": str(error)}
    except MemoryError:
        return {"error": TooLarge.__name__, "text": _NO_MEMORY}
    except Exception as error:  # noqa: BLE001 - the program reports it
        if isinstance(error, OSError) and error.errno in disk_errors.FULL:
            # A reader writes its arrays, and what it unpacks or decodes, to temporary files.
            return {"error": BadInput.__name__, "text": str(disk_errors.no_scratch(error))}
        with suppress(MemoryError):
            return {"fault": "".join(traceback.format_exception(error))[-4_000:]}
        return {"error": TooLarge.__name__, "text": _NO_MEMORY}
    return {"result": result}


def forbid_escapes(event: str, _: tuple[object, ...]) -> None:
    """Refuse what reading a file never needs; an audit hook of Python.

    Raises:
        PermissionError: the event is a connection or the start of a program.
    """
    if event in _FORBIDDEN:
        raise PermissionError(f"A file made its reader attempt {event}.")


def _limit_memory(most: int) -> None:
    if resource is None:
        return
    # What libraries map at the start does not count, so that the limit is one on the file.
    with suppress(OSError, ValueError, IndexError):
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
        size = pages * resource.getpagesize() + most
        resource.setrlimit(resource.RLIMIT_AS, (size, resource.RLIM_INFINITY))


def limit_time(seconds: float) -> None:
    """Let this process use so many more seconds of processor time; then it is ended.

    Args:
        seconds: how many; 0 for any number.
    """
    if not hasattr(signal, "setitimer"):  # Windows; the program's own clock still stops it
        return
    # A program that ignores the signal hands that on to the programs that it starts.
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    # Unlike RLIMIT_CPU it is not rounded to whole seconds.
    signal.setitimer(signal.ITIMER_PROF, seconds)
