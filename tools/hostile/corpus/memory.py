"""Memory and waiting time of a process and of all that it started, from ``/proc``."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Final, Self

__all__ = ["Use", "family"]

_EVERY_S: Final = 0.02


def family(first: int) -> list[int]:
    """A process and all that descend from it."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").iterdir():
        if path.name.isdecimal():
            try:
                fields = (path / "stat").read_text(errors="replace").rpartition(")")[2].split()
            except OSError:
                continue
            parents.setdefault(int(fields[1]), []).append(int(path.name))
    found = [first]
    for one in found:
        found += parents.get(one, [])
    return found


def _bytes(process: int, what: str) -> int:
    try:
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith(what):
                return int(line.split()[1]) * 1024
    except (OSError, IndexError):
        pass
    return 0


def _waited(process: int) -> float:
    """Seconds that a process's threads could have run, but waited for a processor."""
    total = 0
    for path in Path(f"/proc/{process}/task").glob("*/schedstat"):
        try:
            total += int(path.read_text().split()[1])
        except (OSError, IndexError):
            continue
    return total / 1e9


def _worked(process: int) -> float:
    """Seconds of processor time of a process."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text(errors="replace").rpartition(")")[2]
    except OSError:
        return 0.0
    return sum(map(int, fields.split()[11:13])) / os.sysconf("SC_CLK_TCK")


class Use:
    """What a family of processes uses while the context lasts.

    The kernel keeps the peak memory of each process, which is reset at the start; processes that
    come and go are sampled.

    Attributes:
        bytes: how much more memory they took than before.
        waited: seconds that they waited for a processor, because others use the machine too.
        worked: seconds of processor time.
    """

    def __init__(self, process: int) -> None:
        self._first = process
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self.bytes = 0
        self.waited = self.worked = 0.0

    def __enter__(self) -> Self:
        members = family(self._first)
        for one in members:
            try:
                Path(f"/proc/{one}/clear_refs").write_text("5")
            except OSError:
                continue
        self._before = {one: _bytes(one, "VmRSS") for one in members}
        self._waited = {one: _waited(one) for one in members}
        self._worked = {one: _worked(one) for one in members}
        self._thread.start()
        return self

    def _sample(self) -> None:
        start = sum(self._before.values())
        while not self._end.wait(_EVERY_S):
            now = sum(_bytes(one, "VmRSS") for one in family(self._first))
            self.bytes = max(self.bytes, now - start)

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        for one in family(self._first):
            grown = _bytes(one, "VmHWM") - self._before.get(one, 0)
            self.bytes = max(self.bytes, grown)
            self.waited += max(0.0, _waited(one) - self._waited.get(one, 0.0))
            self.worked += max(0.0, _worked(one) - self._worked.get(one, 0.0))
