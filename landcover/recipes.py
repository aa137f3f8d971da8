"""From a labelled data set to a model folder: one recipe a registered model.

The custom CNN goes through two fits. The first sees the training split alone; on
validation it yields the thresholds and the figures that the card calls *selection*.
The second, when asked for, sees training and validation together with every choice
frozen, and only its weights are shipped. The test split plays no part.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import torch

from landcover import baselines, evaluation, explain
from landcover.card import Card
from landcover.datasets import Dataset
from landcover.datasets.store import NativeStore, join
from landcover.devices import pick_device
from landcover.errors import BadInput, UnknownName
from landcover.model import Model, save_model, weights_bytes
from landcover.patch import FloatArray, Patch
from landcover.registry import BASELINES, DEFAULT_MODEL
from landcover.sources.folder import read_folder
from landcover.training import Epoch, TrainConfig, TrainResult, predict_logits, train

Fit = Literal["train", "train+validation"]
Progress = Callable[[int, int, str], None]

NAMES: Final[tuple[str, ...]] = (DEFAULT_MODEL, *BASELINES)
SCALE_PATCHES: Final = 6
"""Validation patches from which the common scale of attribution maps is measured."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a user asked for, as far as it differs from the configuration."""

    config_file: Path | None = None
    fit: Fit = "train"
    epochs: int | None = None
    seed: int | None = None
    device: str = "auto"


def make(
    name: str, dataset: Dataset, out: Path, order: Order, progress: Progress | None = None
) -> None:
    """Train a model and write its folder.

    A run that was cut off goes on where it stopped when the same call is made again,
    from its checkpoints in ``out/runs``.

    Args:
        name: one of :data:`NAMES`.
        dataset: a data set with train and validation splits.
        out: folder for card, weights and history; made where absent.
        order: settings that differ from the configuration.
        progress: called with epochs done, epochs in all and a note.

    Raises:
        UnknownName: there is no such recipe.
        BadInput: configuration, folder or data set cannot be used.
    """
    if name not in NAMES:
        raise UnknownName("model", name, NAMES)
    if name in BASELINES:
        both = order.fit == "train+validation"
        baselines.make(name, dataset, out, order.seed or 0, with_validation=both)
        return
    config = configuration(name, order)
    training, validation = dataset.load("train"), dataset.load("validation")
    runs = out / "runs"
    total = config.epochs * (2 if order.fit == "train+validation" else 1)
    first = train(config, training, validation, runs / "train", _counter(progress, 0, total))
    chosen = _choose(first, validation)
    final, fitted = first, training
    if order.fit == "train+validation":
        # Without validation there is nothing to choose an epoch by: take the one chosen.
        frozen = replace(config, epochs=first.epoch, select="last", patience=0)
        fitted = join(training, validation)
        tell = _counter(progress, config.epochs, total)
        final = train(frozen, fitted, None, runs / "train+validation", tell)
    card = _card(name, result=final, fitted=fitted, dataset=dataset, order=order, chosen=chosen)
    weights = weights_bytes(final.net())
    card = replace(card, weights_sha256=hashlib.sha256(weights).hexdigest())
    scales = _scales(Model(card, final.net(), pick_device("cpu")), _some_patches(dataset))
    save_model(replace(card, explanation_scales=scales), weights, out)
    # The history with validation figures is the one that shows how the choice was made.
    shutil.copyfile(runs / "train" / "history.csv", out / "history.csv")
    (out / "config.json").write_text(config.to_json(), encoding="utf-8")


def configuration(name: str, order: Order) -> TrainConfig:
    """The settings of a run: the packaged ones or a file's, with what the user asked for.

    Raises:
        BadInput: the file cannot be read or is no configuration.
    """
    if order.config_file is None:
        text = (resources.files("landcover") / "configs" / f"{name}.json").read_text("utf-8")
    else:
        try:
            text = order.config_file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise BadInput(
                f"The configuration '{order.config_file.name}' cannot be read: check the path."
            ) from None
    config = TrainConfig.from_json(text)
    changes: dict[str, Any] = {"device": order.device}
    if order.epochs is not None:
        changes["epochs"] = order.epochs
    if order.seed is not None:
        changes["seed"] = order.seed
    return replace(config, **changes)


@dataclass(frozen=True, kw_only=True)
class _Choice:
    """What validation decided, with a fit that had not seen it."""

    thresholds: dict[str, float]
    figures: dict[str, Any]


def _choose(result: TrainResult, validation: NativeStore) -> _Choice:
    net = result.net()
    probability: FloatArray = torch.sigmoid(predict_logits(net, validation)).numpy()
    truth = validation.targets.numpy().astype(bool)
    thresholds = evaluation.choose_thresholds(truth, probability)
    return _Choice(
        thresholds=thresholds,
        figures={
            "fitted_on": ["train"],
            "measured_on": "validation",
            "n": len(validation),
            "epoch": result.epoch,
            **evaluation.summary(truth, probability, thresholds),
        },
    )


def _card(
    name: str,
    *,
    result: TrainResult,
    fitted: NativeStore,
    dataset: Dataset,
    order: Order,
    chosen: _Choice,
) -> Card:
    splits = order.fit.split("+")
    return Card(
        name=name,
        title="landcover CNN",
        summary=(
            "Our own convolutional net: twelve bands on their native 10, 20 and 60 m grids, "
            "texture and spectra side by side, their distribution over the patch pooled."
        ),
        net=result.config.net,
        net_options=result.config.net_options,
        mean=result.mean,
        std=result.std,
        thresholds=chosen.thresholds,
        threshold_rule=(
            f"{evaluation.THRESHOLD_RULE}, chosen on validation with a fit on train alone"
        ),
        training={
            "dataset": dataset.title,
            "splits": splits,
            **fitted.origin(),
            "epochs": result.epoch,
            "precision": result.precision,
            "seed": result.config.seed,
            "date": datetime.now(UTC).date().isoformat(),
            "command": f"landcover train --dataset bigearthnet --model {name} --fit {order.fit}",
        },
        selection=chosen.figures,
        weights_sha256="",
        parameters=sum(p.numel() for p in result.net().parameters()),
    )


def _some_patches(dataset: Dataset) -> list[Patch]:
    """Validation patches spread evenly over the split."""
    records = dataset.records("validation")
    rows = np.linspace(0, len(records) - 1, min(SCALE_PATCHES, len(records))).round().astype(int)
    return [read_folder(records[row].folder) for row in rows.tolist()]


def _scales(model: Model, patches: Sequence[Patch]) -> dict[str, float]:
    return {method: explain.explanation_scale(model, patches, method) for method in explain.METHODS}


def _counter(progress: Progress | None, done: int, total: int) -> Callable[[Epoch], None] | None:
    if progress is None:
        return None

    def tell(entry: Epoch) -> None:
        note = f"loss {entry.train_loss:.3f}"
        if not np.isnan(entry.val_macro_ap):
            note += f", validation AP macro {entry.val_macro_ap:.3f} micro {entry.val_micro_ap:.3f}"
        progress(done + entry.epoch, total, note)

    return tell
