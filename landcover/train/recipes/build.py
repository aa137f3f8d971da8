"""The two fits of every model for patches, and its model folder.

The first fit uses only the training split. With it, thresholds and calibration are chosen and
the metrics that the card calls *selection* are measured on validation. The second fit, if
requested, uses training and validation together with all choices frozen, and only its weights
are shipped. The test split is not used.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from torch import nn

from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import BadInput
from landcover.core.progress import Report
from landcover.datasets import Dataset
from landcover.datasets.arrays import NativeStore, PatchSet, join
from landcover.datasets.band_subset import select_bands
from landcover.decide import calibration
from landcover.metrics.crossfit import places
from landcover.metrics.scores import summary
from landcover.models.card import Card
from landcover.train import decisions, distributed
from landcover.train.recipes import reference_fit
from landcover.train.recipes.model_folder import write
from landcover.train.recipes.order import Order
from landcover.train.state import Weights
from landcover.train.validation import predict_logits

__all__ = [
    "DECIDED",
    "RANDOM_WEIGHTS",
    "PatchFit",
    "Recipe",
    "Task",
    "TrainOnce",
    "TrainedNet",
    "decide",
    "produce",
    "require_bands",
    "require_patches",
    "require_the_19",
]

RANDOM_WEIGHTS: Final = "random weights"
"""Start of a recipe that usually starts from others."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a model is made, and texts for its card.

    Attributes:
        title: the name that people read.
        summary: one or two sentences on what it is and what it is good for.
        net: name of the architecture; for a trained model the configuration names it.
        config: name of the configuration; empty if the model is not trained by gradients.
        options: of the net, in addition to those of the configuration.
        initial: returns weights that training of a net for given bands starts from; None for
            random weights.
        start: what these weights are, for the card; empty if they were never others than random.
        fit: makes a net from patches and a seed, if it is not trained by gradients.
        settings: of ``fit``, for the card.
        explainable: whether gradients of the scores with respect to pixels exist.
        half: store the weights of convolutions and linear layers in half precision. All
            metrics are measured after rounding.
    """

    title: str
    summary: str
    net: str = ""
    config: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    initial: Callable[[Sequence[str]], Weights] | None = None
    start: str = ""
    fit: Callable[[PatchSet, int], reference_fit.Fitted] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    explainable: bool = True
    half: bool = False

    @property
    def about(self) -> str:
        """The summary, with what the weights started from."""
        return f"{self.summary} It starts from {self.start}." if self.start else self.summary

    def from_scratch(self) -> Recipe:
        """The same recipe without the weights of others."""
        return replace(self, initial=None, start=RANDOM_WEIGHTS)


@dataclass(frozen=True, kw_only=True)
class Task:
    """One model to make: name, recipe, data and the user's options."""

    name: str
    recipe: Recipe
    dataset: Dataset
    order: Order


@dataclass(frozen=True, kw_only=True)
class TrainedNet:
    """The result of one fit.

    Attributes:
        net: in evaluation mode, on the CPU.
        net_name, net_options: architecture and keyword arguments that build it.
        bands, mean, std: its input bands and their statistics.
        facts: about the fit, for the card.
        epoch: the selected one; 0 for fits without epochs.
    """

    net: nn.Module
    net_name: str
    net_options: dict[str, Any]
    bands: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    facts: dict[str, Any]
    epoch: int = 0


TrainOnce = Callable[[NativeStore, NativeStore | None, Path, TrainedNet | None], TrainedNet]


@dataclass(frozen=True, kw_only=True)
class PatchFit:
    """How a model is fitted to patches once, without validation patches, with fixed settings.

    Attributes:
        name: of the recipe.
        settings: JSON of all that decides the result besides the patches; not the device.
        run: fits; its arguments are patches, a folder for the run, from which the same call
            resumes, a progress callback, and countries of which nothing may be known.
    """

    name: str
    settings: str
    run: Callable[[NativeStore, Path, Report | None, Collection[str]], TrainedNet]

    def trained(
        self, fitted: NativeStore, runs: Path, report: Report | None, left_out: Collection[str]
    ) -> tuple[nn.Module, Callable[[NativeStore], PatchSet]]:
        """Fit; returns the net and what chooses the bands of patches that it takes."""
        found = self.run(fitted, runs, report, left_out)
        return found.net, lambda patches: select_bands(patches, found.bands)


def require_patches(name: str, dataset: object) -> Dataset:
    """Return the data set if it holds patches.

    Raises:
        BadInput: it holds pictures.
    """
    if isinstance(dataset, Dataset):
        return dataset
    raise BadInput(
        f"The model '{name}' is trained on patches of twelve bands: give --model eurosat-rgb, "
        "which is trained on pictures, or --dataset bigearthnet."
    )


def require_the_19(name: str, dataset: Dataset) -> None:
    """Check that a data set has BigEarthNet's classes, for recipes that know no others.

    Raises:
        BadInput: it has classes of one's own.
    """
    if dataset.classes != CLASS_NAMES:
        raise BadInput(
            f"The model '{name}' is built on the {len(CLASS_NAMES)} classes of BigEarthNet and "
            "cannot learn others: give one of a single net, such as --model landcover-cnn."
        )


def require_bands(name: str, dataset: Dataset, bands: Collection[str]) -> None:
    """Check that a data set has the bands of a net.

    Raises:
        BadInput: it lacks some.
    """
    if missing := [band for band in bands if band not in dataset.bands]:
        raise BadInput(
            f"The model '{name}' needs the band{'s' * (len(missing) > 1)} {', '.join(missing)}, "
            f"which these patches lack (they have {', '.join(dataset.bands)}): train a model of "
            "fewer bands, such as landcover-cnn-rgb or landcover-cnn-rgbn."
        )


def produce(task: Task, out: Path, train_once: TrainOnce) -> bool:
    """Fit, choose on validation, fit again on both splits if requested, and write the folder.

    Args:
        task: the model to make.
        out: the folder to write.
        train_once: fits a net; its arguments are patches, validation patches for monitoring, a
            folder for the run, and for the second fit the result of the first.

    Returns:
        Whether this process wrote the folder; only the first of several does.

    Raises:
        BadInput: a split is empty, or a patch cannot be read.
    """
    training, validation = task.dataset.load("train"), task.dataset.load("validation")
    runs = out / "runs"
    first = train_once(training, validation, runs / "train", None)
    decided = decide(_card(task, first, training), first, validation)
    final, fitted = first, training
    if task.order.fit == "train+validation":
        fitted = join(training, validation)
        final = train_once(fitted, None, runs / task.order.fit, first)
    if not distributed.current().is_main:
        return False
    chosen = {key: getattr(decided, key) for key in DECIDED}
    card = _card(task, final, fitted).with_fields(**chosen)
    write(card, final.net, out, task.dataset, half=task.recipe.half)
    return True


DECIDED: Final = (
    "thresholds",
    "threshold_rule",
    "aims",
    "calibration",
    "label_sets",
    "selection",
)
"""Fields of a card that are chosen on validation."""


def decide(card: Card, trained: TrainedNet, validation: NativeStore) -> Card:
    """Return the card with the choices made on validation.

    Args:
        card: of that net.
        trained: the net.
        validation: patches that it was not trained on.

    Raises:
        BadInput: no patch has a label.
    """
    logits = predict_logits(trained.net, select_bands(validation, trained.bands))
    truth = validation.targets.numpy().astype(bool)
    decided = decisions.decide(
        card, logits.numpy(), truth, places(validation.ids), validation.countries
    )
    probability = calibration.apply(decided.calibration, decided.classes, logits).numpy()
    metrics = {
        "fitted_on": ["train"],
        "measured_on": "validation",
        "n": len(validation),
        **({"epoch": trained.epoch} if trained.epoch else {}),
        **summary(truth, probability, decided.thresholds, decided.classes),
    }
    return decided.with_fields(selection={**metrics, **decided.selection})


def _card(task: Task, trained: TrainedNet, fitted: NativeStore) -> Card:
    """A card without the choices made on validation and what :func:`write` adds."""
    return Card(
        name=task.name,
        title=task.recipe.title,
        summary=task.recipe.about,
        net=trained.net_name,
        net_options=trained.net_options,
        bands=trained.bands,
        mean=trained.mean,
        std=trained.std,
        class_set=task.dataset.class_set,
        classes=task.dataset.classes,
        **_looks(task.dataset),
        thresholds=dict.fromkeys(task.dataset.classes, 0.5),
        threshold_rule="one half",
        training={
            "dataset": task.dataset.title,
            "splits": task.order.fit.split("+"),
            **fitted.origin(),
            **trained.facts,
            "date": _today(task.dataset),
            "command": (
                f"landcover train --dataset {task.dataset.name} --model {task.name} "
                f"--fit {task.order.fit}{_options(task)}"
            ),
        },
        weights_sha256="",
        parameters=_size(trained.net),
        explainable=task.recipe.explainable,
    )


def _looks(dataset: Dataset) -> dict[str, Any]:
    """The card's field with the looks of classes of one's own, if there are any."""
    return {"looks": dict(dataset.looks)} if dataset.looks else {}


def _today(dataset: Dataset) -> str:
    """The date; of a model with classes of one's own to the second, as the newest look counts."""
    now = datetime.now(UTC)
    return now.isoformat(timespec="seconds") if dataset.looks else now.date().isoformat()


def _options(task: Task) -> str:
    """The options for what is learnt from: the start, and files without their folders."""
    given = (("teacher", task.order.teacher), ("unlabelled", task.order.unlabelled))
    files = "".join(f" --{name} {shlex.quote(path.name)}" for name, path in given if path)
    return f" --from-scratch{files}" if task.recipe.start == RANDOM_WEIGHTS else files


def _size(net: nn.Module) -> int:
    """Number of trained values: the parameters, or the tables of a net without any."""
    trained = sum(value.numel() for value in net.parameters())
    return trained or sum(v.numel() for v in net.state_dict().values() if v.is_floating_point())
