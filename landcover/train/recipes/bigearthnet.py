"""From a labelled data set to a model folder: one recipe a registered model.

Every model goes through two fits. The first sees the training split alone; on validation
it yields the decisions (thresholds, calibration) and the figures that the card calls
*selection*. The second, when asked for, sees training and validation together with every
choice frozen, and only its weights are shipped. The test split plays no part.

Adding a model is adding a line to :data:`RECIPES`, and a configuration where it learns by
gradients.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib import import_module, resources
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import torch
from safetensors.torch import save as dump_tensors
from torch import Tensor, nn

from landcover import nets
from landcover.core.bands import BAND_NAMES
from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import BadInput, UnknownName
from landcover.core.progress import Progress, Report
from landcover.core.raster import Raster
from landcover.datasets import Dataset, EuroSat
from landcover.datasets.arrays import NativeStore, PatchSet, join
from landcover.datasets.band_subset import show
from landcover.datasets.split_distance import refuse_training
from landcover.datasets.statistics import band_statistics
from landcover.decide import calibration
from landcover.explain import explanation
from landcover.metrics.crossfit import places
from landcover.metrics.scores import summary
from landcover.models.card import Card
from landcover.models.devices import pick_device
from landcover.models.model import Model, save_model
from landcover.nets import efficientnet_lite0
from landcover.nets.spectral_lite0 import inflate
from landcover.nets.timm_trunk import timm_trunk
from landcover.train import decisions, distributed
from landcover.train.loop import Epoch, OnEpoch, State, TrainConfig, predict_logits, train
from landcover.train.recipes import reference_fit

Fit = Literal["train", "train+validation"]

SCALE_PATCHES: Final = 6
"""Validation patches from which the common scale of attribution maps is measured."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What makes a model, and what its card says of it.

    Attributes:
        title: the name that people read.
        summary: one or two sentences on what it is and what it is good for.
        net: name of the architecture; of a trained model its configuration says it.
        config: name of the configuration of a model that is trained by gradients.
        options: of the net, beside those of the configuration.
        initial: weights that training starts from, where it does not start from nothing.
        start: what these are, for the card.
        fit: makes a net of patches and a seed, where nothing is trained by gradients.
        settings: of such a fit, for the card.
        explainable: whether gradients of the scores with respect to pixels exist.
        half: keep the weights of convolutions and linear layers in half precision. Every
            figure is measured after that rounding.
    """

    title: str
    summary: str
    net: str = ""
    config: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    initial: Callable[[], State] | None = None
    start: str = ""
    fit: Callable[[PatchSet, int], reference_fit.Fitted] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    explainable: bool = True
    half: bool = False


def lite0_from_photographs() -> State:
    """ImageNet weights as a :class:`~landcover.nets.efficientnet_lite0.LiteNet` starts from them.

    Red, green and blue keep what was learned of them, other bands enter with weight 0.

    Raises:
        BadInput: the package that carries the weights is not installed.
    """
    trunk = efficientnet_lite0.Lite0()
    trunk.from_imagenet(efficientnet_lite0.imagenet())
    return inflate({f"trunk.{name}": value for name, value in trunk.state_dict().items()})


_CNN: Final = (
    "Our own convolutional net: {bands} on their native 10, 20 and 60 m grids, "
    "texture and spectra side by side, their distribution over the patch pooled."
)

RECIPES: Final[dict[str, Recipe]] = {
    "landcover-cnn": Recipe(
        title="landcover CNN",
        summary=_CNN.format(bands="twelve bands"),
        config="landcover-cnn",
    ),
    "landcover-cnn-rgb": Recipe(
        title="landcover CNN, red, green and blue",
        summary=(
            "The landcover CNN with no other bands than red, green and blue: what it loses "
            "against the landcover CNN is the worth of what the eye does not see."
        ),
        config="landcover-cnn",
        options={"bands": ["B04", "B03", "B02"]},
    ),
    "landcover-cnn-rgbn": Recipe(
        title="landcover CNN, with near infrared",
        summary=(
            "The landcover CNN with red, green, blue and near infrared (B08) alone: the four "
            "bands of 10 m, which most other satellites have as well."
        ),
        config="landcover-cnn",
        options={"bands": ["B04", "B03", "B02", "B08"]},
    ),
    "resnet-18": Recipe(
        title="ResNet-18",
        summary=(
            "The residual net that everybody knows (He et al. 2016), on twelve bands, trained "
            "from nothing: a benchmark."
        ),
        config="resnet-18",
        half=True,
    ),
    "resnet-50": Recipe(
        title="ResNet-50",
        summary=(
            "The deeper residual net (He et al. 2016), on twelve bands, trained from nothing: "
            "a benchmark for a few hundred thousand patches, not for a few hundred."
        ),
        config="resnet-50",
        half=True,
    ),
    "efficientnet-lite0": Recipe(
        title="EfficientNet-Lite0",
        summary=(
            "A small net for photographs (Tan and Le 2019) that starts from ImageNet, its first "
            "layer widened to twelve bands: a benchmark for our own."
        ),
        config="efficientnet-lite0",
        initial=lite0_from_photographs,
        start="ImageNet",
        half=True,
    ),
    "random-convolution": Recipe(
        title="Random convolutions",
        summary=(
            "Filters cut at random from training patches, averaged over the patch, and a linear "
            "classifier (after Rolf et al. 2021): a floor for nets that learn their filters."
        ),
        net="random-convolution",
        fit=reference_fit.fit_random_convolution,
        settings={"filters": reference_fit.FILTERS, "penalty": reference_fit.PENALTY},
        explainable=False,
        half=True,
    ),
    "band-statistics": Recipe(
        title="Band statistics with extra trees",
        summary=(
            "Extremely randomised trees on mean, standard deviation and nine quantiles of each "
            "band: what colours alone give away, without their arrangement."
        ),
        net="band-statistics",
        fit=reference_fit.fit_band_statistics,
        settings={
            "trees": reference_fit.TREES,
            "min_leaf": reference_fit.MIN_LEAF,
            "max_features": reference_fit.MAX_FEATURES,
        },
        explainable=False,
    ),
    "class-prior": Recipe(
        title="Class prior",
        summary=(
            "Looks at no pixel: says of every patch how frequent each class was in the "
            "patches that it was fitted to. What any model has to beat."
        ),
        net="class-prior",
        fit=reference_fit.fit_prior,
        explainable=False,
    ),
}
"""Name in the registry → how it is made."""

ELSEWHERE: Final[dict[str, str]] = {
    "landcover-mosaic": "landcover.train.recipes.mosaic",
    "eurosat-rgb": "landcover.train.recipes.eurosat",
}
"""Models with a recipe of a module's own: its ``make`` takes what :func:`make` takes."""

TIMM: Final = "timm:"
"""Before the name of a trunk of timm, in place of a recipe's name."""

NAMES: Final[tuple[str, ...]] = (*ELSEWHERE, *RECIPES)


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a user asked for, as far as it differs from the configuration."""

    config_file: Path | None = None
    fit: Fit = "train"
    epochs: int | None = None
    seed: int | None = None
    shards: int | None = None
    device: str = "auto"


@dataclass(frozen=True, kw_only=True)
class Task:
    """One model to make: its name, a recipe, the data and what was ordered."""

    name: str
    recipe: Recipe
    dataset: Dataset
    order: Order


@dataclass(frozen=True, kw_only=True)
class Learnt:
    """What one fit leaves.

    Attributes:
        net: in evaluation mode, on the CPU.
        net_name, net_options: what builds it anew.
        bands, mean, std: what it reads, and the statistics of that.
        facts: how it was fitted, for the card.
        epoch: the kept one; 0 of fits without epochs.
    """

    net: nn.Module
    net_name: str
    net_options: dict[str, Any]
    bands: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    facts: dict[str, Any]
    epoch: int = 0


Learn = Callable[[NativeStore, NativeStore | None, Path, Learnt | None], Learnt]


def make(
    name: str, dataset: Dataset | EuroSat, out: Path, order: Order, report: Report | None = None
) -> None:
    """Make a model and write its folder.

    A run that was cut off goes on where it stopped when the same call is made again,
    from its checkpoints in ``out/runs``.

    Args:
        name: one of :data:`NAMES`.
        dataset: a data set with train and validation splits.
        out: the folder to write; made where absent.
        order: settings that differ from the configuration.
        report: called after each epoch.

    Raises:
        UnknownName: there is no such recipe.
        BadInput: configuration, folder or data set cannot be used, or the splits show the same
            ground.
    """
    if isinstance(dataset, Dataset):
        refuse_training(dataset)
    if name in ELSEWHERE:
        import_module(ELSEWHERE[name]).make(name, dataset, out, order, report)
        return
    recipe, dataset = find(name), of_patches(name, dataset)
    config = configuration(name, order) if recipe.config else None
    task = Task(name=name, recipe=recipe, dataset=dataset, order=order)
    epochs = config.epochs if config else 0
    total = epochs * (2 if order.fit == "train+validation" else 1)

    def learn(
        store: NativeStore, validation: NativeStore | None, runs: Path, first: Learnt | None
    ) -> Learnt:
        if config is None:
            return _fit(recipe, store, order.seed or 0)
        settings, before = config, 0
        if first is not None:
            # Nothing is left to choose an epoch by.
            settings = replace(config, epochs=first.epoch, select="last", patience=0)
            before = epochs
        tell = counter(report, before, total)
        return _learn(recipe, settings, store, validation, out=runs, tell=tell)

    if produce(task, out, learn) and config:
        # The history with validation figures is the one that shows how the choice was made.
        shutil.copyfile(out / "runs" / "train" / "history.csv", out / "history.csv")
        (out / "config.json").write_text(config.to_json(), encoding="utf-8")


def of_patches(name: str, dataset: object) -> Dataset:
    """The data set, where a model that learns from patches can learn from it.

    Raises:
        BadInput: it holds pictures.
    """
    if isinstance(dataset, Dataset):
        return dataset
    raise BadInput(
        f"The model '{name}' learns from patches of twelve bands: name --model eurosat-rgb, "
        "which learns from pictures, or --dataset bigearthnet."
    )


def produce(task: Task, out: Path, learn: Learn) -> bool:
    """Fit, decide on validation, fit again on both splits when asked for, write the folder.

    Args:
        task: what to make.
        out: the folder to write.
        learn: fits once: from patches, validation patches to watch, a folder for the run
            and the first fit, if this is the second, to what was learnt.

    Returns:
        whether this process wrote; the first of several writes for all.

    Raises:
        BadInput: a split is empty, or a patch cannot be read.
    """
    training, validation = task.dataset.load("train"), task.dataset.load("validation")
    runs = out / "runs"
    first = learn(training, validation, runs / "train", None)
    decided = decide(_card(task, first, training), first, validation)
    final, fitted = first, training
    if task.order.fit == "train+validation":
        fitted = join(training, validation)
        final = learn(fitted, None, runs / task.order.fit, first)
    if not distributed.current().leads:
        return False
    chosen = {key: getattr(decided, key) for key in DECIDED}
    card = replace(_card(task, final, fitted), **chosen)
    write(card, final.net, out, task.dataset, half=task.recipe.half)
    return True


def find(name: str) -> Recipe:
    """The recipe of that name; ``timm:resnet18`` is the trunk resnet18 of timm.

    Raises:
        UnknownName: there is none.
    """
    if name.startswith(TIMM):
        return _timm(name.removeprefix(TIMM))
    if name not in RECIPES:
        raise UnknownName("model", name, NAMES)
    return RECIPES[name]


def _timm(backbone: str) -> Recipe:
    return Recipe(
        title=f"timm {backbone}",
        summary=f"The trunk {backbone} of timm, which starts from its published weights.",
        config="timm",
        options={"backbone": backbone},
        initial=lambda: {
            f"trunk.{name}": value
            for name, value in timm_trunk(backbone, len(BAND_NAMES), pretrained=True)
            .state_dict()
            .items()
        },
        start="the published weights",
    )


def configuration(name: str, order: Order) -> TrainConfig:
    """The settings of a run: the packaged ones or a file's, with what the user asked for.

    Raises:
        UnknownName: there is no recipe of that name, or the configuration's net is unknown.
        BadInput: the recipe trains nothing, or the file is no usable configuration.
    """
    recipe = find(name)
    if not recipe.config:
        raise BadInput(f"The model '{name}' is fitted without a configuration: leave it out.")
    config = TrainConfig.from_json(settings_text(recipe.config, order))
    shards = distributed.shards_for(order.shards or config.shards, distributed.current())
    options = {**config.net_options, **recipe.options}
    config = replace(config, net_options=options, shards=shards, **changes(order))
    _try_net(config)
    return config


def settings_text(packaged: str, order: Order) -> str:
    """The text of the user's configuration file, else of the packaged one of that name.

    Raises:
        BadInput: the file cannot be read.
    """
    if order.config_file is None:
        file = resources.files("landcover.train") / "configs" / f"{packaged}.json"
        return file.read_text(encoding="utf-8")
    try:
        return order.config_file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise BadInput(
            f"The configuration '{order.config_file.name}' cannot be read: check the path."
        ) from None


def changes(order: Order) -> dict[str, Any]:
    """What the user asked for in place of any configuration's device, epochs and seed."""
    wanted = {"epochs": order.epochs, "seed": order.seed}
    return {
        "device": order.device,
        **{key: value for key, value in wanted.items() if value is not None},
    }


def _try_net(config: TrainConfig) -> None:
    try:
        with torch.device("meta"):
            nets.build(config.net, **config.net_options)
    except (TypeError, ValueError, KeyError, RuntimeError):
        raise BadInput(
            f"Training configuration: net_options do not fit the net '{config.net}': correct them."
        ) from None


def _learn(
    recipe: Recipe,
    config: TrainConfig,
    store: NativeStore,
    validation: NativeStore | None,
    *,
    out: Path,
    tell: OnEpoch | None,
) -> Learnt:
    """Fit once, by gradients."""
    bands = tuple(config.net_options.get("bands", BAND_NAMES))
    seen = None if validation is None else show(validation, bands)
    initial = recipe.initial() if recipe.initial else None
    result = train(config, show(store, bands), seen, out, tell, initial=initial)
    return Learnt(
        net=rounded(result.net()) if recipe.half else result.net(),
        net_name=config.net,
        net_options=config.net_options,
        bands=bands,
        mean=result.mean,
        std=result.std,
        facts={
            "epochs": result.epoch,
            "precision": result.precision,
            "seed": config.seed,
            **({"start": recipe.start} if recipe.start else {}),
        },
        epoch=result.epoch,
    )


def _fit(recipe: Recipe, store: NativeStore, seed: int) -> Learnt:
    assert recipe.fit is not None
    net, options = recipe.fit(store, seed)
    mean, std = band_statistics([store])
    return Learnt(
        net=rounded(net) if recipe.half else net.eval(),
        net_name=recipe.net,
        net_options=options,
        bands=BAND_NAMES,
        mean=mean,
        std=std,
        facts={**recipe.settings, "seed": seed},
    )


DECIDED: Final = (
    "thresholds",
    "threshold_rule",
    "aims",
    "calibration",
    "label_sets",
    "selection",
)
"""Fields of a card that validation decides."""


def decide(card: Card, learnt: Learnt, validation: NativeStore) -> Card:
    """The card with what validation decides, by a net that had not seen it.

    Args:
        card: of that net.
        learnt: the net.
        validation: patches that it was not fitted to.

    Raises:
        BadInput: no patch has a label.
    """
    logits = predict_logits(learnt.net, show(validation, learnt.bands))
    truth = validation.targets.numpy().astype(bool)
    decided = decisions.decide(
        card, logits.numpy(), truth, places(validation.ids), validation.countries
    )
    probability = calibration.apply(decided.calibration, decided.classes, logits).numpy()
    figures = {
        "fitted_on": ["train"],
        "measured_on": "validation",
        "n": len(validation),
        **({"epoch": learnt.epoch} if learnt.epoch else {}),
        **summary(truth, probability, decided.thresholds),
    }
    return replace(decided, selection={**figures, **decided.selection})


def _card(task: Task, learnt: Learnt, fitted: NativeStore) -> Card:
    """A card of everything but what validation decides and what :func:`write` adds."""
    return Card(
        name=task.name,
        title=task.recipe.title,
        summary=task.recipe.summary,
        net=learnt.net_name,
        net_options=learnt.net_options,
        bands=learnt.bands,
        mean=learnt.mean,
        std=learnt.std,
        thresholds=dict.fromkeys(CLASS_NAMES, 0.5),
        threshold_rule="one half",
        training={
            "dataset": task.dataset.title,
            "splits": task.order.fit.split("+"),
            **fitted.origin(),
            **learnt.facts,
            "date": datetime.now(UTC).date().isoformat(),
            "command": (
                f"landcover train --dataset {task.dataset.name} --model {task.name} "
                f"--fit {task.order.fit}"
            ),
        },
        weights_sha256="",
        parameters=_size(learnt.net),
        explainable=task.recipe.explainable,
    )


def _size(net: nn.Module) -> int:
    """Number of trained values: the parameters, or the tables of a net without any."""
    trained = sum(value.numel() for value in net.parameters())
    return trained or sum(v.numel() for v in net.state_dict().values() if v.is_floating_point())


def write(card: Card, net: nn.Module, out: Path, dataset: Dataset, *, half: bool = False) -> Card:
    """Write a model folder: weights, and the card with their hash and its attribution scales.

    Args:
        card: without hash and scales.
        net: the trained net; :func:`rounded` if ``half``.
        out: the folder; made where absent.
        dataset: where the patches for the scales are from.
        half: keep weights in half precision where :func:`is_large` says so.

    Raises:
        BadInput: a patch cannot be read.
    """
    weights = packed(net, half=half)
    card = replace(card, weights_sha256=hashlib.sha256(weights).hexdigest())
    if card.explainable:
        model = Model(card, net, pick_device("cpu"))
        scales = explanation.explanation_scales(model, some_patches(dataset))
        card = replace(card, explanation_scales=scales)
    save_model(card, weights, out)
    return card


def is_large(value: Tensor) -> bool:
    """Whether a tensor is a weight of a convolution or linear layer, in single precision.

    Statistics and biases are vectors: few, and not to be rounded.
    """
    return value.dim() > 1 and value.dtype == torch.float32


def rounded(net: nn.Module) -> nn.Module:
    """The net in evaluation mode, its large weights rounded to what half precision holds."""
    for value in net.state_dict().values():
        if is_large(value):
            value.copy_(value.half())
    return net.eval()


def packed(net: nn.Module, *, half: bool) -> bytes:
    """A net's state as the bytes of a safetensors file, large weights in half precision."""
    state = {name: value.detach().cpu() for name, value in net.state_dict().items()}
    kept = {n: (v.half() if half and is_large(v) else v).contiguous() for n, v in state.items()}
    return dump_tensors(kept)


def some_patches(dataset: Dataset) -> list[Raster]:
    """Validation patches spread evenly over the split."""
    records = dataset.records("validation")
    rows = np.linspace(0, len(records) - 1, min(SCALE_PATCHES, len(records))).round().astype(int)
    return [records[row].patch() for row in rows.tolist()]


def counter(report: Report | None, done: int, total: int) -> OnEpoch | None:
    """What tells of each epoch of a fit before which ``done`` of all ``total`` epochs were."""
    if report is None:
        return None

    def tell(entry: Epoch) -> None:
        note = f"loss {entry.train_loss:.3f}"
        if not np.isnan(entry.val_macro_ap):
            note += f", validation AP macro {entry.val_macro_ap:.3f} micro {entry.val_micro_ap:.3f}"
        count = done + entry.epoch
        report(Progress(what="Training", done=count, total=total, unit="epochs", detail=note))

    return tell
