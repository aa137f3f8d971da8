"""Trackers: where the curves of a training are recorded besides its own folder.

Each is a callback of the training loop (:mod:`landcover.train.callbacks`) with a row in
:data:`TRACKERS`. To add one, write a class with ``step``, ``epoch`` and ``close``, and a row.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from landcover.core.errors import BadInput, Cancelled, UnknownName
from landcover.train import mlflow_log, tensorboard_log
from landcover.train.callbacks import Outcome, Tracker, Training, use_callbacks
from landcover.train.mlflow_log import MlflowLog
from landcover.train.tensorboard_log import TensorBoardLog

__all__ = ["TRACKERS", "Kind", "checked", "named", "tracker_of", "tracking"]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of tracker.

    Attributes:
        title: the name that people read.
        place: what is given as its place, for help texts.
        package: that it needs; the extra of that name installs it.
        check: returns a place as it is seen from any folder, or raises BadInput.
        open: starts to record a training at a place; raises ImportError without the package.
    """

    title: str
    place: str
    package: str
    check: Callable[[str], str]
    open: Callable[[str, Training], Tracker]

    @property
    def missing(self) -> str:
        """Why it cannot be used on this computer, one sentence; empty if it can."""
        return "" if importlib.util.find_spec(self.package) else self.advice

    @property
    def advice(self) -> str:
        """How to install what it needs, one sentence."""
        return (
            f"{self.title} is not installed: run `pip install 'landcover[{self.package}]'`, or "
            f"leave the tracker {self.package} out: history.csv has the same metrics."
        )


TRACKERS: Final[dict[str, Kind]] = {
    "tensorboard": Kind(
        title="TensorBoard",
        place="a folder, which `tensorboard --logdir` shows",
        package="tensorboard",
        check=tensorboard_log.check_place,
        open=lambda place, training: TensorBoardLog(Path(place), training),
    ),
    "mlflow": Kind(
        title="MLflow",
        place="the address of a server (https://…), or a file (sqlite:///FILE)",
        package="mlflow",
        check=mlflow_log.check_place,
        open=MlflowLog,
    ),
}
"""Name → kind."""


def named(texts: Iterable[str]) -> dict[str, str]:
    """Split texts of the form ``NAME=PLACE``.

    Returns:
        name of the tracker → place.

    Raises:
        BadInput: a text has another form, or a tracker is named twice.
        UnknownName: there is no such tracker.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, equals, place = text.partition("=")
        if not equals or not place.strip():
            raise BadInput(
                f"A tracker is given as NAME=PLACE, such as tensorboard=curves, not '{text[:80]}'."
            )
        if name in found:
            raise BadInput(f"The tracker '{name[:80]}' is given twice: leave one out.")
        if name not in TRACKERS:
            raise UnknownName("tracker", name, TRACKERS)
        found[name] = place
    return found


def checked(places: Mapping[str, str]) -> dict[str, str]:
    """Check where trackers write before a training starts. No server is asked.

    Args:
        places: name of the tracker → place.

    Returns:
        the same, with places as they are seen from any folder.

    Raises:
        UnknownName: there is no such tracker.
        BadInput: its package is not installed, or it cannot write to that place.
    """
    found = {}
    for name, place in places.items():
        if name not in TRACKERS:
            raise UnknownName("tracker", name, TRACKERS)
        found[name] = TRACKERS[name].check(place)
        if missing := TRACKERS[name].missing:
            raise BadInput(missing)
    return found


def tracker_of(name: str, place: str, training: Training) -> Tracker:
    """Start to record a training.

    Args:
        name: one of :data:`TRACKERS`.
        place: where; each kind says what that is.
        training: what is recorded.

    Raises:
        UnknownName: there is no such tracker.
        BadInput: its package is not installed, or the place cannot be used.
    """
    place = checked({name: place})[name]
    try:
        return TRACKERS[name].open(place, training)
    except ImportError:
        raise BadInput(TRACKERS[name].advice) from None


@contextmanager
def tracking(places: Mapping[str, str], training: Training) -> Iterator[None]:
    """Record all training runs inside the ``with`` block.

    Args:
        places: name of the tracker → place.
        training: what is recorded.

    Raises:
        UnknownName: there is no such tracker.
        BadInput: a package is not installed, or a place cannot be used.
    """
    outcome: Outcome = "failed"
    with ExitStack() as closing:
        trackers = [tracker_of(name, place, training) for name, place in places.items()]
        for tracker in trackers:  # each is closed, even if another one cannot be
            closing.callback(lambda one: one.close(outcome), tracker)
        try:
            with use_callbacks(*trackers):
                yield
            outcome = "finished"
        except (KeyboardInterrupt, Cancelled):
            outcome = "stopped"
            raise
