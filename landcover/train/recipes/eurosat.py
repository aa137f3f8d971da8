"""The recipe of ``eurosat-rgb``: ImageNet weights, fine-tuned on EuroSAT pictures.

EfficientNet-Lite0 starts from ImageNet and is fine-tuned in phases, each from the weights
of the previous one: first on pictures in their own size, which is fast, then on enlarged ones,
which is more accurate. A fit on the training split gives the metrics on validation. If
requested, the last phase is then continued on training and validation together, and that is
shipped: it takes a third of the time of a full fit. The test split is not used.

Two baselines are written to the same folder, under ``baselines``: class frequencies, and
extra trees on colour statistics.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from landcover.core import files, untrusted_json
from landcover.core.errors import BadInput
from landcover.core.progress import Progress, Report
from landcover.datasets.eurosat import EuroSat
from landcover.datasets.eurosat_store import RgbStore
from landcover.models.inference import Scorer
from landcover.nets.efficientnet_lite0 import Lite0, imagenet_weights
from landcover.train import distributed
from landcover.train.configuration import TrainConfig
from landcover.train.history import Epoch, write_csv
from landcover.train.loop import TrainResult, train
from landcover.train.recipes.build import RANDOM_WEIGHTS
from landcover.train.recipes.eurosat_folder import NAME, finished, write
from landcover.train.recipes.order import Order, overrides, settings_text
from landcover.train.state import Weights
from landcover.train.validation import average_precisions

__all__ = [
    "TARGETS",
    "Plan",
    "TrainedPhases",
    "first_weights",
    "fit",
    "imagenet_trunk",
    "make",
    "minutes_to",
    "phase_reporter",
    "plan",
    "selection",
]

_BATCH: Final = 32
TARGETS: Final = (0.97, 0.98)
"""Accuracies on validation; the time to reach each is reported."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The settings of the phases.

    Attributes:
        phases: one configuration each, in order.
        symmetries: number of symmetries of the square over which the finished net averages.
    """

    phases: tuple[TrainConfig, ...]
    symmetries: int

    @property
    def net_options(self) -> dict[str, Any]:
        """Keyword arguments of the finished net."""
        return {**self.phases[-1].net_options, "symmetries": self.symmetries}

    @property
    def start(self) -> str:
        """What the first phase starts from."""
        return RANDOM_WEIGHTS if self.phases[0].start == "random" else "ImageNet"

    @property
    def epochs(self) -> int:
        """Number of epochs in one fit."""
        return sum(phase.epochs for phase in self.phases)

    def to_json(self) -> str:
        """Write as JSON, which :func:`plan` reads."""
        phases = [asdict(phase) for phase in self.phases]
        return json.dumps({"symmetries": self.symmetries, "phases": phases}, indent=1) + "\n"


@dataclass(frozen=True, kw_only=True)
class TrainedPhases:
    """The result of one fit: the weights, and facts about training for the card."""

    state: Weights
    facts: dict[str, Any]
    history: tuple[Epoch, ...]


def make(name: str, dataset: object, out: Path, order: Order, report: Report | None = None) -> None:
    """Train the net for pictures and write its folder.

    The same call resumes an interrupted run.

    Args:
        name: ``eurosat-rgb``.
        dataset: EuroSAT with the places of its pictures, on which its splits depend.
        out: the folder to write; created if missing.
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
    start = first_weights(settings)
    both = order.fit == "train+validation"
    again = replace(settings, phases=settings.phases[-1:])
    total = settings.epochs + (again.epochs if both else 0)
    runs = out / "runs"
    on_epoch = phase_reporter(report, 0, total)
    first = fit(settings, training, validation, start, runs / "train", on_epoch=on_epoch)
    chosen = selection(first.state, settings.net_options, validation)
    final, fitted = first, training
    if both:
        fitted = training.joined(validation)
        on_epoch = phase_reporter(report, settings.epochs, total)
        final = fit(again, fitted, None, first.state, runs / "train+validation", on_epoch=on_epoch)
    if not distributed.current().is_main:
        return  # the first process writes for all
    write(
        final.state,
        settings.net_options,
        dataset=dataset,
        fitted=fitted,
        splits=order.fit.split("+"),
        selection=chosen,
        facts={
            "start": settings.start,
            **final.facts,
            **_total_cost(first, final),
            **minutes_to(first.history),
        },
        out=out,
    )
    write_csv(first.history, out / "history.csv")
    files.write_text(out / "config.json", settings.to_json())


def plan(order: Order) -> Plan:
    """The settings: packaged or from a file, with the user's overrides.

    Raises:
        BadInput: the file cannot be read or is not such a configuration.
    """
    text = settings_text(NAME, order)
    try:
        raw = untrusted_json.parse(text)
        parts, symmetries = [json.dumps(part) for part in raw["phases"]], raw["symmetries"]
    except (ValueError, KeyError, TypeError):
        parts, symmetries = [], 0
    if not parts or symmetries not in (1, 2, 4, 8):
        raise BadInput(
            "The configuration of the net for pictures needs 'phases', a list of training "
            "configurations, and 'symmetries', which is 1, 2, 4 or 8."
        )
    wanted = overrides(order)
    if order.shards is not None:
        wanted["shards"] = order.shards
    phases = tuple(replace(TrainConfig.from_json(part), **wanted) for part in parts)
    if any(phase.net != "rgb-lite0" or phase.loss != "softmax" for phase in phases):
        raise BadInput("Every phase of the net for pictures needs net rgb-lite0 and loss softmax.")
    return Plan(phases=phases, symmetries=symmetries)


def first_weights(settings: Plan) -> Weights:
    """The weights that the first phase starts from; none for random ones.

    Raises:
        BadInput: the package that contains those of ImageNet is not installed.
    """
    return {} if settings.start == RANDOM_WEIGHTS else imagenet_trunk()


def imagenet_trunk() -> Weights:
    """The published ImageNet weights of the trunk, from which training starts.

    Raises:
        BadInput: the package that contains them is not installed.
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
    on_epoch: Callable[[int, Epoch], None] | None = None,
) -> TrainedPhases:
    """Run all phases, each from the weights of the previous one.

    Args:
        settings: the phases.
        training: pictures to train on.
        validation: pictures for monitoring; nothing is chosen on them.
        start: weights to start from.
        runs: a folder for this fit's checkpoints.
        on_epoch: called after each epoch with the epochs of earlier phases, and the epoch.

    Raises:
        BadInput: the folder holds a run of other settings or pictures.
    """
    state, history = dict(start), list[Epoch]()
    result: TrainResult | None = None
    for number, config in enumerate(settings.phases, 1):
        done = len(history)
        each = None if on_epoch is None else _after(on_epoch, done)
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


def _total_cost(first: TrainedPhases, final: TrainedPhases) -> dict[str, Any]:
    """Total epochs and minutes of training, when the last fit continued the first."""
    fits = (first,) if final is first else (first, final)
    return {key: round(sum(one.facts[key] for one in fits), 1) for key in ("epochs", "minutes")}


def minutes_to(history: Sequence[Epoch]) -> dict[str, Any]:
    """Minutes of training until validation reached each of :data:`TARGETS`; None if never."""
    found: dict[str, float | None] = {}
    for target in TARGETS:
        seconds = 0.0
        found[f"{target:.0%}"] = None
        for entry in history:
            seconds += entry.seconds
            if entry.val_accuracy >= target:
                found[f"{target:.0%}"] = round(seconds / 60, 1)
                break
    return {"minutes_to_validation_accuracy": found}


def selection(
    state: Mapping[str, Tensor], net_options: Mapping[str, Any], validation: RgbStore
) -> dict[str, Any]:
    """Metrics on validation of weights that were trained only on the training split."""
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


def _after(on_epoch: Callable[[int, Epoch], None], done: int) -> Callable[[Epoch], None]:
    return lambda entry: on_epoch(done, entry)


def phase_reporter(
    report: Report | None, before: int, total: int
) -> Callable[[int, Epoch], None] | None:
    """Make the callback of :func:`fit` that reports progress over several fits.

    Args:
        report: called after each epoch with the loss, the accuracy on validation, and the
            minutes until each of :data:`TARGETS` was reached; if None, there is no callback.
        before: number of epochs in earlier fits.
        total: number of epochs in all fits.
    """
    if report is None:
        return None
    seconds = 0.0
    reached: list[str] = []

    def on_epoch(done: int, entry: Epoch) -> None:
        nonlocal seconds
        seconds += entry.seconds
        note = f"loss {entry.train_loss:.3f}"
        if not math.isnan(entry.val_accuracy):
            note += f", validation accuracy {entry.val_accuracy:.2%}"
            missing = TARGETS[len(reached) :]
            now = f"after {seconds / 60:.1f} min"
            reached.extend(
                f"{target:.0%} {now}" for target in missing if entry.val_accuracy >= target
            )
        report(
            Progress(
                what="Training",
                done=before + done + entry.epoch,
                total=total,
                unit="epochs",
                detail=", ".join([note, *reached]),
            )
        )

    return on_epoch
