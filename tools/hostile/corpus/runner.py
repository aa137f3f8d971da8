"""Running cases in processes that are watched, and judging what came of each."""

from __future__ import annotations

import json
import os
import queue
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final, Self

from tools.hostile.corpus import trace
from tools.hostile.corpus.canary import Canary
from tools.hostile.corpus.case import Case, Gate, Place
from tools.hostile.corpus.child import READABLE
from tools.hostile.corpus.memory import Use, family

__all__ = ["MOST_BYTES", "MOST_SECONDS", "Outcome", "run_cases"]

ROOT: Final = Path(__file__).parents[3]
MOST_SECONDS: Final = 5.0
MOST_BYTES: Final = 2**30
GIVE_UP: Final = 30.0
"""Seconds after which a process is killed."""
START: Final = 6.0
"""Seconds that the start of a command of its own may take besides."""
_LOADS_TORCH: Final = ("archive", "model", "record", "classify", "process")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a case.

    Attributes:
        case: the case.
        fault: what is wrong; empty if nothing is.
        said: the error's message, or "read".
        seconds: time that it took, without that for which it waited for a processor.
        bytes: memory that it took, of all processes.
    """

    case: Case
    fault: str
    said: str = ""
    seconds: float = 0.0
    bytes: int = 0


class Reader:
    """One process that reads files, with its canary and folders; it is replaced if it dies."""

    def __init__(self, *, traced: bool) -> None:
        self._canary = Canary()
        self._root = Path(tempfile.mkdtemp(prefix="landcover-hostile-"))
        for name in ("home", "tmp", "case"):
            (self._root / name).mkdir()
        self._traced = traced
        self._child: subprocess.Popen[str] | None = None
        self._log = self._root / "stderr"
        self._trace = self._root / "trace"
        self._warm: set[Gate] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
        self._canary.__exit__()
        shutil.rmtree(self._root, ignore_errors=True)

    def left(self) -> list[str]:
        """Temporary files that stay after the process has ended."""
        self._stop()
        return sorted(path.name for path in (self._root / "tmp").iterdir())

    def run(self, case: Case) -> Outcome:
        """Run a case; one that was only slow is run again, because others use this machine too."""
        found = self._once(case)
        if found.fault.startswith("took"):
            again = self._once(case)
            found = again if again.seconds < found.seconds else found
        return found

    def _once(self, case: Case) -> Outcome:
        folder = self._root / "case"
        _empty(folder)
        place = Place(folder=folder, canary=self._canary.folder, url=self._canary.url)
        case.make(place)
        source = case.file
        if source.startswith("="):
            source = place.filled(source[1:].encode("utf-8", "surrogatepass")).decode(
                "utf-8", "surrogatepass"
            )
        else:
            source = str(folder / source)
        child = self._started(case.gate)
        errors = self._log.stat().st_size
        if self._trace.exists():
            os.truncate(self._trace, 0)
        self._canary.touched()
        with Use(child.pid) as used:
            answer = self._ask(case, source, GIVE_UP + (START if case.gate == "process" else 0))
        answer["seconds"] = max(used.worked, answer["seconds"] - used.waited)
        return Outcome(
            case=case,
            fault=self._fault(case, answer, used.bytes, errors),
            said=answer["said"],
            seconds=answer["seconds"],
            bytes=used.bytes,
        )

    def _fault(self, case: Case, answer: dict[str, Any], grown: int, start: int) -> str:
        errors = self._log.read_bytes()[start:].decode(errors="replace").strip()
        limit = MOST_SECONDS + (START if case.gate == "process" else 0)
        seconds = answer["seconds"]
        faults = (
            answer["fault"],
            self._canary.touched(),
            "; ".join(answer["events"][:5]),
            "; ".join(self._traced_events()),
            f"wrote to stderr: {errors[-500:]}" * bool(errors),
            f"needed {grown / 2**20:,.0f} MiB" * (grown > MOST_BYTES),
            f"took {seconds:.1f} s" * (seconds > limit),
        )
        return "; ".join(filter(None, faults))

    def _traced_events(self) -> list[str]:
        if not self._trace.exists():
            return []
        text = self._trace.read_text(errors="replace")
        code = (sys.prefix, sys.base_prefix, str(ROOT), *READABLE)
        return list(islice(trace.events(text, code, (str(self._root),)), 5))

    def _ask(self, case: Case, source: str, limit: float) -> dict[str, Any]:
        child = self._child
        assert child is not None
        assert child.stdin is not None
        assert child.stdout is not None
        request = {
            "gate": case.gate,
            "source": source,
            "folder": str(self._root / "case"),
            "home": str(self._root / "home"),
            "must": case.must,
        }
        with suppress(BrokenPipeError):
            child.stdin.write(json.dumps(request) + "\n")
            child.stdin.flush()
        with selectors.DefaultSelector() as ready:
            ready.register(child.stdout, selectors.EVENT_READ)
            line = child.stdout.readline() if ready.select(limit) else ""
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        gone = child.poll()
        self._stop()
        what = f"no answer within {limit:g} s" if gone is None else f"the process died ({gone})"
        return {"fault": what, "events": [], "said": "", "seconds": limit}

    def _started(self, gate: Gate) -> subprocess.Popen[str]:
        """The process, after it has read a sound file by this gate, so that all is loaded."""
        if self._child is None or self._child.poll() is not None:
            self._stop()
            self._child = self._spawned()
            self._warm.clear()
        if gate not in self._warm:
            self._warm.add(gate)
            self._ask(_warm_up(gate), str(ROOT / "does-not-exist"), 120)
        assert self._child is not None
        return self._child

    def _spawned(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tools.hostile.corpus.child"]
        if self._traced:
            command = [*trace.command(self._trace), *command]
        variables = {
            **os.environ,
            "LANDCOVER_HOME": str(self._root / "home"),
            "HOME": str(self._root / "home"),
            "TMPDIR": str(self._root / "tmp"),
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
        }
        with self._log.open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=ROOT,
                env=variables,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )

    def _stop(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        with suppress(OSError):
            assert child.stdin is not None
            child.stdin.close()
        members = family(child.pid)
        with suppress(subprocess.TimeoutExpired):
            child.wait(3 if child.poll() is None else 0.1)
        for one in members:
            with suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
        child.wait()
        assert child.stdout is not None
        child.stdout.close()


def _warm_up(gate: Gate) -> Case:
    return Case(kind="", name="", gate=gate, file="", make=lambda _: None)


def _empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def run_cases(
    cases: Iterable[Case], readers: int = 2, *, traced: bool = False
) -> Iterator[Outcome]:
    """Run all cases, those that load torch in one process and the others in the others.

    Args:
        cases: in any order.
        readers: how many processes read at the same time.
        traced: whether strace watches what they ask of the kernel.
    """
    every = sorted(cases, key=lambda case: case.gate in _LOADS_TORCH)
    waiting: queue.SimpleQueue[Case] = queue.SimpleQueue()
    done: queue.SimpleQueue[Outcome | BaseException | None] = queue.SimpleQueue()
    for case in every:
        waiting.put(case)
    threads = [
        threading.Thread(target=_work, args=(waiting, done, traced), daemon=True)
        for _ in range(readers)
    ]
    for thread in threads:
        thread.start()
    for _ in threads:
        while (outcome := done.get()) is not None:
            if isinstance(outcome, BaseException):
                raise outcome
            yield outcome


def _work(
    waiting: queue.SimpleQueue[Case],
    done: queue.SimpleQueue[Outcome | BaseException | None],
    traced: bool,  # noqa: FBT001 - a thread's arguments have no names
) -> None:
    try:
        last = None
        with Reader(traced=traced) as reader:
            while True:
                try:
                    last = waiting.get_nowait()
                except queue.Empty:
                    break
                done.put(reader.run(last))
            if last is not None and (left := reader.left()):
                done.put(Outcome(case=replace(last, kind="temporary files", name="at the end"),
                                 fault=f"stay: {left[:5]}"))  # fmt: skip
    except BaseException as error:  # noqa: BLE001 - raised again in the main thread
        done.put(error)
    done.put(None)
