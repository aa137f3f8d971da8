"""How ``eurosat-rgb`` comes into being: a net of photographs that learns pictures from above.

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
import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from sklearn.ensemble import ExtraTreesRegressor
from torch import Tensor, nn

from landcover import nets
from landcover.core.bands import EUROSAT_PIXELS, RGB_BANDS
from landcover.core.classes import EUROSAT_CLASSES
from landcover.core.errors import BadInput
from landcover.core.progress import Progress, Report
from landcover.core.raster import Raster
from landcover.datasets.eurosat import EuroSat, RgbStore, pack_names
from landcover.evaluate.pictures import BASELINES
from landcover.explain import explanation
from landcover.io.images import picture_of
from landcover.models.card import BRIGHTNESS, EVEN, RGB, SOFTMAX, Card
from landcover.models.devices import pick_device
from landcover.models.inference import Scorer
from landcover.models.model import Model, save_model
from landcover.nets.colour_statistics import ColourForest
from landcover.nets.efficientnet_lite0 import Lite0, imagenet
from landcover.nets.reference import ClassPrior
from landcover.train import distributed
from landcover.train.loop import Epoch, State, TrainConfig, TrainResult, average_precisions, train
from landcover.train.recipes.bigearthnet import (
    Order,
    changes,
    packed,
    rounded,
    settings_text,
)
from landcover.train.recipes.reference_fit import as_net, features

NAME: Final = "eurosat-rgb"
PRIOR: Final = "class-prior"
COLOURS: Final = "colour-statistics"
TREES: Final = 40
MIN_LEAF: Final = 20
SCALE_PICTURES: Final = 6
"""Validation pictures from which the common scale of attribution maps is measured."""
_BATCH: Final = 32
GOALS: Final = (0.97, 0.98)
"""Accuracies on validation to which the time is told."""
THRESHOLD_RULE: Final = "none: the classes exclude each other, so the most probable one is called"


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
class Fitted:
    """What one fit leaves: the weights, and what a card says of how they came about."""

    state: State
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
        raise BadInput(f"The model '{name}' learns from pictures: train it with --dataset eurosat.")
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


def photographs() -> State:
    """Where training starts: the published ImageNet weights of the trunk.

    Raises:
        BadInput: the package that carries them is not installed.
    """
    trunk = Lite0()
    trunk.from_imagenet(imagenet())
    return {f"trunk.{name}": value for name, value in trunk.state_dict().items()}


def fit(
    settings: Plan,
    training: RgbStore,
    validation: RgbStore | None,
    start: Mapping[str, Tensor],
    runs: Path,
    *,
    tell: Callable[[int, Epoch], None] | None = None,
) -> Fitted:
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
    return Fitted(
        state=state,
        history=tuple(history),
        facts={
            "epochs": len(history),
            "precision": result.precision,
            "seed": result.config.seed,
            "minutes": round(sum(entry.seconds for entry in history) / 60, 1),
        },
    )


def _from_the_start(first: Fitted, final: Fitted) -> dict[str, Any]:
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


def finished(state: Mapping[str, Tensor], net_options: Mapping[str, Any]) -> nn.Module:
    """The net that is shipped: in evaluation mode, its large weights as half precision holds them.

    Args:
        state: of an ``rgb-lite0``.
        net_options: what builds it.
    """
    net = nets.build("rgb-lite0", **net_options)
    net.load_state_dict(dict(state))
    return rounded(net)


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


def write(
    state: Mapping[str, Tensor],
    net_options: Mapping[str, Any],
    *,
    dataset: EuroSat,
    fitted: RgbStore,
    splits: Sequence[str],
    selection: Mapping[str, Any],
    facts: Mapping[str, Any],
    out: Path,
) -> Card:
    """Write the model's folder from weights, however they came about.

    Args:
        state: weights of an ``rgb-lite0``.
        net_options: what builds it, with the symmetries it shall look in.
        dataset: where the pictures for the scales of attribution are from.
        fitted: the pictures that the weights were fitted to; the floors learn from them too.
        splits: the splits that these are.
        selection: figures on validation (:func:`selection`).
        facts: how the weights came about.
        out: the folder; made where absent.

    Raises:
        BadInput: a picture cannot be read.
    """
    net = finished(state, net_options)
    card = _card(
        NAME,
        "EuroSAT RGB",
        "One of ten land covers for a colour picture of 640 m: EfficientNet-Lite0 that starts from "
        "ImageNet and looks at the picture in several symmetries.",
        net=("rgb-lite0", dict(net_options), net),
        fitted=fitted,
        splits=splits,
        selection=selection,
        facts=facts,
    )
    model = Model(card, net, pick_device("cpu"))
    scales = explanation.explanation_scales(model, some_pictures(dataset))
    card = _save(replace(card, explanation_scales=scales), net, out)
    for name, floor in FLOORS.items():
        made = floor.fit(fitted)
        below = _card(
            name,
            floor.title,
            floor.summary,
            net=made,
            fitted=fitted,
            splits=splits,
            selection={},
            facts={},
        )
        _save(replace(below, explainable=False), made[2], out / BASELINES / name)
    return card


def fit_prior(store: RgbStore) -> tuple[str, dict[str, Any], nn.Module]:
    """The classes' frequencies, with half a picture more each, as scores of a softmax."""
    options = {"classes": store.targets.shape[1]}
    net = ClassPrior(**options)
    net.logits.copy_(torch.log(store.targets.sum(dim=0) + 0.5))
    return "class-prior", options, net.eval()


def fit_colours(store: RgbStore, seed: int = 0) -> tuple[str, dict[str, Any], nn.Module]:
    """Extra trees on mean, standard deviation and quantiles of red, green and blue."""
    forest = ExtraTreesRegressor(
        n_estimators=TREES, min_samples_leaf=MIN_LEAF, max_features="sqrt", random_state=seed
    )
    trees, options = as_net(forest.fit(features(store), store.targets.numpy()))
    net = ColourForest(**options)
    net.load_state_dict(trees.state_dict())
    return "colour-statistics", options, net.eval()


@dataclass(frozen=True, kw_only=True)
class Floor:
    """What makes a floor, and what its card says of it."""

    title: str
    summary: str
    fit: Callable[[RgbStore], tuple[str, dict[str, Any], nn.Module]]
    """The architecture, what builds it, and the fitted net."""


FLOORS: Final[dict[str, Floor]] = {
    PRIOR: Floor(
        title="Class prior",
        summary="Looks at no pixel: says of every picture how frequent each class was.",
        fit=fit_prior,
    ),
    COLOURS: Floor(
        title="Colour statistics with extra trees",
        summary=(
            "Trees on mean, standard deviation and nine quantiles of red, green and blue: what "
            "colours alone give away, without their arrangement."
        ),
        fit=fit_colours,
    ),
}
"""Name of a floor → how it is made."""


def _card(
    name: str,
    title: str,
    summary: str,
    *,
    net: tuple[str, dict[str, Any], nn.Module],
    fitted: RgbStore,
    splits: Sequence[str],
    selection: Mapping[str, Any],
    facts: Mapping[str, Any],
) -> Card:
    """A card without the hash of the weights."""
    net_name, net_options, built = net
    trained = sum(value.numel() for value in built.parameters())
    tables = sum(v.numel() for v in built.state_dict().values() if v.is_floating_point())
    mean, std = fitted.colour_statistics()
    return Card(
        name=name,
        title=title,
        summary=summary,
        net=net_name,
        net_options=net_options,
        bands=RGB_BANDS,
        units=BRIGHTNESS,
        level=RGB,
        pixels=EUROSAT_PIXELS,
        resampling="none",
        class_set="eurosat-10",
        classes=EUROSAT_CLASSES,
        activation=SOFTMAX,
        mean=mean,
        std=std,
        thresholds=dict.fromkeys(EUROSAT_CLASSES, EVEN),
        threshold_rule=THRESHOLD_RULE,
        training={
            "dataset": EuroSat.title,
            "splits": list(splits),
            **fitted.origin(),
            **facts,
            "date": datetime.now(UTC).date().isoformat(),
            "command": f"landcover train --dataset eurosat --model {NAME} --fit {'+'.join(splits)}",
            "names": pack_names(fitted.ids),
        },
        selection=dict(selection),
        weights_sha256="",
        parameters=trained or tables,
    )


def _save(card: Card, net: nn.Module, out: Path) -> Card:
    weights = packed(net, half=True)
    card = replace(card, weights_sha256=hashlib.sha256(weights).hexdigest())
    save_model(card, weights, out)
    return card


def some_pictures(dataset: EuroSat) -> list[Raster]:
    """Validation pictures spread evenly over the split, one a class or so."""
    records = dataset.records("validation")
    rows = np.linspace(0, len(records) - 1, min(SCALE_PICTURES, len(records))).round().astype(int)
    chosen = [records[row] for row in rows.tolist()]
    store = dataset.load_pictures(chosen)
    return [picture_of(store.bytes[k], record.name) for k, record in enumerate(chosen)]


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
