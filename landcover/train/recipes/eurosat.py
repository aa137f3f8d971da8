"""The recipe of ``eurosat-rgb``: a net of photographs, trained on pictures from above.

EfficientNet-Lite0 starts from ImageNet and is fine-tuned in phases, each from the weights
of the one before: first on the pictures as they are, which is quick, then on enlarged
ones, which is better. A fit on the training split yields the figures on validation. When
asked for, the last phase then goes on with training and validation together, and that is
shipped: it costs a third of a fit from the start. The test split plays no part, except that
nobody may train on it.

Two floors go into the same folder, under ``baselines``: the classes' frequencies, and
trees on the statistics of colours.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from landcover.core.errors import BadInput
from landcover.core.progress import Progress, Report
from landcover.datasets.eurosat import EuroSat
from landcover.datasets.eurosat_store import RgbStore
from landcover.models.inference import Scorer
from landcover.nets.efficientnet_lite0 import Lite0, imagenet_weights
from landcover.train import distributed
from landcover.train.configuration import TrainConfig
from landcover.train.history import Epoch
from landcover.train.loop import TrainResult, train
from landcover.train.recipes.eurosat_folder import NAME, finished, write
from landcover.train.recipes.order import Order, changes, settings_text
from landcover.train.state import Weights
from landcover.train.validation import average_precisions

__all__ = [
    "GOALS",
    "Plan",
    "TrainedPhases",
    "fit",
    "make",
    "minutes_to",
    "photographs",
    "plan",
    "selection",
]

_BATCH: Final = 32
GOALS: Final = (0.97, 0.98)
"""Accuracies on validation to which the time is told."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The settings of the phases.

    Attributes:
        phases: one configuration each, in order.
        symmetries: in how many symmetries of the square the finished net looks.
    """

    phases: tuple[TrainConfig, ...]
    symmetries: int

    @property
    def net_options(self) -> dict[str, Any]:
        """What builds the finished net."""
        return {**self.phases[-1].net_options, "symmetries": self.symmetries}

    @property
    def epochs(self) -> int:
        """Passes over the pictures in one fit."""
        return sum(phase.epochs for phase in self.phases)

    def to_json(self) -> str:
        """As text that :func:`plan` reads."""
        phases = [asdict(phase) for phase in self.phases]
        return json.dumps({"symmetries": self.symmetries, "phases": phases}, indent=1) + "\n"


@dataclass(frozen=True, kw_only=True)
class TrainedPhases:
    """What one fit leaves: the weights, and what a card says of how they came about."""

    state: Weights
    facts: dict[str, Any]
    history: tuple[Epoch, ...]


def make(name: str, dataset: object, out: Path, order: Order, report: Report | None = None) -> None:
    """Train the net for pictures and write its folder.

    A run that was cut off goes on where it stopped when the same call is made again.

    Args:
        name: ``eurosat-rgb``.
        dataset: EuroSAT with its places, which its splits hang on.
        out: the folder to write; made where absent.
        order: settings that differ from the configuration.
        report: called after each epoch.

    Raises:
        BadInput: it is another data set, it has no splits, a setting cannot be used, or the
            ImageNet weights are not installed.
    """
    if not isinstance(dataset, EuroSat):
        raise BadInput(f"The model '{name}' is trained on pictures: give --dataset eurosat.")
    settings = plan(order)
    training, validation = dataset.load("train"), dataset.load("validation")
    start = photographs()
    both = order.fit == "train+validation"
    again = replace(settings, phases=settings.phases[-1:])
    total = settings.epochs + (again.epochs if both else 0)
    runs = out / "runs"
    tell = _counter(report, 0, total)
    first = fit(settings, training, validation, start, runs / "train", tell=tell)
    chosen = selection(first.state, settings.net_options, validation)
    final, fitted = first, training
    if both:
        fitted = training.joined(validation)
        tell = _counter(report, settings.epochs, total)
        final = fit(again, fitted, None, first.state, runs / "train+validation", tell=tell)
    if not distributed.current().leads:
        return  # the first process writes for all
    write(
        final.state,
        settings.net_options,
        dataset=dataset,
        fitted=fitted,
        splits=order.fit.split("+"),
        selection=chosen,
        facts={**final.facts, **_from_the_start(first, final), **minutes_to(first.history)},
        out=out,
    )
    _write_history(out / "history.csv", first.history)
    (out / "config.json").write_text(settings.to_json(), encoding="utf-8")


def plan(order: Order) -> Plan:
    """The settings: the packaged ones or a file's, with what the user asked for.

    Raises:
        BadInput: the file cannot be read or is no such configuration.
    """
    text = settings_text(NAME, order)
    try:
        raw = json.loads(text)
        parts, symmetries = [json.dumps(part) for part in raw["phases"]], raw["symmetries"]
    except (ValueError, KeyError, TypeError):
        parts, symmetries = [], 0
    if not parts or symmetries not in (1, 2, 4, 8):
        raise BadInput(
            "The configuration of the net for pictures needs 'phases', a list of training "
            "configurations, and 'symmetries', which is 1, 2, 4 or 8."
        )
    wanted = changes(order)
    if order.shards is not None:
        wanted["shards"] = order.shards
    phases = tuple(replace(TrainConfig.from_json(part), **wanted) for part in parts)
    if any(phase.net != "rgb-lite0" or phase.loss != "softmax" for phase in phases):
        raise BadInput("Every phase of the net for pictures needs net rgb-lite0 and loss softmax.")
    return Plan(phases=phases, symmetries=symmetries)


def photographs() -> Weights:
    """Where training starts: the published ImageNet weights of the trunk.

    Raises:
        BadInput: the package that carries them is not installed.
    """
    trunk = Lite0()
    trunk.load_imagenet(imagenet_weights())
    return {f"trunk.{name}": value for name, value in trunk.state_dict().items()}


def fit(
    settings: Plan,
    training: RgbStore,
    validation: RgbStore | None,
    start: Mapping[str, Tensor],
    runs: Path,
    *,
    tell: Callable[[int, Epoch], None] | None = None,
) -> TrainedPhases:
    """Run all phases, each from the weights of the one before.

    Args:
        settings: the phases.
        training: pictures to learn from.
        validation: pictures to show the progress on; nothing is chosen by them.
        start: weights to start from.
        runs: a folder for this fit's checkpoints.
        tell: called after each epoch with the epochs of earlier phases, and the epoch.

    Raises:
        BadInput: the folder holds a run of other settings or pictures.
    """
    state, history = dict(start), list[Epoch]()
    result: TrainResult | None = None
    for number, config in enumerate(settings.phases, 1):
        done = len(history)
        each = None if tell is None else _after(tell, done)
        result = train(config, training, validation, runs / f"phase-{number}", each, initial=state)
        state = result.state
        history += [replace(entry, epoch=done + entry.epoch) for entry in result.history]
    assert result is not None
    return TrainedPhases(
        state=state,
        history=tuple(history),
        facts={
            "epochs": len(history),
            "precision": result.precision,
            "seed": result.config.seed,
            "minutes": round(sum(entry.seconds for entry in history) / 60, 1),
        },
    )


def _from_the_start(first: TrainedPhases, final: TrainedPhases) -> dict[str, Any]:
    """What training took in all, where the last fit went on from the first."""
    fits = (first,) if final is first else (first, final)
    return {
        "start": "ImageNet",
        **{key: round(sum(one.facts[key] for one in fits), 1) for key in ("epochs", "minutes")},
    }


def minutes_to(history: Sequence[Epoch]) -> dict[str, Any]:
    """Minutes of training until validation reached each of :data:`GOALS`; None: it did not."""
    found: dict[str, float | None] = {}
    for goal in GOALS:
        seconds = 0.0
        found[f"{goal:.0%}"] = None
        for entry in history:
            seconds += entry.seconds
            if entry.val_accuracy >= goal:
                found[f"{goal:.0%}"] = round(seconds / 60, 1)
                break
    return {"minutes_to_validation_accuracy": found}


def selection(
    state: Mapping[str, Tensor], net_options: Mapping[str, Any], validation: RgbStore
) -> dict[str, Any]:
    """Figures on validation of weights that were fitted to the training split alone."""
    net = finished(state, net_options)
    score = Scorer(net, validation.pixels(range(min(2, len(validation)))), "float32")
    rows = torch.split(torch.arange(len(validation)), _BATCH)
    shares = torch.cat([score(validation.pixels(part.tolist())) for part in rows]).softmax(dim=1)
    hits = shares.argmax(dim=1) == validation.targets.argmax(dim=1)
    macro, micro = average_precisions(validation.targets.numpy(), shares.numpy())
    return {
        "fitted_on": ["train"],
        "measured_on": "validation",
        "n": len(validation),
        "accuracy": float(hits.float().mean()),
        "macro_ap": macro,
        "micro_ap": micro,
    }


def _write_history(path: Path, history: Sequence[Epoch]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [item.name for item in fields(Epoch)])
        writer.writeheader()
        writer.writerows(asdict(entry) for entry in history)


def _after(tell: Callable[[int, Epoch], None], done: int) -> Callable[[Epoch], None]:
    return lambda entry: tell(done, entry)


def _counter(report: Report | None, before: int, total: int) -> Callable[[int, Epoch], None] | None:
    if report is None:
        return None
    seconds = 0.0
    reached: list[str] = []

    def tell(done: int, entry: Epoch) -> None:
        nonlocal seconds
        seconds += entry.seconds
        note = f"loss {entry.train_loss:.3f}"
        if not math.isnan(entry.val_accuracy):
            note += f", validation accuracy {entry.val_accuracy:.2%}"
            missing = GOALS[len(reached) :]
            now = f"after {seconds / 60:.1f} min"
            reached.extend(f"{goal:.0%} {now}" for goal in missing if entry.val_accuracy >= goal)
        report(
            Progress(
                what="Training",
                done=before + done + entry.epoch,
                total=total,
                unit="epochs",
                detail=", ".join([note, *reached]),
            )
        )

    return tell
