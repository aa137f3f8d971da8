"""Fitting the baselines: class frequencies, and extra trees on the statistics of bands.

Both come into being as the custom CNN does. A fit on the training split yields, on
validation, the thresholds and the figures that the card calls *selection*; then the same
fit on training and validation together yields what is kept. The test split plays no part.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from sklearn.ensemble import ExtraTreesRegressor
from torch import Tensor, nn

from landcover.card import Card
from landcover.datasets import Dataset
from landcover.datasets.statistics import band_statistics as pixel_statistics
from landcover.datasets.store import NativeStore, join
from landcover.errors import UnknownName
from landcover.metrics import THRESHOLD_RULE, choose_thresholds, summary
from landcover.model import save_model, weights_bytes
from landcover.nets.baselines import BandStatisticsForest, ClassPrior, band_statistics
from landcover.training import predict_logits

Options = dict[str, Any]
Fitted = tuple[nn.Module, Options]

TREES: Final = 300
MIN_LEAF: Final = 2
MAX_FEATURES: Final = "sqrt"
"""Chosen on validation from leaves of 1, 2, 3 patches and from sqrt, 0.3, 1.0 of the features."""
_BATCH: Final = 32


@dataclass(frozen=True, kw_only=True)
class _Recipe:
    """What makes a baseline, and what its card says of it."""

    title: str
    summary: str
    net: str
    fit: Callable[[NativeStore, int], Fitted]
    settings: Mapping[str, Any]


def fit_prior(store: NativeStore, seed: int = 0) -> Fitted:
    """The frequencies of the classes, with half a patch more on either side.

    The halves (Krichevsky and Trofimov 1981) keep a class that never occurs possible.

    Args:
        store: patches to learn from.
        seed: not used, since nothing is drawn.

    Returns:
        the net and the options that build it anew.
    """
    del seed
    share = (store.targets.sum(dim=0) + 0.5) / (len(store) + 1)
    options = {"classes": store.targets.shape[1]}
    net = ClassPrior(**options)
    net.logits.copy_(torch.logit(share))
    return net, options


def fit_band_statistics(store: NativeStore, seed: int = 0) -> Fitted:
    """Extra trees on mean, standard deviation and quantiles of each band.

    Args:
        store: patches to learn from.
        seed: of the trees.

    Returns:
        the net and the options that build it anew.
    """
    forest = ExtraTreesRegressor(
        n_estimators=TREES,
        min_samples_leaf=MIN_LEAF,
        max_features=MAX_FEATURES,
        random_state=seed,
        n_jobs=-1,
    )
    return as_net(forest.fit(features(store), store.targets.numpy()))


def features(store: NativeStore) -> npt.NDArray[np.float32]:
    """The statistics of each patch, float32 ``(patch, feature)``, a batch at a time."""
    rows = torch.split(torch.arange(len(store)), _BATCH)
    return torch.cat([band_statistics(store.pixels(part.tolist())) for part in rows]).numpy()


def as_net(forest: ExtraTreesRegressor) -> Fitted:
    """A fitted forest of scikit-learn as a net that answers the same, and its options."""
    trees = [estimator.tree_ for estimator in forest.estimators_]
    options = {
        "trees": len(trees),
        "nodes": max(int(tree.node_count) for tree in trees),
        "leaves": max(int(tree.n_leaves) for tree in trees),
        "depth": max(int(tree.max_depth) for tree in trees),
        "classes": trees[0].value.shape[1],
    }
    net = BandStatisticsForest(**options)
    for index, tree in enumerate(trees):
        for name, values in _tables(tree).items():
            kept: Tensor = getattr(net, name)
            kept[index, : len(values)] = torch.from_numpy(values).to(kept.dtype)
    return net, options


def _tables(tree: Any) -> dict[str, npt.NDArray[Any]]:  # noqa: ANN401 - scikit-learn has no types
    leaf = tree.children_left < 0
    itself = np.arange(tree.node_count)
    # Features are float32 and scikit-learn's thresholds float64: the next float32 below
    # decides every one of them the same way.
    threshold = tree.threshold.astype(np.float32)
    threshold = np.where(
        threshold > tree.threshold, np.nextafter(threshold, np.float32(-np.inf)), threshold
    )
    return {
        "feature": np.where(leaf, 0, tree.feature),
        "threshold": threshold,
        "left": np.where(leaf, itself, tree.children_left),
        "right": np.where(leaf, itself, tree.children_right),
        "leaf": np.where(leaf, np.cumsum(leaf) - 1, 0),
        "share": tree.value[leaf, :, 0],
    }


RECIPES: Final[dict[str, _Recipe]] = {
    "class-prior": _Recipe(
        title="Class prior",
        summary=(
            "Looks at no pixel: says of every patch how frequent each class was in the "
            "patches that it was fitted to. What any model has to beat."
        ),
        net="class-prior",
        fit=fit_prior,
        settings={},
    ),
    "band-statistics": _Recipe(
        title="Band statistics with extra trees",
        summary=(
            "Extremely randomised trees on mean, standard deviation and nine quantiles of each "
            "band: what colours alone give away, without their arrangement."
        ),
        net="band-statistics",
        fit=fit_band_statistics,
        settings={"trees": TREES, "min_leaf": MIN_LEAF, "max_features": MAX_FEATURES},
    ),
}
"""Name in the registry → how it is made."""


def make(
    name: str, dataset: Dataset, out: Path, seed: int = 0, *, with_validation: bool = True
) -> Card:
    """Fit a baseline and write its model folder.

    Args:
        name: one of :data:`RECIPES`.
        dataset: a data set with train and validation splits.
        out: the folder to write; made where absent.
        seed: of the trees.
        with_validation: fit again on train and validation, once the thresholds are chosen.

    Raises:
        UnknownName: there is no such baseline.
        BadInput: a split is empty, or a patch cannot be read.
    """
    if name not in RECIPES:
        raise UnknownName("baseline", name, RECIPES)
    recipe = RECIPES[name]
    training, validation = dataset.load("train"), dataset.load("validation")
    net, options = recipe.fit(training, seed)
    probability = torch.sigmoid(predict_logits(net, validation)).numpy()
    truth = validation.targets.numpy().astype(bool)
    thresholds = choose_thresholds(truth, probability)
    selection = {
        "fitted_on": ["train"],
        "measured_on": "validation",
        "n": len(validation),
        **summary(truth, probability, thresholds),
    }
    fitted, splits = training, ["train"]
    if with_validation:
        fitted, splits = join(training, validation), ["train", "validation"]
        net, options = recipe.fit(fitted, seed)
    card = build_card(
        name,
        net,
        options,
        fitted=fitted,
        splits=splits,
        dataset=dataset,
        thresholds=thresholds,
        selection=selection,
        seed=seed,
    )
    save_model(card, weights_bytes(net), out)
    return card


def build_card(
    name: str,
    net: nn.Module,
    options: Options,
    *,
    fitted: NativeStore,
    splits: list[str],
    dataset: Dataset,
    thresholds: dict[str, float],
    selection: dict[str, Any],
    seed: int,
) -> Card:
    """The card of a fitted baseline.

    Args:
        name: one of :data:`RECIPES`.
        net: the fitted net.
        options: what builds it anew.
        fitted: the patches it was fitted to.
        splits: the splits that these are.
        dataset: where these come from.
        thresholds: of each class.
        selection: figures on validation.
        seed: of the fit.
    """
    recipe = RECIPES[name]
    mean, std = pixel_statistics([fitted])
    return Card(
        name=name,
        title=recipe.title,
        summary=recipe.summary,
        net=recipe.net,
        net_options=options,
        mean=mean,
        std=std,
        thresholds=thresholds,
        threshold_rule=f"{THRESHOLD_RULE}, chosen on validation with a fit on train alone",
        training={
            "dataset": dataset.title,
            "splits": splits,
            **fitted.origin(),
            **recipe.settings,
            "seed": seed,
            "date": datetime.now(UTC).date().isoformat(),
            "command": (
                f"landcover train --dataset {dataset.name} --model {name} --fit {'+'.join(splits)}"
            ),
        },
        selection=selection,
        weights_sha256=hashlib.sha256(weights_bytes(net)).hexdigest(),
        parameters=sum(v.numel() for v in net.state_dict().values() if v.is_floating_point()),
        explainable=False,
    )
