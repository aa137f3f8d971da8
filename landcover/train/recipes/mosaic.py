"""The recipe of ``landcover-mosaic``: parts trained apart, joined, decided on together.

The parts are TriGrid by the configuration of ``landcover-cnn``, a SpectralLite, and the label
sets of BigEarthNet's training split. The SpectralLite starts from the shipped EuroSAT net and
is distilled: half of each target is what TriGrid and two SpectralLites, trained on labels
alone, predict for the very mixture that it sees (Hinton et al. 2015; patiently, as in Beyer
et al. 2022). Parts fitted to the training split are joined first; on validation that mosaic
yields every decision. Then the parts are fitted to training and validation together, when
asked for, and what is shipped is the mosaic of those. The test split plays no part.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from landcover import nets
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
from landcover.train.recipes.build import Recipe, Task, TrainedNet, of_patches, produce
from landcover.train.recipes.model_folder import rounded
from landcover.train.recipes.order import Order, changes, counter, settings_text
from landcover.train.state import Weights

__all__ = [
    "LOOKS",
    "START",
    "SUMMARY",
    "TEACHERS",
    "TITLE",
    "TRIGRID",
    "Parts",
    "Tell",
    "assemble",
    "fit",
    "make",
    "options",
    "panel",
    "settings",
    "start",
]

Tell = Callable[[int], OnEpoch | None]

TITLE: Final = "landcover mosaic"
SUMMARY: Final = (
    "Our best single model: the landcover CNN beside a small net that learned from photographs, "
    "EuroSAT and an ensemble, under what is known of which covers occur together."
)
TRIGRID: Final = "landcover-cnn"
"""The recipe whose settings the TriGrid takes."""
START: Final = "eurosat-rgb"
"""The registered model whose trunk SpectralLite starts from."""
LOOKS: Final[dict[str, Any]] = {"share": 0.4, "symmetries": 2, "strength": 0.25, "scale": 0.8}
"""How the parts are joined, chosen on validation: see docs/ablation.md."""
TEACHERS: Final = 2
"""SpectralLites that teach the one that is kept."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The settings of what is trained.

    Attributes:
        trigrid: of the TriGrid.
        lite: of the SpectralLite.
    """

    trigrid: TrainConfig
    lite: TrainConfig

    @property
    def teachers(self) -> tuple[TrainConfig, ...]:
        """Of the SpectralLites that teach, with TriGrid, the one that is kept.

        They are trained on labels alone, without mixtures, for half as long; there are none where
        the kept one does not trust them.
        """
        if self.lite.trust == 0:
            return ()
        plain = replace(self.lite.augmentation, paste=0.0, blend=0.0)
        passes = max(1, self.lite.epochs // 2)
        alone = replace(self.lite, trust=0.0, epochs=passes, augmentation=plain)
        return tuple(replace(alone, seed=alone.seed + k) for k in range(TEACHERS))

    @property
    def epochs(self) -> int:
        """Passes over the data in one fit of all."""
        return sum(part.epochs for part in (self.trigrid, *self.teachers, self.lite))

    def to_json(self) -> str:
        """As text."""
        return json.dumps({"trigrid": asdict(self.trigrid), "lite": asdict(self.lite)}, indent=1)


def make(name: str, dataset: object, out: Path, order: Order, report: Report | None = None) -> None:
    """Train the parts and write the folder of their mosaic.

    A run that was cut off goes on where it stopped when the same call is made again.

    Args:
        name: ``landcover-mosaic``.
        dataset: a data set with train and validation splits.
        out: the folder to write; made where absent.
        order: settings that differ from the configuration, which is the SpectralLite's.
        report: called after each epoch.

    Raises:
        BadInput: it is another data set, or a setting cannot be used.
        UnknownName: the model to start from is not installed.
    """
    parts = settings(order)
    recipe = Recipe(title=TITLE, summary=SUMMARY, half=True)
    task = Task(name=name, recipe=recipe, dataset=of_patches(name, dataset), order=order)
    total = parts.epochs * (2 if order.fit == "train+validation" else 1)

    def train_once(
        store: NativeStore, _: NativeStore | None, runs: Path, first: TrainedNet | None
    ) -> TrainedNet:
        before = 0 if first is None else parts.epochs
        net = fit(parts, store, runs, lambda done: counter(report, before + done, total))
        return _trained_net(parts, net, store)

    if produce(task, out, train_once):
        shutil.copyfile(out / "runs" / order.fit / "lite" / HISTORY_FILE, out / HISTORY_FILE)
        (out / "config.json").write_text(parts.to_json(), encoding="utf-8")


def settings(order: Order) -> Parts:
    """The settings of both parts: the packaged ones, with what the user asked for.

    Raises:
        BadInput: the file cannot be read or is no configuration of a SpectralLite.
    """
    trigrid = configuration(TRIGRID, replace(order, config_file=None))
    lite = TrainConfig.from_json(settings_text("landcover-mosaic", order))
    if lite.net != "spectral-lite0":
        raise BadInput("The configuration of the mosaic is that of its net spectral-lite0.")
    return Parts(trigrid=trigrid, lite=replace(lite, shards=trigrid.shards, **changes(order)))


def fit(parts: Parts, store: NativeStore, runs: Path, tell: Tell) -> Mosaic:
    """Train all parts on some patches and join those that are kept.

    Parts that are done are kept in ``runs`` and not trained again by the same call.

    Args:
        parts: the settings.
        store: the patches.
        runs: a folder for one fit.
        tell: gives what is called after each epoch of a part, from the epochs that the parts
            before it had.

    Raises:
        BadInput: the folder holds parts of other settings that cannot be gone on with.
        UnknownName: the model to start from is not installed.
    """
    trigrid = _part(parts.trigrid, store, runs / "trigrid", {}, tell(0))
    taught_by = (parts.trigrid, *parts.teachers) if parts.teachers else ()
    mark = _mark(parts.lite, store, taught_by)
    lite = _kept(mark, runs / "lite")
    if lite is None:
        begin, done = inflate(start()), parts.trigrid.epochs
        teachers = []
        for number, config in enumerate(parts.teachers):
            where = runs / f"teacher-{number}"
            teachers.append(_part(config, store, where, begin, tell(done)))
            done += config.epochs
        teacher = _ready(panel(parts, trigrid, teachers), parts, store) if teachers else None
        lite = _train_part(
            parts.lite,
            store,
            runs / "lite",
            mark,
            initial=begin,
            tell=tell(done),
            teacher=teacher,
        )
    return assemble(parts, trigrid, lite)


def panel(parts: Parts, trigrid: Weights, lites: Sequence[Weights]) -> nn.Module:
    """What teaches: TriGrid for one half, SpectralLites for the other, each in one look."""
    whole = Mosaic(
        trigrid=parts.trigrid.net_options,
        lites=[parts.lite.net_options] * len(lites),
        share=0.5,
        symmetries=1,
    )
    return mosaic.join(*_trained(parts, trigrid, lites), nn.Identity(), whole)


def assemble(parts: Parts, trigrid: Weights, lite: Weights) -> Mosaic:
    """A mosaic of trained weights, in evaluation mode."""
    prior = load_packaged(strength=LOOKS["strength"])
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
        **LOOKS,
    }


def start() -> Weights:
    """The trunk of the shipped EuroSAT net.

    Raises:
        UnknownName: it is not installed.
    """
    state = registry.default().load(START, "cpu").net.state_dict()
    return {name: value for name, value in state.items() if name.startswith("trunk.")}


def _part(
    config: TrainConfig,
    store: NativeStore,
    out: Path,
    initial: Mapping[str, Tensor],
    tell: OnEpoch | None,
) -> Weights:
    """A part that is trained on labels alone: the one that was kept, or a new one."""
    mark = _mark(config, store)
    kept = _kept(mark, out)
    if kept is not None:
        return kept
    return _train_part(config, store, out, mark, initial=initial, tell=tell)


def _train_part(
    config: TrainConfig,
    store: NativeStore,
    out: Path,
    mark: dict[str, str],
    *,
    initial: Mapping[str, Tensor],
    tell: OnEpoch | None,
    teacher: nn.Module | None = None,
) -> Weights:
    # Alone, no part has anything to choose on validation: its last weights are taken.
    result = train(config, store, None, out, tell, initial=initial, teacher=teacher)
    if distributed.current().leads:
        save_file(result.state, out / WEIGHTS_FILE, metadata=mark)
    return result.state


def _ready(teacher: nn.Module, parts: Parts, store: NativeStore) -> nn.Module:
    """The teacher where it will be asked; it answers for every batch, so its speed counts."""
    device = pick_device(parts.lite.device)
    example = store.pixels(range(min(2, len(store)))).to(device)
    return fold(teacher.to(device), example)


def _kept(mark: Mapping[str, str], out: Path) -> Weights | None:
    """The weights of a part that was trained by the same settings on the same patches."""
    try:
        with safe_open(out / WEIGHTS_FILE, "pt") as file:
            if file.metadata() == mark:
                return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError):
        return None
    return None


def _mark(
    config: TrainConfig, store: NativeStore, taught_by: Sequence[TrainConfig] = ()
) -> dict[str, str]:
    """What a part was made of: its settings, its patches, and the settings of its teachers."""
    ids = hashlib.sha256("\n".join(sorted(store.ids)).encode()).hexdigest()
    own, *theirs = (replace(one, device="auto").to_json() for one in (config, *taught_by))
    mark = {"config": own, "ids_sha256": ids}
    return {**mark, "taught_by": "\n".join(theirs)} if theirs else mark


def _trained_net(parts: Parts, net: Mosaic, store: NativeStore) -> TrainedNet:
    mean, std = band_statistics([store])
    whole = rounded(net)
    prior = whole.get_buffer("prior.members")
    start = registry.default().card(START).hash
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
            "start": f"{START} ({start}), and nothing for the TriGrid",
            "label_sets": f"{len(prior)} of BigEarthNet v2's training split",
        },
    )
