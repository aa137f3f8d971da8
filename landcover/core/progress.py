"""Progress of long jobs: what a job reports, and how its caller stops it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Event

from landcover.core.errors import Cancelled

__all__ = ["BYTES", "Progress", "Report", "check", "ignore"]

BYTES = "bytes"
"""The unit of jobs that count bytes; amounts are shown in MB."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The state of a job.

    Attributes:
        what: the current step, such as ``"Reading bands"``. When it changes, rate and time left
            are computed from the beginning again.
        done: units completed.
        total: number of units; None if not known.
        unit: what is counted, in the plural: ``"patches"``, ``"files"``, :data:`BYTES`.
        detail: further text to show, such as ``"loss 0.213"``.
        requests: network requests so far.
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
        """Completed fraction, 0 to 1; 0 if the total is not known."""
        return min(1.0, self.done / self.total) if self.total else 0.0

    @property
    def amount(self) -> str:
        """Such as ``"7 of 13 bands"`` or ``"12.3 of 94.7 MB"``; empty if nothing is counted."""
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
"""Callback of long jobs. It is called at each step, from any thread, and must return quickly.

An exception raised in it, such as :class:`landcover.core.errors.Cancelled`, stops the job.
"""


def ignore(progress: Progress) -> None:
    """Callback that does nothing."""


def check(cancel: Event | None) -> None:
    """Raise an error if the user has stopped the job.

    Raises:
        Cancelled: ``cancel`` is set.
    """
    if cancel is not None and cancel.is_set():
        raise Cancelled("Stopped, as you asked: nothing was kept.")
