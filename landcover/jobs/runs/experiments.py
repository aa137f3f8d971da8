"""All experiments: the runs, and the trainings of the past, which models carry with them.

A model folder holds the settings (``config.json``) and the epochs (``history.csv``) of its
training, also if that was no run of this computer: shipped models, and models from elsewhere.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal

from landcover.core.errors import BadInput, LandcoverError, UnknownName
from landcover.core.json_numbers import none_if_nan
from landcover.core.text import plain
from landcover.jobs.runs import folder, record, settings, testing, text
from landcover.jobs.runs.record import Run
from landcover.models import registry
from landcover.models.card import Card
from landcover.train import history
from landcover.train.checkpoint import CONFIG_FILE
from landcover.train.history import Epoch

__all__ = [
    "PAST",
    "Experiment",
    "all_experiments",
    "find",
    "of_model",
    "of_run",
    "past",
    "settings_of",
]

PAST: Final = "model:"
"""Beginning of the key of a training of the past; the name of its model follows."""
_LONGEST: Final = 100
_OPTION: Final = r"--{0}[ =](\S+)"


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A run, or a training of the past.

    Attributes:
        key: the run's id; of a training of the past ``model:`` and the model's name.
        name: of the run or the model.
        kind: ``past`` is a training that was no run of this computer.
        model: what was trained or tested.
        data: the data set.
        state: of the run; a training of the past is finished.
        macro_ap, micro_ap: average precision: of a training the best on validation, of a test
            that of its report; NaN if not measured.
        seconds: of a training those of its epochs, else from start to end; NaN if not known.
        date: when the run was queued, or the model made; None if not known.
        history: epochs of a training.
        result: name of the model that was made, in the registry; "" if there is none.
        run: the run; None for a training of the past.
    """

    key: str
    name: str
    kind: Literal["train", "test", "past"]
    model: str
    data: str
    state: str
    macro_ap: float
    micro_ap: float
    seconds: float
    date: datetime | None
    history: tuple[Epoch, ...]
    result: str
    run: Run | None = None

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready; of a run as :func:`landcover.jobs.runs.text.as_dict`."""
        if self.run is not None:
            return text.as_dict(self.run)
        return {
            "id": self.key,
            "name": self.name,
            "kind": self.kind,
            "state": self.state,
            "dataset": self.data,
            "trained": self.model,
            "created": None if self.date is None else self.date.date().isoformat(),
            "epochs": len(self.history),
            "best_macro_ap": none_if_nan(self.macro_ap),
            "model": self.result,
        }


def all_experiments() -> tuple[Experiment, ...]:
    """All runs, newest first, then the trainings of the past of which no run is listed."""
    runs = tuple(map(of_run, record.all_runs()))
    made = {run.result for run in runs}
    return (*runs, *(each for each in past() if each.result not in made))


def past() -> tuple[Experiment, ...]:
    """The trainings whose settings or epochs the installed models carry with them."""
    found = []
    for name in registry.default().names():
        try:
            experiment = of_model(name)
        except LandcoverError:  # a damaged model, of which the Models page tells
            continue
        found.append(experiment)
    return tuple(found)


def find(wanted: str) -> Experiment:
    """The run of that id or name, or the training of the past of a model of that name.

    Raises:
        UnknownName: there is neither.
        LandcoverError: the model carries no training, or is damaged.
    """
    try:
        return of_run(record.find(wanted))
    except UnknownName:
        name = wanted.removeprefix(PAST)
        if name not in registry.default().names():
            raise
    return of_model(name)


def of_run(run: Run) -> Experiment:
    """A run as an experiment."""
    macro, micro = _precisions(run)
    known = registry.default().names() if run.model else ()
    return Experiment(
        key=run.id,
        name=run.name,
        kind=run.order.kind,
        model=run.order.model,
        data=run.order.dataset,
        state=run.state,
        macro_ap=macro,
        micro_ap=micro,
        seconds=_seconds(run),
        date=run.created,
        history=run.history,
        result=run.model if run.model in known else "",
        run=run,
    )


def of_model(name: str) -> Experiment:
    """The training of an installed model.

    Raises:
        UnknownName: there is no such model.
        BadInput: it carries neither settings nor epochs.
        LandcoverError: its card is damaged.
    """
    models = registry.default()
    path, card = models.folder(name), models.card(name)
    epochs = history.read_csv(path / history.HISTORY_FILE)
    if not epochs and not _settings(path):
        raise BadInput(
            f"The model '{name}' carries neither settings nor epochs of its training: give another "
            "one, or a run."
        )
    facts = _facts(card)
    return Experiment(
        key=f"{PAST}{name}",
        name=name,
        kind="past",
        model=facts["model"],
        data=facts["data set"],
        state="finished",
        macro_ap=history.best_ap(epochs),
        micro_ap=history.best_ap(epochs, "micro"),
        seconds=history.seconds(epochs),
        date=_day(card.training.get("date")),
        history=epochs,
        result=name,
    )


def settings_of(experiment: Experiment) -> dict[str, Any]:
    """What decided the result of an experiment, flat, with the same names for all kinds.

    Raises:
        LandcoverError: the model of a training of the past is gone, or its card is damaged.
    """
    run = experiment.run
    if run is not None:
        return {} if run.damaged else settings.values_of(run)
    models = registry.default()
    given = _settings(models.folder(experiment.result))
    facts = _facts(models.card(experiment.result))
    said = {name: value for name, value in facts.items() if value != ""}
    return {**said, **settings.flat(given)}


def _settings(path: Path) -> dict[str, Any]:
    try:
        return folder.read_json(path / CONFIG_FILE)
    except (OSError, ValueError):
        return {}


def _facts(card: Card) -> dict[str, Any]:
    """What a card says of its training, under the names that the settings of runs have.

    "" is what it does not say.
    """
    training = card.training
    splits = training.get("splits")
    return {
        "model": _option(card, "model") or card.net,
        "data set": _option(card, "dataset") or _text(training.get("dataset")),
        "fit": "+".join(map(_text, splits)) if isinstance(splits, list) else "",
        "patches": training.get("n", ""),
        "seed": training.get("seed", ""),
    }


def _option(card: Card, name: str) -> str:
    """The value of an option in the command that made a model; "" if it is not there."""
    found = re.search(_OPTION.format(name), _text(card.training.get("command"), 2_000))
    return found[1][:_LONGEST] if found else ""


def _text(value: object, most: int = _LONGEST) -> str:
    return plain(value[:most]) if isinstance(value, str) else ""


def _day(value: object) -> datetime | None:
    try:
        day = date.fromisoformat(_text(value))
    except ValueError:
        return None
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _seconds(run: Run) -> float:
    """Those of all epochs, since the start is the last one of a run that was resumed."""
    if run.history:
        return history.seconds(run.history)
    if run.started is None or run.ended is None:
        return math.nan
    return max(0.0, (run.ended - run.started).total_seconds())


def _precisions(run: Run) -> tuple[float, float]:
    """Macro and micro average precision of a run; NaN if not measured."""
    if run.order.kind == "train":
        return run.best_ap, history.best_ap(run.history, "micro")
    if run.state != "finished":
        return math.nan, math.nan
    try:
        return _of_report(run.folder, run.ended)
    except (LandcoverError, OSError):  # the report is damaged, which whoever shows it says
        return math.nan, math.nan


@lru_cache(maxsize=2_000)
def _of_report(path: Path, ended: datetime | None) -> tuple[float, float]:  # noqa: ARG001 - part of the key
    found = testing.metrics_of(path)
    macro, micro = (math.nan if v is None else v for v in (found.macro_ap, found.micro_ap))
    return macro, micro
