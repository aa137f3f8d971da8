"""The recipe of ``landcover-mosaic``: nets that are trained separately and joined.

The parts are a TriGrid with the configuration of ``landcover-cnn``, a SpectralLite, and the
label sets of BigEarthNet's training split. The SpectralLite starts from the shipped EuroSAT net
and is distilled: half of each target is what TriGrid and two SpectralLites, trained only on
labels, predict for the same augmented patch (Hinton et al. 2015; with many epochs, as in Beyer
et al. 2022). First, parts trained on the training split are joined, and all choices are made
with this mosaic on validation. Then, if requested, the parts are trained on training and
validation together, and the mosaic of those is shipped. The test split is not used.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError, safe_open
from safetensors.torch import save as dump_tensors
from torch import Tensor, nn

from landcover import nets
from landcover.core import files
from landcover.core.bands import BAND_NAMES
from landcover.core.errors import BadInput
from landcover.core.progress import Report
from landcover.datasets.arrays import NativeStore
from landcover.datasets.statistics import band_statistics
from landcover.models import registry
from landcover.models.card import WEIGHTS_FILE
from landcover.models.devices import pick_device
from landcover.models.inference import fold
from landcover.nets import mosaic
from landcover.nets.label_sets import load_packaged
from landcover.nets.mosaic import Mosaic
from landcover.nets.spectral_lite0 import SpectralLite, inflate
from landcover.nets.trigrid import TriGrid
from landcover.train import distributed
from landcover.train.configuration import TrainConfig
from landcover.train.history import HISTORY_FILE
from landcover.train.loop import OnEpoch, train
from landcover.train.recipes.bigearthnet import configuration
from landcover.train.recipes.build import (
    PatchFit,
    Recipe,
    Task,
    TrainedNet,
    produce,
    require_patches,
)
from landcover.train.recipes.model_folder import rounded
from landcover.train.recipes.order import Order, epoch_reporter, overrides, settings_text
from landcover.train.state import Weights

__all__ = [
    "INITIAL_MODEL",
    "JOINING",
    "SUMMARY",
    "TEACHERS",
    "TITLE",
    "TRIGRID",
    "EpochCallbacks",
    "Parts",
    "assemble",
    "fit",
    "initial_weights",
    "join_teachers",
    "make",
    "options",
    "patch_fit",
    "settings",
]

EpochCallbacks = Callable[[int], OnEpoch | None]

TITLE: Final = "landcover mosaic"
SUMMARY: Final = (
    "Our best single model: the landcover CNN beside a small net that learned from photographs, "
    "EuroSAT and an ensemble, under what is known of which covers occur together."
)
TRIGRID: Final = "landcover-cnn"
"""The recipe with the settings of the TriGrid."""
INITIAL_MODEL: Final = "eurosat-rgb"
"""The registered model from whose trunk the SpectralLite starts."""
JOINING: Final[dict[str, Any]] = {"share": 0.4, "symmetries": 2, "strength": 0.25, "scale": 0.8}
"""Settings for joining the parts, chosen on validation: see docs/ablation.md."""
TEACHERS: Final = 2
"""Number of SpectralLites that teach the one in the mosaic."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The training settings of the parts.

    Attributes:
        trigrid: of the TriGrid.
        lite: of the SpectralLite.
    """

    trigrid: TrainConfig
    lite: TrainConfig

    @property
    def teachers(self) -> tuple[TrainConfig, ...]:
        """Settings of the SpectralLites that, with the TriGrid, teach the one in the mosaic.

        They are trained only on labels, without mixed patches, for half as many epochs. There
        are none if the setting ``trust`` of the SpectralLite is 0.
        """
        if self.lite.trust == 0:
            return ()
        plain = replace(self.lite.augmentation, paste=0.0, blend=0.0)
        passes = max(1, self.lite.epochs // 2)
        alone = replace(self.lite, trust=0.0, epochs=passes, augmentation=plain)
        return tuple(replace(alone, seed=alone.seed + k) for k in range(TEACHERS))

    @property
    def epochs(self) -> int:
        """Number of epochs of all parts in one fit."""
        return sum(part.epochs for part in (self.trigrid, *self.teachers, self.lite))

    def as_dict(self) -> dict[str, Any]:
        """The settings of both parts, ready for JSON."""
        return {"trigrid": asdict(self.trigrid), "lite": asdict(self.lite)}

    def to_json(self) -> str:
        """Write as JSON."""
        return json.dumps(self.as_dict(), indent=1)


def make(name: str, dataset: object, out: Path, order: Order, report: Report | None = None) -> None:
    """Train the parts and write the folder of their mosaic.

    The same call resumes an interrupted run.

    Args:
        name: ``landcover-mosaic``.
        dataset: a data set with train and validation splits.
        out: the folder to write; created if missing.
        order: settings that differ from the configuration, which is the SpectralLite's.
        report: called after each epoch.

    Raises:
        BadInput: it is another data set, or a setting cannot be used.
        UnknownName: the model to start from is not installed.
    """
    parts = settings(order)
    recipe = Recipe(title=TITLE, summary=SUMMARY, half=True)
    task = Task(name=name, recipe=recipe, dataset=require_patches(name, dataset), order=order)
    total = parts.epochs * (2 if order.fit == "train+validation" else 1)

    def train_once(
        store: NativeStore, _: NativeStore | None, runs: Path, first: TrainedNet | None
    ) -> TrainedNet:
        before = 0 if first is None else parts.epochs
        net = fit(parts, store, runs, lambda done: epoch_reporter(report, before + done, total))
        return _trained_net(parts, net, store)

    if produce(task, out, train_once):
        history = (out / "runs" / order.fit / "lite" / HISTORY_FILE).read_bytes()
        files.write_bytes(out / HISTORY_FILE, history)
        files.write_text(out / "config.json", parts.to_json())


def patch_fit(name: str, order: Order) -> PatchFit:
    """The recipe as one fit.

    The weights from which the SpectralLite starts and the label sets are those of the shipped
    mosaic whatever the patches are.

    Raises:
        BadInput: the settings cannot be used.
    """
    parts = settings(order)

    def run(store: NativeStore, runs: Path, report: Report | None) -> TrainedNet:
        net = fit(parts, store, runs, lambda done: epoch_reporter(report, done, parts.epochs))
        return _trained_net(parts, net, store)

    alike = [replace(part, device="auto") for part in (parts.trigrid, parts.lite)]
    record = Parts(trigrid=alike[0], lite=alike[1]).as_dict()
    return PatchFit(
        name=name,
        settings=json.dumps({"parts": record, "joining": JOINING}),
        run=run,
    )


def settings(order: Order) -> Parts:
    """The settings of both parts: the packaged ones, with the user's overrides.

    Raises:
        BadInput: the file cannot be read or does not configure a SpectralLite.
    """
    trigrid = configuration(TRIGRID, replace(order, config_file=None))
    lite = TrainConfig.from_json(settings_text("landcover-mosaic", order))
    if lite.net != "spectral-lite0":
        raise BadInput("The configuration of the mosaic is that of its net spectral-lite0.")
    return Parts(trigrid=trigrid, lite=replace(lite, shards=trigrid.shards, **overrides(order)))


def fit(parts: Parts, store: NativeStore, runs: Path, on_epoch: EpochCallbacks) -> Mosaic:
    """Train all parts on some patches and join them.

    Finished parts are kept in ``runs``; the same call does not train them again.

    Args:
        parts: the settings.
        store: the patches.
        runs: a folder for one fit.
        on_epoch: returns the callback of a part, given the number of epochs of all previous parts.

    Raises:
        BadInput: the folder holds unfinished parts with other settings.
        UnknownName: the model to start from is not installed.
    """
    trigrid = _part(parts.trigrid, store, runs / "trigrid", {}, on_epoch(0))
    taught_by = (parts.trigrid, *parts.teachers) if parts.teachers else ()
    origin = _origin(parts.lite, store, taught_by)
    lite = _finished(origin, runs / "lite")
    if lite is None:
        begin, done = inflate(initial_weights()), parts.trigrid.epochs
        teachers = []
        for number, config in enumerate(parts.teachers):
            where = runs / f"teacher-{number}"
            teachers.append(_part(config, store, where, begin, on_epoch(done)))
            done += config.epochs
        teacher = (
            _ready(join_teachers(parts, trigrid, teachers), parts, store) if teachers else None
        )
        lite = _train_part(
            parts.lite,
            store,
            runs / "lite",
            origin,
            initial=begin,
            on_epoch=on_epoch(done),
            teacher=teacher,
        )
    return assemble(parts, trigrid, lite)


def join_teachers(parts: Parts, trigrid: Weights, lites: Sequence[Weights]) -> nn.Module:
    """The teacher: TriGrid and SpectralLites with equal shares, one forward pass each."""
    whole = Mosaic(
        trigrid=parts.trigrid.net_options,
        lites=[parts.lite.net_options] * len(lites),
        share=0.5,
        symmetries=1,
    )
    return mosaic.join(*_trained(parts, trigrid, lites), nn.Identity(), whole)


def assemble(parts: Parts, trigrid: Weights, lite: Weights) -> Mosaic:
    """Build the mosaic from trained weights, in evaluation mode."""
    prior = load_packaged(strength=JOINING["strength"])
    whole = nets.build("mosaic", **options(parts, sets=len(prior.members)))
    assert isinstance(whole, Mosaic)
    return mosaic.join(*_trained(parts, trigrid, [lite]), prior, whole)


def _trained(
    parts: Parts, trigrid: Weights, lites: Sequence[Weights]
) -> tuple[TriGrid, list[SpectralLite]]:
    grid = TriGrid(**parts.trigrid.net_options)
    grid.load_state_dict(trigrid)
    spectral = [SpectralLite(**parts.lite.net_options) for _ in lites]
    for net, state in zip(spectral, lites, strict=True):
        net.load_state_dict(state)
    return grid, spectral


def options(parts: Parts, *, sets: int) -> dict[str, Any]:
    """The keyword arguments of the joined net."""
    return {
        "trigrid": parts.trigrid.net_options,
        "lites": [parts.lite.net_options],
        "sets": sets,
        **JOINING,
    }


def initial_weights() -> Weights:
    """The trunk of the shipped EuroSAT net.

    Raises:
        UnknownName: it is not installed.
    """
    state = registry.default().load(INITIAL_MODEL, "cpu").net.state_dict()
    return {name: value for name, value in state.items() if name.startswith("trunk.")}


def _part(
    config: TrainConfig,
    store: NativeStore,
    out: Path,
    initial: Mapping[str, Tensor],
    on_epoch: OnEpoch | None,
) -> Weights:
    """A part that is trained only on labels: the finished one in ``out``, or a new one."""
    origin = _origin(config, store)
    kept = _finished(origin, out)
    if kept is not None:
        return kept
    return _train_part(config, store, out, origin, initial=initial, on_epoch=on_epoch)


def _train_part(
    config: TrainConfig,
    store: NativeStore,
    out: Path,
    origin: dict[str, str],
    *,
    initial: Mapping[str, Tensor],
    on_epoch: OnEpoch | None,
    teacher: nn.Module | None = None,
) -> Weights:
    # A single part has nothing to choose on validation: its last weights are used.
    result = train(config, store, None, out, on_epoch, initial=initial, teacher=teacher)
    if distributed.current().is_main:
        files.write_bytes(out / WEIGHTS_FILE, dump_tensors(result.state, origin))
    return result.state


def _ready(teacher: nn.Module, parts: Parts, store: NativeStore) -> nn.Module:
    """The teacher on its device, folded to be fast, because it runs on every batch."""
    device = pick_device(parts.lite.device)
    example = store.pixels(range(min(2, len(store)))).to(device)
    return fold(teacher.to(device), example)


def _finished(origin: Mapping[str, str], out: Path) -> Weights | None:
    """The weights of a part that was trained with the same settings on the same patches."""
    try:
        with safe_open(out / WEIGHTS_FILE, "pt") as file:
            if file.metadata() == origin:
                return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError):
        return None
    return None


def _origin(
    config: TrainConfig, store: NativeStore, taught_by: Sequence[TrainConfig] = ()
) -> dict[str, str]:
    """Metadata of a part: its settings, its patches, and the settings of its teachers."""
    ids = hashlib.sha256("\n".join(sorted(store.ids)).encode()).hexdigest()
    own, *theirs = (replace(one, device="auto").to_json() for one in (config, *taught_by))
    origin = {"config": own, "ids_sha256": ids}
    return {**origin, "taught_by": "\n".join(theirs)} if theirs else origin


def _trained_net(parts: Parts, net: Mosaic, store: NativeStore) -> TrainedNet:
    mean, std = band_statistics([store])
    whole = rounded(net)
    prior = whole.get_buffer("prior.members")
    start = registry.default().card(INITIAL_MODEL).hash
    return TrainedNet(
        net=whole,
        net_name="mosaic",
        net_options=options(parts, sets=len(prior)),
        bands=BAND_NAMES,
        mean=mean,
        std=std,
        facts={
            "epochs": {
                "trigrid": parts.trigrid.epochs,
                "teachers": [one.epochs for one in parts.teachers],
                "lite": parts.lite.epochs,
            },
            "seed": parts.lite.seed,
            "start": f"{INITIAL_MODEL} ({start}), and nothing for the TriGrid",
            "label_sets": f"{len(prior)} of BigEarthNet v2's training split",
        },
    )
