"""Progress of a longer job: what the job reports, and how its caller stops it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Event

from landcover.core.errors import Cancelled

__all__ = ["BYTES", "Progress", "Report", "check", "ignore"]

BYTES = "bytes"
"""The unit of jobs that count bytes; it is shown in kB, MB or GB."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a job has come.

    Attributes:
        what: what is being done, such as ``"Reading bands"``. Rate and time left start anew
            where it changes.
        done: units done.
        total: units in all; None where that is not known.
        unit: what is counted, in the plural: ``"patches"``, ``"files"``, :data:`BYTES`.
        detail: anything else worth showing, such as ``"loss 0.213"``.
        requests: requests sent over the network so far.
        bytes: bytes received over the network so far.
    """

    what: str
    done: int = 0
    total: int | None = None
    unit: str = ""
    detail: str = ""
    requests: int = 0
    bytes: int = 0

    @property
    def fraction(self) -> float:
        """From 0 to 1; 0 where the total is not known."""
        return min(1.0, self.done / self.total) if self.total else 0.0

    @property
    def amount(self) -> str:
        """``"7 of 13 bands"``, ``"12.3 of 94.7 MB"``; empty where nothing is counted."""
        if self.unit == BYTES:
            done = f"{self.done / 1e6:,.1f}"
            return f"{done} MB" if self.total is None else f"{done} of {self.total / 1e6:,.1f} MB"
        if self.total is None:
            return f"{self.done:,} {self.unit}".rstrip() if self.done else ""
        return f"{self.done:,} of {self.total:,} {self.unit}".rstrip()

    @property
    def text(self) -> str:
        """One line with the numbers: ``"Reading bands: 7 of 13 files, 2.1 MB"``."""
        received = f"{self.bytes / 1e6:,.1f} MB" if self.bytes and self.unit != BYTES else ""
        parts = ", ".join(filter(None, (self.amount, received, self.detail)))
        return f"{self.what}: {parts}" if parts else self.what


Report = Callable[[Progress], None]
"""The callback of every longer job: called with each step, from any thread, so it must be quick.

An error raised in it, such as :class:`landcover.core.errors.Cancelled`, stops the job.
"""


def ignore(progress: Progress) -> None:
    """Take a report and do nothing with it."""


def check(cancel: Event | None) -> None:
    """Stop here when the user asked for it.

    Raises:
        Cancelled: ``cancel`` is set.
    """
    if cancel is not None and cancel.is_set():
        raise Cancelled("Stopped, as you asked: nothing was kept of it.")
