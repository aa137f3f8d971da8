"""Models for pictures are evaluated like others, with an accuracy and their training data."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from landcover import nets
from landcover.core.classes import EUROSAT_CLASSES
from landcover.core.errors import BadInput, CorruptModel, ModelMismatch
from landcover.core.progress import Progress
from landcover.datasets.eurosat import EuroSat, open_eurosat, pack_names
from landcover.evaluate.pictures import baselines_in, material_of, probabilities_of
from landcover.evaluate.report_files import read_report, write_report
from landcover.evaluate.report_metrics import Draws
from landcover.evaluate.report_text import as_text
from landcover.evaluate.run import evaluate
from tests.datasets.test_eurosat import places_of_all_splits
from tests.support import tiny, tiny_pictures
from tests.support.colour_pictures import encoded, pixels

DRAWS = Draws(resamples=100)


@pytest.fixture(autouse=True)
def _tiny_net(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(nets.NETS, tiny_pictures.NAME, tiny_pictures.TinyPictureNet)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Four pictures a class, two of them in places of training, two of testing."""
    places = dict(
        zip(("train", "validation", "test"), places_of_all_splits().values(), strict=True)
    )
    lines = ["name,label,latitude,longitude"]
    for k, label in enumerate(EUROSAT_CLASSES):
        folder = tmp_path / "EuroSAT_RGB" / label
        folder.mkdir(parents=True)
        for number in range(1, 13):
            name = f"{label}_{number}"
            (folder / f"{name}.jpg").write_bytes(encoded(pixels(seed=100 * k + number), "JPEG"))
            lat, lon = places["train" if number < 7 else "test"]
            lines.append(f"{name},{label},{lat},{lon}")
    (tmp_path / "locations.csv").write_text("\n".join(lines))
    return tmp_path


@pytest.fixture
def dataset(root: Path) -> EuroSat:
    return open_eurosat(root)


def learnt_card(dataset: EuroSat) -> dict[str, object]:
    names = [record.name for record in dataset.records("train")]
    return {
        "training": {
            "dataset": dataset.title,
            "splits": ["train"],
            "names": pack_names(names),
        }
    }


def test_accuracy_is_the_share_of_correct_predictions(dataset: EuroSat) -> None:
    model = tiny_pictures.tiny_picture_model()
    found = evaluate(model, dataset, "test", draws=DRAWS)
    store = dataset.load("test")
    with torch.inference_mode():
        hits = model.net(store.pixels(range(len(store)))).argmax(1) == store.targets.argmax(1)
    assert found.metrics.accuracy == pytest.approx(float(hits.float().mean()), abs=1e-6)
    low, high = found.metrics.confidence_intervals["accuracy"]
    assert low <= found.metrics.accuracy <= high
    assert found.metrics.n == 60
    assert found.metrics.seen_in_training is None
    assert list(found.metrics.per_class) == list(EUROSAT_CLASSES)
    json.dumps(found.as_dict(), allow_nan=False)
    assert "accuracy" in as_text(found)


def test_a_report_counts_training_pictures_and_measures_the_others(dataset: EuroSat) -> None:
    model = tiny_pictures.tiny_picture_model(**learnt_card(dataset))
    both = evaluate(model, dataset, "all", draws=DRAWS).metrics
    test = evaluate(model, dataset, "test", draws=DRAWS).metrics
    train = evaluate(model, dataset, "train", draws=DRAWS).metrics
    assert (both.seen_in_training, both.learnt, both.n) == (True, 60, 120)
    assert both.unseen.accuracy == test.accuracy
    assert both.unseen.n == 60
    assert "trained on 60 of these 120" in both.note
    assert (test.seen_in_training, test.learnt) == (False, 0)
    assert test.training_distance_m > 1000
    assert test.unseen is None
    assert train.learnt == 60
    assert train.unseen is None


def test_without_places_training_pictures_are_known_by_name(root: Path) -> None:
    placed = open_eurosat(root)
    model = tiny_pictures.tiny_picture_model(**learnt_card(placed))
    (root / "locations.csv").unlink()
    found = evaluate(model, open_eurosat(root), "all", draws=DRAWS).metrics
    assert found.learnt == 60
    assert found.training_distance_m is None
    assert "120 of these 120 pictures have no place" in found.note


def test_a_damaged_list_of_names_means_unknown(dataset: EuroSat) -> None:
    training = {"dataset": dataset.title, "splits": ["train"], "names": {"Forest": "§"}}
    model = tiny_pictures.tiny_picture_model(training=training)
    found = evaluate(model, dataset, "test", draws=DRAWS).metrics
    assert found.seen_in_training is None
    assert found.learnt is None


def test_blocks_are_about_twelve_kilometres(dataset: EuroSat) -> None:
    material = material_of(dataset.records("all"))
    assert len(np.unique(material.places)) == 2
    assert material.exclusive
    found = evaluate(
        tiny_pictures.tiny_picture_model(),
        dataset,
        "all",
        draws=Draws(resamples=100, unit="block"),
    )
    assert found.metrics.bootstrap.blocks == 2
    assert found.metrics.command.endswith("--unit block")


def test_progress_counts_pictures(dataset: EuroSat) -> None:
    told: list[Progress] = []
    model = tiny_pictures.tiny_picture_model()
    probabilities_of([model], dataset.load("all"), told.append)
    assert (told[-1].done, told[-1].total, told[-1].unit) == (120, 120, "pictures")
    assert len(told) == 4


def test_reports_are_saved_and_read_back(dataset: EuroSat, tmp_path: Path) -> None:
    folder = tiny_pictures.tiny_picture_folder(tmp_path / "model")
    model = tiny_pictures.tiny_picture_model()
    found = evaluate(model, dataset, "test", draws=DRAWS)
    write_report(found, folder)
    again = read_report(folder, "eurosat", "test")
    assert again.metrics == found.metrics
    assert np.array_equal(again.predictions.truth, found.predictions.truth)


def test_baselines_are_loaded_from_the_model_folder(dataset: EuroSat, tmp_path: Path) -> None:
    folder = tiny_pictures.tiny_picture_folder(tmp_path / "model")
    assert baselines_in(folder, "cpu") == []
    tiny_pictures.tiny_picture_folder(folder / "baselines" / "a", name="a")
    (floor,) = baselines_in(folder, "cpu")
    metrics = evaluate(
        tiny_pictures.tiny_picture_model(), dataset, "test", [floor], draws=DRAWS
    ).metrics
    assert metrics.baselines["a"].accuracy == metrics.accuracy
    assert metrics.baselines["a"].margin["accuracy"].difference == 0


def test_other_models_and_splits_are_refused(dataset: EuroSat) -> None:
    with pytest.raises(ModelMismatch, match="was not made for EuroSAT"):
        evaluate(tiny.tiny_model(), dataset, "test")
    with pytest.raises(BadInput, match="no picture of the split 'validation'"):
        evaluate(tiny_pictures.tiny_picture_model(), dataset, "validation")
    broken = tiny_pictures.tiny_picture_model()
    with torch.no_grad():
        broken.net.head.bias.fill_(float("inf"))
    with pytest.raises(CorruptModel, match="not a finite number"):
        evaluate(broken, dataset, "test")
