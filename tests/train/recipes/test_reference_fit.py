"""The baselines: the same predictions as scikit-learn's forest, and their model folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.ensemble import ExtraTreesRegressor

from landcover import nets
from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import CorruptModel
from landcover.datasets import open_dataset
from landcover.models.card import WEIGHTS_FILE, Card, read_card
from landcover.models.model import load_model, save_model, weights_bytes
from landcover.models.registry import BASELINES
from landcover.nets.reference import FEATURES, QUANTILES, BandStatisticsForest, band_statistics
from landcover.train.recipes import bigearthnet, reference_fit
from landcover.train.recipes.order import Order
from tests.support.bigearthnet_tree import PatchSpec, v2_id, write_v2
from tests.support.examples import sampled
from tests.support.tiny import tiny_card

K = len(CLASS_NAMES)
SPECS = tuple(
    PatchSpec(v2_id(k), (CLASS_NAMES[2 + 6 * (k % 2)],), "train" if k < 12 else "validation")
    for k in range(24)
)


def forest(trees: int = 40, **settings: int) -> tuple[ExtraTreesRegressor, np.ndarray]:
    random = np.random.default_rng(0)
    features = random.normal(size=(90, FEATURES)).astype(np.float32)
    targets = (features[:, :K] + 0.3 * random.normal(size=(90, K)) > 0.5).astype(np.float32)
    fitted = ExtraTreesRegressor(trees, min_samples_leaf=2, random_state=0, **settings)
    return fitted.fit(features, targets), random.normal(size=(200, FEATURES)).astype(np.float32)


@pytest.mark.parametrize("settings", [{}, {"max_depth": 1}, {"max_leaf_nodes": 9}])
def test_the_net_predicts_as_the_forest(settings: dict[str, int]) -> None:
    fitted, unseen = forest(**settings)
    net, options = reference_fit.as_net(fitted)
    assert isinstance(net, BandStatisticsForest)
    again = nets.build("band-statistics", **options)
    again.load_state_dict(net.state_dict())
    wanted = fitted.predict(unseen)
    assert wanted.std() > 0.01
    found = again.probabilities(torch.from_numpy(unseen)).numpy()
    np.testing.assert_allclose(found, wanted, atol=1e-3)


def test_thresholds_in_float32_compare_as_in_float64() -> None:
    fitted, _ = forest(trees=10)
    net, _ = reference_fit.as_net(fitted)
    for index, tree in enumerate(fitted.estimators_):
        inner = tree.tree_.children_left >= 0
        exact = tree.tree_.threshold[inner]
        kept = net.threshold[index, : len(inner)].numpy()[inner]
        assert (kept <= exact).all()
        assert (np.nextafter(kept, np.float32(np.inf)) > exact).all()


def test_band_statistics_are_mean_deviation_and_quantiles_of_each_band() -> None:
    pixels = torch.rand(3, 12, 24, 24, generator=torch.Generator().manual_seed(0))
    found = band_statistics(pixels).reshape(3, -1, 12)
    flat = pixels.flatten(2)
    torch.testing.assert_close(found[:, 0], flat.mean(dim=-1))
    torch.testing.assert_close(found[:, 1], flat.std(dim=-1))
    assert found.shape[1] == 2 + len(QUANTILES)
    for k, q in enumerate(QUANTILES):
        near = torch.quantile(flat, q, dim=-1, interpolation="nearest")
        torch.testing.assert_close(found[:, 2 + k], near, atol=0.02, rtol=0)
    assert found.numel() == 3 * FEATURES


@pytest.mark.parametrize(
    "sizes",
    [
        {"trees": 0, "nodes": 3, "leaves": 2, "depth": 1},
        {"trees": 1, "nodes": 3, "leaves": 4, "depth": 1},
        {"trees": 1, "nodes": 3, "leaves": 2, "depth": 10**9},
        {"trees": 1, "nodes": 10**6, "leaves": 2, "depth": 1},
    ],
)
def test_impossible_sizes_of_a_forest_are_refused(sizes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="trees of"):
        BandStatisticsForest(**sizes)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_v2(tmp_path_factory.mktemp("baselines") / "bigearthnet", SPECS)


def card_of(name: str, root: Path, out: Path, seed: int = 0) -> Card:
    """The card of a baseline that was fitted to all patches."""
    order = Order(fit="train+validation", seed=seed, device="cpu")
    bigearthnet.make(name, open_dataset("bigearthnet", root), out, order)
    return read_card(out)


@pytest.mark.parametrize("name", sampled(BASELINES, ["class-prior", "random-convolution"]))
def test_make_writes_a_folder_that_loads_and_states_its_origin(
    root: Path, tmp_path: Path, name: str
) -> None:
    dataset = open_dataset("bigearthnet", root)
    card = card_of(name, root, tmp_path / name)
    assert card.training["splits"] == ["train", "validation"]
    assert card.training["n"] == 24
    assert card.training["dataset"] == dataset.title
    assert card.selection["fitted_on"] == ["train"]
    assert card.selection["n"] == 12
    assert not card.explainable
    model = load_model(tmp_path / name, "cpu")
    store = dataset.load("validation")
    with torch.inference_mode():
        found = model.scores(store.pixels(range(12))).sigmoid()
    assert found.shape == (12, K)
    assert torch.isfinite(found).all()
    # Two classes occur, one in every other patch: other models predict which, the prior how often.
    here = store.targets.bool()
    if name == "class-prior":
        assert found[here].numpy() == pytest.approx(12.5 / 25)
    else:
        assert found[here].min() > 0.8
    never = found[:, CLASS_NAMES.index("Marine waters")]
    assert 0 < never.min() <= never.max() < 0.05


def test_the_same_seed_makes_the_same_weights(root: Path) -> None:
    store = open_dataset("bigearthnet", root).load("train")
    for fit in (reference_fit.fit_band_statistics, reference_fit.fit_random_convolution):
        once, again, other = (weights_bytes(fit(store, seed)[0]) for seed in (0, 0, 1))
        assert once == again != other


def test_a_class_of_all_or_no_patches_gets_its_frequency() -> None:
    features = torch.randn(200, 6, generator=torch.Generator().manual_seed(0))
    targets = torch.zeros(200, 3)
    targets[:, 1] = 1
    targets[:, 2] = (features[:, 4] > 0).float()
    weight, bias = reference_fit.fit_classifiers(features, targets)
    logits = features.double() @ weight.T + bias
    assert torch.sigmoid(logits[:, 0]).numpy() == pytest.approx(0.5 / 201)
    assert torch.sigmoid(logits[:, 1]).numpy() == pytest.approx(200.5 / 201)
    assert ((logits[:, 2] > logits[:, 2].mean()) == targets[:, 2].bool()).float().mean() > 0.8
    assert weight[2].abs().argmax() == 4


def test_a_card_with_another_size_of_forest_is_refused(root: Path, tmp_path: Path) -> None:
    card = card_of("band-statistics", root, tmp_path)
    weights = (tmp_path / WEIGHTS_FILE).read_bytes()
    for change in ({"depth": 10**9}, {"trees": 299}, {"nodes": "many"}, {"gpu": True}):
        other = card.with_fields(net_options={**card.net_options, **change})
        save_model(other, weights, tmp_path / "other")
        with pytest.raises(CorruptModel, match="do not fit"):
            load_model(tmp_path / "other", "cpu")


@pytest.mark.parametrize("table", ["feature", "left", "right", "leaf"])
@pytest.mark.parametrize("index", [-1, 32_000])
def test_tables_with_indices_out_of_range_are_refused(
    tmp_path: Path, table: str, index: int
) -> None:
    fitted, _ = forest(trees=3)
    net, options = reference_fit.as_net(fitted)
    net.get_buffer(table)[1, 2] = index
    weights = weights_bytes(net)
    save_model(tiny_card(weights, net="band-statistics", net_options=options), weights, tmp_path)
    with pytest.raises(CorruptModel, match="do not fit"):
        load_model(tmp_path, "cpu")
