"""Fit the baselines, which are not trained by gradients.

Class frequencies, extra trees on the statistics of bands, and a linear classifier on
random convolutions. Each is a function of patches and a seed;
:mod:`landcover.train.recipes.bigearthnet` makes models from them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.linear_model import LogisticRegression
from torch import Generator, Tensor, nn

from landcover.datasets.arrays import PatchSet
from landcover.nets.random_convolution import RandomConvolution
from landcover.nets.reference import BandStatisticsForest, ClassPrior, band_statistics

__all__ = [
    "FILTERS",
    "MAX_FEATURES",
    "MIN_LEAF",
    "PENALTY",
    "RIDGE",
    "TREES",
    "WINDOWS",
    "Fitted",
    "Options",
    "as_net",
    "features",
    "fit_band_statistics",
    "fit_prior",
    "fit_random_convolution",
    "new_forest",
]

Options = dict[str, Any]
Fitted = tuple[nn.Module, Options]

TREES: Final = 300
MIN_LEAF: Final = 2
MAX_FEATURES: Final = "sqrt"
"""Chosen on validation from leaves of 1, 2, 3 patches and from sqrt, 0.3, 1.0 of the features."""
FILTERS: Final = 128
"""Random filters of each size; more would make evaluations take longer than seconds."""
PENALTY: Final = 0.03
"""scikit-learn's C of the classifiers on random convolutions.

Chosen on validation from 0.0001, 0.0003 … 0.1."""
WINDOWS: Final = 64
"""Windows that are cut from a patch, from which filters are drawn."""
RIDGE: Final = 0.1
"""Share of a whitened window's mean variance that is added to every direction;
without it noise would count as much as colour."""
_START_PATCHES: Final = 256
_BATCH: Final = 32


def fit_prior(store: PatchSet, seed: int = 0) -> Fitted:
    """Fit class frequencies, with half a patch added to presence and absence of each class.

    This (Krichevsky and Trofimov 1981) gives classes that never occur a probability above 0.

    Args:
        store: patches to fit to.
        seed: not used; nothing is random.

    Returns:
        The net and its keyword arguments.
    """
    del seed
    options = {"classes": store.targets.shape[1]}
    net = ClassPrior(**options)
    net.logits.copy_(torch.logit(_frequencies(store.targets)))
    return net, options


def fit_band_statistics(store: PatchSet, seed: int = 0) -> Fitted:
    """Fit extra trees to mean, standard deviation and quantiles of each band.

    Args:
        store: patches to fit to.
        seed: of the trees.

    Returns:
        The net and its keyword arguments.
    """
    return as_net(new_forest(seed).fit(features(store), store.targets.numpy()))


def new_forest(seed: int = 0, trees: int = TREES) -> ExtraTreesRegressor:
    """Extra trees as :func:`fit_band_statistics` uses them, not fitted yet."""
    return ExtraTreesRegressor(
        n_estimators=trees,
        min_samples_leaf=MIN_LEAF,
        max_features=MAX_FEATURES,
        random_state=seed,
        n_jobs=-1,
    )


def features(store: PatchSet) -> npt.NDArray[np.float32]:
    """The statistics of each patch, float32 ``(patch, feature)``, a batch at a time."""
    return torch.cat([band_statistics(pixels) for pixels in _batches(store)]).numpy()


def as_net(forest: ExtraTreesRegressor) -> Fitted:
    """A fitted scikit-learn forest as a net with the same predictions, and its options."""
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
    # Features are float32 and scikit-learn's thresholds float64: rounding them down
    # to float32 leaves every comparison the same.
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


def fit_random_convolution(store: PatchSet, seed: int = 0) -> Fitted:
    """Draw random filters from the patches and fit a logistic regression a class to their means.

    Args:
        store: patches to fit to.
        seed: of the choice of filters.

    Returns:
        The net and its keyword arguments.
    """
    options: Options = {"filters": FILTERS, "classes": store.targets.shape[1]}
    net = RandomConvolution(**options)
    chance = Generator().manual_seed(seed)
    some = torch.randperm(len(store), generator=chance)[:_START_PATCHES]
    net.initialise(store.pixels(some.tolist()), store.targets)
    with torch.inference_mode():
        for layer in net.convolutions():
            windows = torch.cat(
                [
                    sample_windows(net.images(p), layer.kernel_size[0], chance)
                    for p in _batches(store)
                ]
            )
            set_filters(layer, windows, chance)
        found = torch.cat([net.features(pixels) for pixels in _batches(store)])
    weight, bias = fit_classifiers(found, store.targets)
    net.head.weight.data.copy_(weight)
    net.head.bias.data.copy_(bias)
    return net.eval(), options


def sample_windows(images: Tensor, side: int, chance: Generator) -> Tensor:
    """:data:`WINDOWS` random squares of each image, ``(n · windows, band, side, side)``."""
    squares = images.unfold(2, side, 1).unfold(3, side, 1)
    image = torch.arange(len(images)).repeat_interleave(WINDOWS)
    row, column = (
        torch.randint(0, squares.shape[axis], (len(image),), generator=chance) for axis in (2, 3)
    )
    return squares[image, :, row, column]


def set_filters(layer: nn.Conv2d, windows: Tensor, chance: Generator) -> None:
    """Set whitened windows as filters: the response is the similarity to the window.

    The similarity is an inner product after both are centred and whitened over the sample
    (Coates and Ng 2012; Rolf et al. 2021), which is one linear filter with an offset.
    Filters are scaled so that their responses have a standard deviation of 1.
    """
    flat = windows.flatten(1).double()
    centre = flat.mean(dim=0)
    spread = torch.cov(flat.T)
    spread += RIDGE * spread.diagonal().mean() * torch.eye(len(spread), dtype=torch.float64)
    some = torch.randperm(len(flat), generator=chance)[: layer.out_channels]
    # From a small sample some windows are used twice.
    some = some.repeat(-(-layer.out_channels // len(some)))[: layer.out_channels]
    filters = torch.linalg.solve(spread, (flat[some] - centre).T).T
    filters /= ((flat - centre) @ filters.T).std(dim=0).clamp(min=1e-6)[:, None]
    layer.weight.data.copy_(filters.view_as(layer.weight))
    assert layer.bias is not None
    layer.bias.data.copy_(-filters @ centre)


def fit_classifiers(features: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Weight ``(class, feature)`` and bias ``(class,)`` of a logistic regression a class.

    Features are standardised for the fit; the scaling is then folded into the weights. A class
    that none or all of the patches have gets its frequency.
    """
    mean, std = features.mean(dim=0), features.std(dim=0).clamp(min=1e-6)
    standard = ((features - mean) / std).double().numpy()
    weight = torch.zeros(targets.shape[1], features.shape[1], dtype=torch.float64)
    bias = torch.logit(_frequencies(targets)).double()
    for column, truth in enumerate(targets.T.numpy()):
        if 0 < truth.sum() < len(truth):
            model = LogisticRegression(C=PENALTY, max_iter=1000).fit(standard, truth)
            weight[column] = torch.from_numpy(model.coef_[0])
            bias[column] = float(model.intercept_[0])
    weight /= std
    return weight, bias - weight @ mean.double()


def _frequencies(targets: Tensor) -> Tensor:
    """Class frequencies with half a patch added to presence and absence, never 0 or 1."""
    return (targets.sum(dim=0) + 0.5) / (len(targets) + 1)


def _batches(store: PatchSet) -> Iterator[Tensor]:
    """Reflectance of all patches, a batch at a time."""
    for part in torch.split(torch.arange(len(store)), _BATCH):
        yield store.pixels(part.tolist())
