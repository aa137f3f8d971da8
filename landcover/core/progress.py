"""How far a longer job has come, for whoever shows it, and how that one stops it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Event

from landcover.core.errors import Cancelled


@dataclass(frozen=True, kw_only=True)
class Progress:
    """One report of a job.

    Attributes:
        what: what is being done, such as ``"Reading 12 bands"``.
        done, total: steps; total is 0 where it is not known yet.
        requests: how often a network was asked so far.
        bytes: what came over it.
        seconds: since the job began.
    """

    what: str
    done: int = 0
    total: int = 0
    requests: int = 0
    bytes: int = 0
    seconds: float = 0.0

    @property
    def fraction(self) -> float:
        """From 0 to 1; 0 where the total is not known."""
        return min(1.0, self.done / self.total) if self.total else 0.0

    @property
    def said(self) -> str:
        """In words, with the numbers: ``"Reading 12 bands: 7 of 13, 2.1 MB, 0.4 s"``."""
        parts = [f"{self.done} of {self.total}"] if self.total else []
        if self.bytes:
            parts.append(f"{self.bytes / 1e6:.1f} MB")
        parts.append(f"{self.seconds:.1f} s")
        return f"{self.what}: {', '.join(parts)}"


Report = Callable[[Progress], None]
"""What a job calls with each report; it must be quick and may be called from any thread."""


def ignore(progress: Progress) -> None:
    """Take a report and do nothing with it."""


def check(cancel: Event | None) -> None:
    """Stop here when the user asked for it.

    Raises:
        Cancelled: ``cancel`` is set.
    """
    if cancel is not None and cancel.is_set():
        raise Cancelled("Stopped, as you asked: nothing was kept of it.")
