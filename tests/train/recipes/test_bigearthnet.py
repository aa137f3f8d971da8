"""From labelled folders to a model folder that loads, predicts and states its origin."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load

from landcover import nets
from landcover.core.bands import BAND_NAMES
from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import BadInput, UnknownName
from landcover.datasets import Dataset, open_dataset
from landcover.metrics.scores import summary
from landcover.models import registry
from landcover.models.card import WEIGHTS_FILE
from landcover.models.model import load_model
from landcover.nets import efficientnet_lite0
from landcover.train.configuration import TrainConfig
from landcover.train.recipes.bigearthnet import RECIPES, configuration
from landcover.train.recipes.model_folder import packed, rounded
from landcover.train.recipes.order import Order
from landcover.train.recipes.table import NAMES, SEVERAL_STEPS, make
from tests.support import bigearthnet_tree as tree
from tests.support import tiny
from tests.support.examples import sampled

CNN = "landcover-cnn"
SMALL = {
    "net_options": {"members": 1, "width": 8, "stem": 4, "spectral": 8},
    "epochs": 2,
    "batch": 4,
    "validate_every": 1,
}


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    looks = [
        tree.PatchSpec(
            patch_id=tree.v2_id(column),
            labels=(CLASS_NAMES[column % 3],),
            split="train" if column < 12 else "validation",
        )
        for column in range(18)
    ]
    return open_dataset("bigearthnet", tree.write_v2(tmp_path / "ben", looks))


@pytest.fixture
def order(tmp_path: Path) -> Order:
    path = tmp_path / "small.json"
    path.write_text(json.dumps(SMALL))
    return Order(config_file=path, fit="train+validation", device="cpu")


@pytest.mark.slow
def test_the_cnn_is_chosen_on_validation_then_fitted_on_both(
    dataset: Dataset, order: Order, tmp_path: Path
) -> None:
    reported: list[tuple[int, int | None]] = []
    out = tmp_path / "model"
    make(CNN, dataset, out, order, lambda step: reported.append((step.done, step.total)))
    assert reported == [(1, 4), (2, 4), (3, 4), (4, 4)]
    model = load_model(out, "cpu")
    assert model.card.training["splits"] == ["train", "validation"]
    assert model.card.training["n"] == 18
    assert model.card.selection["fitted_on"] == ["train"]
    assert model.card.selection["n"] == 6
    assert set(model.card.explanation_scales) >= {"integrated-gradients", "grad-cam"}
    assert len(model.predict(tiny.random_patch()).labels) == len(CLASS_NAMES)
    assert (out / "history.csv").read_text().count("\n") == 3

    # The same call finds everything finished and gives the same weights.
    before = (out / WEIGHTS_FILE).read_bytes()
    reported.clear()
    make(CNN, dataset, out, order, lambda step: reported.append((step.done, step.total)))
    assert reported == []
    assert (out / WEIGHTS_FILE).read_bytes() == before


TRAINED = [name for name, recipe in RECIPES.items() if recipe.config]
FITTED = [name for name, recipe in RECIPES.items() if not recipe.config]
TINY = {
    "trigrid": SMALL["net_options"],
    "resnet": {"depth": 18, "width": 8},
    "lite0": {},
}


def small(name: str, tmp_path: Path, **changes: object) -> Order:
    """Options with the recipe's configuration and a net of a few channels."""
    values = json.loads(configuration(name, Order(device="cpu")).to_json())
    options = {"net_options": TINY[values["net"]], "batch": 4, "epochs": 1, "precision": "float32"}
    path = tmp_path / f"{name}.json"
    path.write_text(json.dumps({**values, **options, **changes}))
    return Order(config_file=path, device="cpu")


@pytest.fixture
def _imagenet_trunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use an untrained trunk, since the published weights need a package that tests do not."""
    torch.manual_seed(7)
    state = {f"_{k}": v for k, v in enumerate(efficientnet_lite0.Lite0().state_dict().values())}
    monkeypatch.setattr(efficientnet_lite0, "imagenet_weights", lambda: state)


@pytest.mark.usefixtures("_imagenet_trunk")
@pytest.mark.parametrize("name", sampled([*TRAINED, *FITTED], {"resnet-18", "class-prior"}))
def test_the_card_states_a_fit_on_train_only(name: str, dataset: Dataset, tmp_path: Path) -> None:
    order = small(name, tmp_path) if name in TRAINED else Order(device="cpu")
    make(name, dataset, tmp_path / name, order)
    model = load_model(tmp_path / name, "cpu")
    card = model.card
    assert card.name == name
    assert card.title == RECIPES[name].title
    assert card.training["splits"] == ["train"]
    assert card.training["n"] == 12
    assert "--fit train" in card.training["command"]
    assert card.selection["fitted_on"] == ["train"]
    assert card.selection["n"] == 6
    assert list(card.bands) == RECIPES[name].options.get("bands", list(BAND_NAMES))
    assert len(card.mean) == len(card.std) == len(card.bands)
    assert card.explainable == bool(card.explanation_scales)
    assert {"f1", "f2"} <= set(card.aims)
    prediction = model.predict(tiny.random_patch())
    assert len(prediction.labels) == len(CLASS_NAMES)
    # The choices on validation were made with these weights, as they are read again.
    store = dataset.load("validation")
    probability = model.predict_pixels(store.pixels(range(6)))
    truth = store.targets.numpy().astype(bool)
    found = summary(truth, probability, card.thresholds)
    for figure in ("micro_ap", "micro_f1"):
        assert found[figure] == pytest.approx(card.selection[figure], abs=1e-6)


@pytest.mark.usefixtures("_imagenet_trunk")
@pytest.mark.parametrize("bands", [BAND_NAMES, ("B04", "B03", "B02"), ("B08", "B02")])
def test_the_weights_that_a_training_starts_from_fit_its_bands(bands: tuple[str, ...]) -> None:
    begun = {name: recipe for name, recipe in RECIPES.items() if recipe.initial}
    assert begun
    for name, recipe in begun.items():
        assert recipe.initial is not None
        config = configuration(name, Order(device="cpu"))
        own = nets.build(config.net, **{**config.net_options, "bands": bands}).state_dict()
        start = recipe.initial(bands)
        assert {key: own[key].shape for key in start} == {k: v.shape for k, v in start.items()}


@pytest.mark.parametrize("name", sampled(FITTED, {"class-prior"}))
def test_a_fit_on_both_splits_keeps_the_choices_made_on_validation(
    name: str, dataset: Dataset, tmp_path: Path
) -> None:
    cards = []
    for fit in ("train", "train+validation"):
        make(name, dataset, tmp_path / fit, Order(fit=fit, device="cpu"))
        cards.append(load_model(tmp_path / fit, "cpu").card)
    alone, both = cards
    assert both.training["splits"] == ["train", "validation"]
    assert both.training["n"] == 18
    assert both.weights_sha256 != alone.weights_sha256
    assert both.thresholds == alone.thresholds
    assert both.selection == alone.selection


@pytest.mark.slow
def test_a_net_of_some_bands_selects_them_from_a_patch(dataset: Dataset, tmp_path: Path) -> None:
    name = "landcover-cnn-rgb"
    make(name, dataset, tmp_path / "m", small(name, tmp_path))
    model = load_model(tmp_path / "m", "cpu")
    assert model.card.bands == ("B04", "B03", "B02")
    assert model.card.net_options["bands"] == ["B04", "B03", "B02"]
    patch = tiny.random_patch()
    pixels = torch.from_numpy(patch.data.copy())[None]
    before = model.predict_pixels(pixels)
    found = [model.predict(patch).of(label).probability for label in CLASS_NAMES]
    assert before[0].tolist() == pytest.approx(found, abs=1e-5)
    dark = pixels.clone()
    dark[:, [k for k in range(12) if BAND_NAMES[k] not in model.card.bands]] = 0.0
    assert (model.predict_pixels(dark) == before).all()
    dark[:, BAND_NAMES.index("B03")] = 0.0
    assert not (model.predict_pixels(dark) == before).all()


def test_large_weights_are_kept_in_half_precision(dataset: Dataset, tmp_path: Path) -> None:
    make("resnet-18", dataset, tmp_path / "m", small("resnet-18", tmp_path))
    with safe_open(tmp_path / "m" / WEIGHTS_FILE, "pt") as file:
        kinds = {name: file.get_tensor(name).dtype for name in file.keys()}  # noqa: SIM118
    assert kinds["trunk.layer2.0.conv1.weight"] == kinds["head.weight"] == torch.float16
    for name in ("mean", "head.bias", "trunk.bn1.running_var", "trunk.bn1.weight"):
        assert kinds[name] == torch.float32
    net = load_model(tmp_path / "m", "cpu").net
    assert {v.dtype for v in net.parameters()} == {torch.float32}


def test_rounding_keeps_values_of_half_precision() -> None:
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    net[1].running_mean.fill_(1 / 3)
    before = net[0].weight.detach().clone()
    rounded(net)
    assert not net.training
    assert torch.equal(net[0].weight, before.half().float())
    assert not torch.equal(net[0].weight, before)
    assert net[1].running_mean[0] == torch.tensor(1 / 3)
    again = load(packed(net, half=True))
    assert torch.equal(again["0.weight"].float(), net[0].weight)
    assert again["1.num_batches_tracked"].dtype == torch.int64


@pytest.mark.parametrize("options", [{"depth": 34}, {"layers": 3}, {"bands": 7}])
def test_options_that_do_not_fit_the_net_are_refused(
    options: dict[str, object], dataset: Dataset, tmp_path: Path
) -> None:
    order = small("resnet-18", tmp_path, net_options=options)
    with pytest.raises(BadInput, match="net_options do not fit the net 'resnet'"):
        make("resnet-18", dataset, tmp_path / "m", order)


def test_fitted_baselines_take_no_configuration() -> None:
    with pytest.raises(BadInput, match="without a configuration"):
        configuration("class-prior", Order())


def test_every_recipe_has_its_files_and_a_unique_name() -> None:
    assert len(NAMES) == len(set(NAMES)) == 12
    assert set(registry.BASELINES) <= set(FITTED)
    for name in TRAINED:
        assert configuration(name, Order(device="cpu")).epochs > 0
    for name in SEVERAL_STEPS:
        assert name not in RECIPES


def test_the_users_options_override_the_configuration(order: Order) -> None:
    config = configuration(CNN, replace(order, epochs=7, seed=3))
    assert (config.epochs, config.seed, config.device, config.batch) == (7, 3, "cpu", 4)


def test_the_packaged_configuration_is_that_of_the_shipped_model() -> None:
    shipped = (Path(__file__).parents[3] / "landcover/zoo/landcover-cnn/config.json").read_text()
    # Settings added after it was shipped have defaults that equal the former behaviour.
    assert configuration(CNN, Order(device="cpu")) == TrainConfig.from_json(shipped)


def test_bad_options_are_refused(dataset: Dataset, order: Order, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="Unknown model 'resnet-81': did you mean 'resnet-18'"):
        make("resnet-81", dataset, tmp_path / "m", order)
    with pytest.raises(BadInput, match="cannot be read: check the path"):
        make(CNN, dataset, tmp_path / "m", replace(order, config_file=tmp_path / "no"))
