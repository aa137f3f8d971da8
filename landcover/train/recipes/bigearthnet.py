"""Recipes of the models of a single net, trained or fitted on BigEarthNet patches.

To add a model, add a line to :data:`RECIPES`, and a configuration if it is trained by
gradients.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import torch

from landcover import nets
from landcover.core import files
from landcover.core.bands import BAND_NAMES
from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import BadInput, UnknownName
from landcover.core.progress import Report
from landcover.datasets import Dataset, EuroSat
from landcover.datasets.arrays import NativeStore
from landcover.datasets.band_subset import select_bands
from landcover.datasets.statistics import band_statistics
from landcover.nets import efficientnet_lite0
from landcover.nets.spectral_lite0 import inflate
from landcover.nets.timm_trunk import timm_trunk
from landcover.train import distributed
from landcover.train.configuration import TrainConfig
from landcover.train.loop import OnEpoch, train
from landcover.train.recipes import reference_fit
from landcover.train.recipes.build import (
    PatchFit,
    Recipe,
    Task,
    TrainedNet,
    produce,
    require_bands,
    require_patches,
)
from landcover.train.recipes.model_folder import rounded
from landcover.train.recipes.order import Order, epoch_reporter, overrides, settings_text
from landcover.train.state import Weights

__all__ = ["RECIPES", "TIMM", "configuration", "find", "lite0_from_imagenet", "make", "patch_fit"]


def lite0_from_imagenet(bands: Sequence[str] = BAND_NAMES) -> Weights:
    """ImageNet weights from which a :class:`~landcover.nets.efficientnet_lite0.LiteNet` starts.

    The weights of red, green and blue are kept; those of other bands start at 0.

    Args:
        bands: names along the input's band axis.

    Raises:
        BadInput: the package that carries the weights is not installed.
    """
    trunk = efficientnet_lite0.Lite0()
    trunk.load_imagenet(efficientnet_lite0.imagenet_weights())
    state = {f"trunk.{name}": value for name, value in trunk.state_dict().items()}
    return inflate(state, bands)


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
            "A small net for photographs (Tan and Le 2019), its first layer widened to twelve "
            "bands: a benchmark for our own."
        ),
        config="efficientnet-lite0",
        initial=lite0_from_imagenet,
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
"""Name in the registry → its recipe."""

TIMM: Final = "timm:"
"""Prefix that turns the name of a timm trunk into the name of a recipe."""


def make(
    name: str, dataset: Dataset | EuroSat, out: Path, order: Order, report: Report | None = None
) -> None:
    """Train or fit a model of a single net and write its folder.

    The same call resumes an interrupted run from its checkpoints in ``out/runs``.

    Args:
        name: one of :data:`RECIPES`, or ``timm:`` followed by the name of a timm trunk.
        dataset: patches with train and validation splits.
        out: the folder to write; created if missing.
        order: settings that differ from the configuration.
        report: called after each epoch.

    Raises:
        UnknownName: there is no such recipe.
        BadInput: configuration, folder or data set cannot be used.
    """
    recipe, patches = find(name), require_patches(name, dataset)
    config = configuration(name, order, patches.classes) if recipe.config else None
    recipe = _started(recipe, config)
    require_bands(name, patches, (config.net_options if config else {}).get("bands", BAND_NAMES))
    task = Task(name=name, recipe=recipe, dataset=patches, order=order)
    epochs = config.epochs if config else 0
    total = epochs * (2 if order.fit == "train+validation" else 1)

    def train_once(
        store: NativeStore, validation: NativeStore | None, runs: Path, first: TrainedNet | None
    ) -> TrainedNet:
        if config is None:
            return _fit(recipe, store, order.seed or 0)
        settings, before = config, 0
        if first is not None:
            # Without validation patches the epoch cannot be chosen: the first fit's is used.
            settings = replace(config, epochs=first.epoch, select="last", patience=0)
            before = epochs
        on_epoch = epoch_reporter(report, before, total)
        return _train(recipe, settings, store, validation, out=runs, on_epoch=on_epoch)

    if produce(task, out, train_once) and config:
        # The history with validation metrics shows how the epoch was chosen.
        history = (out / "runs" / "train" / "history.csv").read_bytes()
        files.write_bytes(out / "history.csv", history)
        files.write_text(out / "config.json", config.to_json())


def patch_fit(name: str, order: Order) -> PatchFit:
    """The recipe as one fit without validation: all epochs are run and the last one is kept.

    Args:
        name: as for :func:`make`.
        order: settings that differ from the configuration.

    Raises:
        UnknownName: there is no such recipe.
        BadInput: the configuration cannot be used.
    """
    recipe = find(name)
    if not recipe.config:
        if order.config_file is not None or order.epochs is not None:
            raise _unconfigured(name)
        seed = order.seed or 0
        return PatchFit(
            name=name,
            settings=json.dumps({**recipe.settings, "seed": seed}),
            run=lambda store, *_: _fit(recipe, store, seed),
        )
    config = replace(configuration(name, order), select="last", patience=0)
    recipe = _started(recipe, config)

    def run(
        store: NativeStore, runs: Path, report: Report | None, _: Collection[str]
    ) -> TrainedNet:
        on_epoch = epoch_reporter(report, 0, config.epochs)
        return _train(recipe, config, store, None, out=runs, on_epoch=on_epoch)

    return PatchFit(name=name, settings=replace(config, device="auto").to_json(), run=run)


def find(name: str) -> Recipe:
    """The recipe of that name; ``timm:resnet18`` stands for the trunk resnet18 of timm.

    Raises:
        UnknownName: there is none.
    """
    if name.startswith(TIMM):
        return _timm(name.removeprefix(TIMM))
    if name not in RECIPES:
        raise UnknownName("model", name, RECIPES)
    return RECIPES[name]


def _timm(backbone: str) -> Recipe:
    return Recipe(
        title=f"timm {backbone}",
        summary=f"The trunk {backbone} of timm.",
        config="timm",
        options={"backbone": backbone},
        initial=lambda bands: {
            f"trunk.{name}": value
            for name, value in timm_trunk(backbone, len(bands), pretrained=True)
            .state_dict()
            .items()
        },
        start="the published weights",
    )


def configuration(name: str, order: Order, classes: tuple[str, ...] = CLASS_NAMES) -> TrainConfig:
    """The settings of a run: packaged or from a file, with the user's overrides.

    Args:
        name: as for :func:`find`.
        order: settings that differ from the packaged ones.
        classes: of the data set; the net gets as many outputs.

    Raises:
        UnknownName: there is no recipe of that name, or the configuration's net is unknown.
        BadInput: the recipe trains nothing, or the file is not a valid configuration.
    """
    recipe = find(name)
    if not recipe.config:
        raise _unconfigured(name)
    config = TrainConfig.from_json(settings_text(recipe.config, order))
    shards = distributed.shards_for(order.shards or config.shards, distributed.current())
    options = {**config.net_options, **recipe.options}
    if classes != CLASS_NAMES:
        options["classes"] = len(classes)
    config = replace(config, net_options=options, shards=shards, **overrides(order))
    if config.start == "random" and recipe.initial is None:
        raise BadInput(f"The model '{name}' has random weights to start from: leave 'start' out.")
    _try_net(config)
    return config


def _started(recipe: Recipe, config: TrainConfig | None) -> Recipe:
    return recipe.from_scratch() if config and config.start == "random" else recipe


def _unconfigured(name: str) -> BadInput:
    return BadInput(
        f"The model '{name}' is fitted without a configuration and epochs: leave them out."
    )


def _try_net(config: TrainConfig) -> None:
    try:
        with torch.device("meta"):
            nets.build(config.net, **config.net_options)
    except (TypeError, ValueError, KeyError, RuntimeError):
        raise BadInput(
            f"Training configuration: net_options do not fit the net '{config.net}': correct them."
        ) from None


def _train(
    recipe: Recipe,
    config: TrainConfig,
    store: NativeStore,
    validation: NativeStore | None,
    *,
    out: Path,
    on_epoch: OnEpoch | None,
) -> TrainedNet:
    """Train the net once."""
    bands = tuple(config.net_options.get("bands", BAND_NAMES))
    seen = None if validation is None else select_bands(validation, bands)
    initial = recipe.initial(bands) if recipe.initial else None
    result = train(config, select_bands(store, bands), seen, out, on_epoch, initial=initial)
    return TrainedNet(
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


def _fit(recipe: Recipe, store: NativeStore, seed: int) -> TrainedNet:
    assert recipe.fit is not None
    net, options = recipe.fit(store, seed)
    mean, std = band_statistics([store])
    return TrainedNet(
        net=rounded(net) if recipe.half else net.eval(),
        net_name=recipe.net,
        net_options=options,
        bands=BAND_NAMES,
        mean=mean,
        std=std,
        facts={**recipe.settings, "seed": seed},
    )
