"""Who looks on while a net is fitted: a progress bar, TensorBoard, or nobody.

What fits nets need not know who looks: ``with watched(...)`` around a call reaches every
run that is made inside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from landcover.train.history import Epoch

__all__ = ["Moment", "Watcher", "watched", "watchers"]


@dataclass(frozen=True, kw_only=True)
class Moment:
    """How far a run is after a step.

    Attributes:
        run: its name, such as ``train``.
        epoch: the one under way, from 1.
        epochs: at most.
        step: steps done in it.
        steps: in it.
        patches: in an epoch.
        loss: mean of this epoch's steps so far.
    """

    run: str
    epoch: int
    epochs: int
    step: int
    steps: int
    patches: int
    loss: float


class Watcher(Protocol):
    """What is told of a run; must be quick, for the run waits."""

    def step(self, moment: Moment) -> None:
        """A step was made."""

    def epoch(self, run: str, entry: Epoch, epochs: int) -> None:
        """An epoch is over, and its checkpoint on the disk."""


_WATCHERS: ContextVar[tuple[Watcher, ...]] = ContextVar("watchers", default=())


@contextmanager
def watched(*watchers: Watcher) -> Iterator[None]:
    """Tell ``watchers`` of all runs inside."""
    token = _WATCHERS.set((*_WATCHERS.get(), *watchers))
    try:
        yield
    finally:
        _WATCHERS.reset(token)


def watchers() -> tuple[Watcher, ...]:
    """Who is to be told here."""
    return _WATCHERS.get()
