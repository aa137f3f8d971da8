"""Write the model folder of eurosat-rgb, with two baselines for comparison."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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
from landcover.core.raster import Raster
from landcover.datasets.eurosat import EuroSat, pack_names
from landcover.datasets.eurosat_store import RgbStore
from landcover.evaluate.pictures import BASELINES
from landcover.explain import explanation
from landcover.io.images import picture_of
from landcover.models.card import BRIGHTNESS, EXCLUSIVE_THRESHOLD, RGB, SOFTMAX, Card
from landcover.models.devices import pick_device
from landcover.models.model import Model, save_model
from landcover.nets.colour_statistics import ColourForest
from landcover.nets.reference import ClassPrior
from landcover.train.recipes.model_folder import packed, rounded
from landcover.train.recipes.reference_fit import as_net, features

__all__ = [
    "BASELINE_RECIPES",
    "COLOURS",
    "MIN_LEAF",
    "NAME",
    "PRIOR",
    "SCALE_PICTURES",
    "SUMMARY",
    "THRESHOLD_RULE",
    "TITLE",
    "TREES",
    "BaselineRecipe",
    "finished",
    "fit_colours",
    "fit_prior",
    "some_pictures",
    "write",
]

NAME: Final = "eurosat-rgb"
TITLE: Final = "EuroSAT RGB"
SUMMARY: Final = (
    "One of ten land covers for a colour picture of 640 m: EfficientNet-Lite0, which looks at the "
    "picture in several symmetries."
)


PRIOR: Final = "class-prior"


COLOURS: Final = "colour-statistics"


TREES: Final = 40


MIN_LEAF: Final = 20


SCALE_PICTURES: Final = 6
"""Validation pictures on which the common scale of attribution maps is measured."""


THRESHOLD_RULE: Final = "none: the classes exclude each other, so the most probable one is called"


def finished(state: Mapping[str, Tensor], net_options: Mapping[str, Any]) -> nn.Module:
    """The shipped net: in evaluation mode, its large weights rounded to half precision.

    Args:
        state: of an ``rgb-lite0``.
        net_options: its keyword arguments.
    """
    net = nets.build("rgb-lite0", **net_options)
    net.load_state_dict(dict(state))
    return rounded(net)


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
    """Write the model's folder from its weights.

    Args:
        state: weights of an ``rgb-lite0``.
        net_options: its keyword arguments, with the number of symmetries to average over.
        dataset: the source of the pictures for the scales of attribution.
        fitted: the pictures that the weights were trained on; baselines are fitted to them, too.
        splits: the splits of these pictures.
        selection: metrics on validation (:func:`selection`).
        facts: about training, for the card; what it started from is ``start``.
        out: the folder; created if missing.

    Raises:
        BadInput: a picture cannot be read.
    """
    net = finished(state, net_options)
    card = _card(
        NAME,
        TITLE,
        f"{SUMMARY} It starts from {facts['start']}.",
        net=("rgb-lite0", dict(net_options), net),
        fitted=fitted,
        splits=splits,
        selection=selection,
        facts=facts,
    )
    model = Model(card, net, pick_device("cpu"))
    scales = explanation.explanation_scales(model, some_pictures(dataset))
    card = _save(card.with_fields(explanation_scales=scales), net, out)
    for name, recipe in BASELINE_RECIPES.items():
        made = recipe.fit(fitted)
        baseline = _card(
            name,
            recipe.title,
            recipe.summary,
            net=made,
            fitted=fitted,
            splits=splits,
            selection={},
            facts={},
        )
        _save(baseline.with_fields(explainable=False), made[2], out / BASELINES / name)
    return card


def fit_prior(store: RgbStore) -> tuple[str, dict[str, Any], nn.Module]:
    """Class frequencies, with half a picture added to each, as the scores of a softmax."""
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
class BaselineRecipe:
    """How a baseline is made, and texts for its card."""

    title: str
    summary: str
    fit: Callable[[RgbStore], tuple[str, dict[str, Any], nn.Module]]
    """Returns the architecture, its keyword arguments, and the fitted net."""


BASELINE_RECIPES: Final[dict[str, BaselineRecipe]] = {
    PRIOR: BaselineRecipe(
        title="Class prior",
        summary="Looks at no pixel: says of every picture how frequent each class was.",
        fit=fit_prior,
    ),
    COLOURS: BaselineRecipe(
        title="Colour statistics with extra trees",
        summary=(
            "Trees on mean, standard deviation and nine quantiles of red, green and blue: what "
            "colours alone give away, without their arrangement."
        ),
        fit=fit_colours,
    ),
}
"""Name of a baseline → its recipe."""


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
        thresholds=dict.fromkeys(EUROSAT_CLASSES, EXCLUSIVE_THRESHOLD),
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
    card = card.with_fields(weights_sha256=hashlib.sha256(weights).hexdigest())
    save_model(card, weights, out)
    return card


def some_pictures(dataset: EuroSat) -> list[Raster]:
    """Validation pictures spread evenly over the split, about one a class."""
    records = dataset.records("validation")
    rows = np.linspace(0, len(records) - 1, min(SCALE_PICTURES, len(records))).round().astype(int)
    chosen = [records[row] for row in rows.tolist()]
    store = dataset.load_pictures(chosen)
    return [picture_of(store.bytes[k], record.name) for k, record in enumerate(chosen)]
