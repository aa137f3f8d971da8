"""The recipe of ``landcover-mosaic``: nets that are trained separately and joined.

First, a trunk learns what Dynamic World's network answers for each pixel
(:mod:`landcover.train.dynamic_world`), on the labelled patches and on pictures without labels. From
it and from the shipped EuroSAT net come three parts:

- a TaughtNet whose trunk stays as it is, with a strongly regularised linear head;
- a TaughtNet that goes on learning from the labels and, with less weight, from the teacher;
- a SpectralLite that starts from the EuroSAT net and learns from the labels.

The biases of all three are moved from the frequencies of the classes among the few fitted patches
to those of all countries (:mod:`landcover.train.class_frequencies`), and the label sets of
BigEarthNet's training split join them.

First, parts trained on the training split are joined, and all choices are made with this mosaic
on validation. Then, if requested, the parts are trained on training and validation together, and
the mosaic of those is shipped. The test split is not used.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from torch import Tensor

from landcover import nets
from landcover.core import files
from landcover.core.bands import BAND_NAMES
from landcover.core.progress import Report
from landcover.datasets.arrays import NativeStore, PatchSet
from landcover.datasets.statistics import band_statistics
from landcover.models import registry
from landcover.models.devices import pick_device
from landcover.nets import mosaic
from landcover.nets.cell_net import CellNet
from landcover.nets.label_sets import load_packaged
from landcover.nets.mosaic import Mosaic
from landcover.nets.spectral_lite0 import SpectralLite, inflate
from landcover.nets.taught import TaughtNet
from landcover.train import class_frequencies
from landcover.train.configuration import TrainConfig
from landcover.train.dynamic_world import DynamicWorld
from landcover.train.frozen_head import fit_head
from landcover.train.history import HISTORY_FILE
from landcover.train.loop import OnEpoch, train
from landcover.train.recipes import kept, lessons, mosaic_parts
from landcover.train.recipes.build import (
    PatchFit,
    Recipe,
    Task,
    TrainedNet,
    produce,
    require_patches,
    require_the_19,
)
from landcover.train.recipes.lessons import Lessons
from landcover.train.recipes.model_folder import rounded
from landcover.train.recipes.mosaic_parts import Parts
from landcover.train.recipes.order import Order, epoch_reporter
from landcover.train.state import Weights

__all__ = [
    "ANSWERS",
    "INITIAL_MODEL",
    "SUMMARY",
    "TITLE",
    "EpochCallbacks",
    "Trained",
    "assemble",
    "fit",
    "initial_weights",
    "make",
    "patch_fit",
]

EpochCallbacks = Callable[[int], OnEpoch | None]
_Net = TypeVar("_Net", bound=CellNet)

TITLE: Final = "landcover mosaic"
SUMMARY: Final = (
    "Our best single model: one net that learned the covers of pixels from a teacher that has seen "
    "the whole world, with and without learning on, beside a small net that learned from "
    "photographs and EuroSAT, under what is known of which covers occur together."
)
ANSWERS: Final = "answers"
"""The folder of the teacher's answers, beside those of the fits; it may be removed at any time."""
INITIAL_MODEL: Final = "eurosat-rgb"
"""The registered model from whose trunk the SpectralLite starts."""


@dataclass(frozen=True, kw_only=True)
class Trained:
    """The weights of the trained parts: as they are, without any change of their biases."""

    frozen: Weights
    taught: Weights
    lite: Weights


def make(name: str, dataset: object, out: Path, order: Order, report: Report | None = None) -> None:
    """Train the parts and write the folder of their mosaic.

    The same call resumes an interrupted run.

    Args:
        name: ``landcover-mosaic``.
        dataset: a data set with train and validation splits.
        out: the folder to write; created if missing.
        order: settings that differ from the configuration, and the files to learn from.
        report: called after each epoch.

    Raises:
        BadInput: it is another data set, a setting or file cannot be used, or the teacher is
            missing.
        UnknownName: the model to start from is not installed.
    """
    patches = require_patches(name, dataset)
    require_the_19(name, patches)
    given, parts = lessons.read(name, order), mosaic_parts.settings(order)
    recipe = Recipe(title=TITLE, summary=SUMMARY, half=True)
    task = Task(name=name, recipe=recipe, dataset=patches, order=order)
    done = 0

    def train_once(
        store: NativeStore, _: NativeStore | None, runs: Path, first: TrainedNet | None
    ) -> TrainedNet:
        nonlocal done
        before, own = done, parts.epochs(given.count(len(store)))
        done += own
        # The second fit has more patches, so that its epochs are known only then.
        total = done if first or order.fit == "train" else 2 * own
        net = fit(parts, given, store, runs, lambda k: epoch_reporter(report, before + k, total))
        return _trained_net(parts, given, net, store)

    if produce(task, out, train_once):
        history = (out / "runs" / order.fit / "taught" / HISTORY_FILE).read_bytes()
        files.write_bytes(out / HISTORY_FILE, history)
        files.write_text(out / "config.json", parts.to_json())


def patch_fit(name: str, order: Order) -> PatchFit:
    """The recipe as one fit.

    The weights from which the SpectralLite starts and the label sets are those of the shipped
    mosaic whatever the patches are.

    Raises:
        BadInput: a setting or file cannot be used, or the teacher is missing.
    """
    given, parts = lessons.read(name, order), mosaic_parts.settings(order)

    def run(
        store: NativeStore, runs: Path, report: Report | None, left_out: Collection[str]
    ) -> TrainedNet:
        total = parts.epochs(given.count(len(store)))
        net = fit(
            parts,
            given,
            store,
            runs,
            lambda done: epoch_reporter(report, done, total),
            left_out=left_out,
        )
        return _trained_net(parts, given, net, store, left_out)

    record = {"parts": parts.anywhere().as_dict(), **given.record()}
    return PatchFit(name=name, settings=json.dumps(record), run=run)


def fit(
    parts: Parts,
    given: Lessons,
    store: NativeStore,
    runs: Path,
    on_epoch: EpochCallbacks,
    *,
    left_out: Collection[str] = (),
) -> Mosaic:
    """Train all parts on some patches and join them.

    Finished parts are kept in ``runs``; the same call does not train them again. The teacher's
    answers are kept beside ``runs``, for fits to other patches, too.

    Args:
        parts: the settings.
        given: the teacher, and pictures without labels.
        store: the patches.
        runs: a folder for one fit.
        on_epoch: returns the callback of a part, given the number of epochs of all previous parts.
        left_out: countries whose labels must not be known, as the mosaic is judged there.

    Raises:
        BadInput: the folder holds unfinished parts with other settings.
        UnknownName: the model to start from is not installed.
    """
    everything = given.patches(store)
    first = parts.pretraining_on(len(everything))
    taught_by = partial(_train, answers=runs.parent / ANSWERS)
    origin: dict[str, TrainConfig | str] = {"trunk": first, **given.record()}
    trunk = kept.part(
        runs / "trunk",
        kept.origin(everything, **origin),
        lambda out: taught_by(first, everything, out, on_epoch(0), teacher=given.teacher),
    )
    frozen = kept.part(
        runs / "frozen",
        kept.origin(store, **origin, freedom=parts.freedom),
        lambda _: _frozen(parts, trunk, store),
    )
    begin = {name: value for name, value in trunk.items() if name.startswith("trunk.")}
    own, done = parts.taught, first.epochs
    teacher = given.teacher if own.teach else None
    taught = kept.part(
        runs / "taught",
        kept.origin(store, **origin, taught=own),
        lambda out: taught_by(own, store, out, on_epoch(done), teacher=teacher, initial=begin),
    )
    after = done + own.epochs
    lite = kept.part(
        runs / "lite",
        kept.origin(store, lite=parts.lite),
        lambda out: _train(
            parts.lite, store, out, on_epoch(after), initial=inflate(initial_weights())
        ),
    )
    trained = Trained(frozen=frozen, taught=taught, lite=lite)
    return assemble(parts, trained, store.targets, left_out)


def assemble(
    parts: Parts, trained: Trained, targets: Tensor, left_out: Collection[str] = ()
) -> Mosaic:
    """Build the mosaic from trained weights, in evaluation mode.

    Args:
        parts: the settings.
        trained: the weights.
        targets: of the patches that they were fitted to, ``(n, class)``.
        left_out: countries whose labels must not be known.
    """
    move = class_frequencies.mean_bias(left_out) - class_frequencies.fitted_bias(targets)
    taught = [
        _moved(TaughtNet(**config.net_options), weights, move)
        for config, weights in (
            (parts.pretraining, trained.frozen),
            (parts.taught, trained.taught),
        )
    ]
    lite = _moved(SpectralLite(**parts.lite.net_options), trained.lite, move)
    prior = load_packaged(strength=parts.joining["strength"])
    whole = nets.build("mosaic", **parts.options(sets=len(prior.members)))
    assert isinstance(whole, Mosaic)
    return mosaic.join(whole, taught, [lite], prior)


def initial_weights() -> Weights:
    """The trunk of the shipped EuroSAT net.

    Raises:
        UnknownName: it is not installed.
    """
    state = registry.default().load(INITIAL_MODEL, "cpu").net.state_dict()
    return {name: value for name, value in state.items() if name.startswith("trunk.")}


def _moved(net: _Net, weights: Weights, move: Tensor) -> _Net:
    """Load weights and add to the biases of the classes."""
    net.load_state_dict(weights)
    net.head.bias.data.add_(move.float())
    return net


def _frozen(parts: Parts, trunk: Weights, store: NativeStore) -> Weights:
    """The net after its pre-training, with a head that is fitted to the patches."""
    net = TaughtNet(**parts.pretraining.net_options)
    net.load_state_dict(trunk)
    device = pick_device(parts.pretraining.device)
    fit_head(net, store, freedom=parts.freedom, device=device)
    return net.state_dict()


def _train(
    config: TrainConfig,
    patches: PatchSet,
    out: Path,
    on_epoch: OnEpoch | None,
    *,
    teacher: DynamicWorld | None = None,
    initial: Mapping[str, Tensor] | None = None,
    answers: Path | None = None,
) -> Weights:
    # A single part has nothing to choose on validation: its last weights are used.
    result = train(
        config, patches, None, out, on_epoch, initial=initial, teacher=teacher, answers=answers
    )
    return result.state


def _trained_net(
    parts: Parts,
    given: Lessons,
    net: Mosaic,
    store: NativeStore,
    left_out: Collection[str] = (),
) -> TrainedNet:
    mean, std = band_statistics([store])
    whole = rounded(net)
    prior = whole.get_buffer("prior.members")
    start = registry.default().card(INITIAL_MODEL).hash
    counted = sorted(set(class_frequencies.load()) - set(left_out))
    return TrainedNet(
        net=whole,
        net_name="mosaic",
        net_options=parts.options(sets=len(prior)),
        bands=BAND_NAMES,
        mean=mean,
        std=std,
        facts={
            "epochs": {
                "pretraining": parts.pretraining_on(given.count(len(store))).epochs,
                "taught": parts.taught.epochs,
                "lite": parts.lite.epochs,
            },
            "seed": parts.taught.seed,
            **given.facts(),
            "start": f"{INITIAL_MODEL} ({start}) for the SpectralLite",
            "label_sets": f"{len(prior)} of BigEarthNet v2's training split",
            "class_frequencies": (
                f"mean over {len(counted)} countries of BigEarthNet v2's training split"
            ),
        },
    )
