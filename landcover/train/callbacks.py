"""Callbacks of training runs, such as a progress bar or TensorBoard.

``with use_callbacks(...)`` around a call applies to every training run inside it, so that
training code does not have to pass callbacks on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from landcover.train.history import Epoch

__all__ = [
    "Callback",
    "Outcome",
    "StepProgress",
    "Tracker",
    "Training",
    "active_callbacks",
    "use_callbacks",
]

Outcome = Literal["finished", "stopped", "failed"]
"""How a training ended; ``stopped`` by the user, so that it can be resumed."""


@dataclass(frozen=True, kw_only=True)
class StepProgress:
    """Progress of a run after a step.

    Attributes:
        run: its name, such as ``train``.
        epoch: the current one, from 1.
        epochs: maximum number of epochs.
        step: steps done in this epoch.
        steps: steps of an epoch.
        patches: patches of an epoch.
        loss: mean over the steps of this epoch so far.
    """

    run: str
    epoch: int
    epochs: int
    step: int
    steps: int
    patches: int
    loss: float


class Callback(Protocol):
    """Interface of a callback. It must be quick, because training waits for it."""

    def step(self, progress: StepProgress) -> None:
        """Handle the end of a step."""

    def epoch(self, run: str, entry: Epoch, epochs: int) -> None:
        """Handle the end of an epoch, after its checkpoint was written."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """What trackers record about a training, which may consist of several fits.

    Attributes:
        name: the name that people read.
        folder: the model folder that it writes; its fits are in ``runs`` there.
        settings: what was ordered: data set, model, and what else identifies the training.
    """

    name: str
    folder: Path
    settings: Mapping[str, object]


class Tracker(Callback, Protocol):
    """A callback that records a training elsewhere: see :mod:`landcover.train.trackers`."""

    def close(self, outcome: Outcome = "finished") -> None:
        """Record how the training ended, and close files and connections."""


_CALLBACKS: ContextVar[tuple[Callback, ...]] = ContextVar("callbacks", default=())


@contextmanager
def use_callbacks(*callbacks: Callback) -> Iterator[None]:
    """Call ``callbacks`` in all training runs inside the ``with`` block."""
    token = _CALLBACKS.set((*_CALLBACKS.get(), *callbacks))
    try:
        yield
    finally:
        _CALLBACKS.reset(token)


def active_callbacks() -> tuple[Callback, ...]:
    """The callbacks that apply here."""
    return _CALLBACKS.get()
