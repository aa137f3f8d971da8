"""The recipe of ``landcover-area``: a lean net for maps that answers what the shipped mosaic does.

Its trunk is that of the mosaic's first net, which learned the covers of pixels from a teacher that
has seen the whole world. It looks at the means of 2 × 2 pixels, so that it needs a quarter of that
net's arithmetic and a tenth of the mosaic's. Only the head is fitted: to what the mosaic answers
for labelled patches (where the labels have a say too), for pictures without labels, and for
composites of both (:mod:`landcover.datasets.composites`).

All choices are made on validation with the fit to the training split. The mosaic itself was fitted
to both, so that this judges how the net follows it, not how both do in new places.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

import torch

from landcover.core import files
from landcover.core.bands import BAND_NAMES
from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import BadInput
from landcover.core.progress import Progress, Report
from landcover.datasets import unlabelled
from landcover.datasets.arrays import NativeStore, PatchSet
from landcover.datasets.composites import Composites
from landcover.datasets.statistics import band_statistics
from landcover.datasets.unlabelled import Joined, Unlabelled
from landcover.models import registry
from landcover.models.devices import pick_device
from landcover.models.model import Model
from landcover.nets.mosaic import Mosaic
from landcover.nets.taught import TaughtNet
from landcover.train.configuration import all_settings
from landcover.train.frozen_head import fit_to_answers
from landcover.train.recipes import kept
from landcover.train.recipes.build import (
    Recipe,
    Task,
    TrainedNet,
    produce,
    require_patches,
    require_the_19,
)
from landcover.train.recipes.model_folder import rounded
from landcover.train.recipes.order import Order, settings_text
from landcover.train.state import Weights

__all__ = ["NAME", "Settings", "lean", "make", "mosaic_answers", "settings"]

NAME: Final = "landcover-area"
TEACHER: Final = "landcover-mosaic"
"""The registered model to learn from."""
TITLE: Final = "landcover area"
SUMMARY: Final = (
    "A lean net for maps of areas that answers what the mosaic does: about ten times as fast, and "
    "somewhat less accurate."
)
OPTIONS: Final[dict[str, Any]] = {"shrink": 2, "mirror": 32}
"""Of the net, beside those of the mosaic's first."""
_BATCH: Final = 16


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of the recipe.

    Attributes:
        composites: number of composed patches.
        trust: weight of the mosaic's probability where there is a label, 0 to 1.
        penalty: of the squared weights of the head, against the sum of the cross-entropies.
        seed: of the composites.
    """

    composites: int
    trust: float
    penalty: float
    seed: int = 0

    def to_json(self) -> str:
        """Write as JSON, which :meth:`from_json` reads."""
        return json.dumps(asdict(self), indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read from JSON with all settings.

        Raises:
            BadInput: it is not JSON, a setting is missing, or a value is unusable.
            UnknownName: it names an unknown setting.
        """
        values = all_settings(text, cls, NAME)
        found = cls(**values)
        for name in ("composites", "seed"):
            if type(values[name]) is not int or values[name] < 0:
                raise BadInput(f"Configuration of {NAME}: {name} is a whole number from 0.")
        if type(found.trust) not in {int, float} or not 0 <= found.trust <= 1:
            raise BadInput(f"Configuration of {NAME}: trust is a number from 0 to 1.")
        if type(found.penalty) not in {int, float} or not 0 < found.penalty < float("inf"):
            raise BadInput(f"Configuration of {NAME}: penalty is a number above 0.")
        return found


def settings(order: Order) -> Settings:
    """The packaged settings or those of a file, with the user's overrides.

    Raises:
        BadInput: the file cannot be read, or is not a configuration of this model; or there are
            epochs or shards, which the recipe has not.
        UnknownName: it names an unknown setting.
    """
    if order.epochs is not None or order.shards is not None:
        raise BadInput(f"The model '{NAME}' is fitted in one step: leave out epochs and shards.")
    found = Settings.from_json(settings_text(NAME, order))
    return found if order.seed is None else replace(found, seed=order.seed)


def lean(mosaic: Mosaic) -> tuple[TaughtNet, dict[str, Any]]:
    """The mosaic's first net, made lean, and its options; its head is still that of the mosaic's.

    Raises:
        StopIteration: the mosaic has no such net.
    """
    first = next(net for net in mosaic.taught if isinstance(net, TaughtNet))
    net = TaughtNet(**OPTIONS)
    net.load_state_dict(first.state_dict())
    return net.eval(), dict(OPTIONS)


def make(name: str, dataset: object, out: Path, order: Order, report: Report | None = None) -> None:
    """Train the net and write its folder.

    The same call resumes an interrupted run.

    Args:
        name: ``landcover-area``.
        dataset: a data set with train and validation splits.
        out: the folder to write; created if missing.
        order: settings that differ from the configuration, and pictures without labels.
        report: called after each epoch.

    Raises:
        BadInput: it is another data set, or a setting or file cannot be used.
        UnknownName: the model to learn from is not installed.
    """
    patches, found = require_patches(name, dataset), settings(order)
    require_the_19(name, patches)
    recipe = Recipe(title=TITLE, summary=SUMMARY, half=True)
    task = Task(name=name, recipe=recipe, dataset=patches, order=order)
    teacher = registry.default().load(TEACHER, str(pick_device(order.device)))
    pictures = None
    if order.unlabelled is not None:
        pictures = unlabelled.load(order.unlabelled, len(CLASS_NAMES))

    def train_once(
        store: NativeStore, _: NativeStore | None, runs: Path, __: TrainedNet | None
    ) -> TrainedNet:
        return _fit(_Lessons(found, teacher, store, pictures), runs, report)

    if produce(task, out, train_once):
        files.write_text(out / "config.json", found.to_json())


@dataclass(frozen=True)
class _Lessons:
    """What one fit learns from."""

    settings: Settings
    teacher: Model
    store: NativeStore
    pictures: Unlabelled | None


def _fit(lessons: _Lessons, runs: Path, report: Report | None) -> TrainedNet:
    """Make the net once."""
    found, teacher = lessons.settings, lessons.teacher
    store, pictures = lessons.store, lessons.pictures
    assert isinstance(teacher.net, Mosaic)
    everything: PatchSet = store if pictures is None else Joined(first=store, second=pictures)
    composed = Composites(everything, found.composites, found.seed)
    answers = kept.part(
        runs / "answers",
        kept.origin(composed, teacher=teacher.card.hash),
        lambda _: mosaic_answers(teacher, composed, report),
    )
    wanted = answers["probabilities"].clone()
    wanted[: len(store)].lerp_(store.targets, 1.0 - found.trust)
    net, options = lean(teacher.net)
    fit_to_answers(net, composed, wanted, penalty=found.penalty, device=teacher.device)
    mean, std = band_statistics([store])
    return TrainedNet(
        net=rounded(net.requires_grad_(requires_grad=False)),
        net_name="taught",
        net_options=options,
        bands=BAND_NAMES,
        mean=mean,
        std=std,
        facts={
            "seed": found.seed,
            "taught_by": f"{TEACHER} ({teacher.card.hash[:12]})",
            "composites": found.composites,
            **_pictures(pictures),
        },
    )


def mosaic_answers(teacher: Model, patches: PatchSet, report: Report | None) -> Weights:
    """The teacher's probabilities ``(patch, class)``."""
    parts, count = [], len(patches)
    for begin in range(0, count, _BATCH):
        rows = range(begin, min(begin + _BATCH, count))
        parts.append(torch.sigmoid(teacher.fast_scores(patches.pixels(rows)).float()))
        if report is not None:
            report(Progress(what="Asking the mosaic", done=rows[-1] + 1, total=count))
    return {"probabilities": torch.cat(parts)}


def _pictures(pictures: Unlabelled | None) -> Mapping[str, Any]:
    if pictures is None:
        return {}
    return {"unlabelled": {"n": len(pictures.pictures), "sha256": pictures.sha256}}
