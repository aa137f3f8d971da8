"""Ratings of explanations: what passes, what fails, files and sentences."""

from __future__ import annotations

from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
import torch

from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import BadInput, Cancelled, CorruptModel, ModelMismatch, UnknownName
from landcover.core.progress import Progress
from landcover.core.raster import Raster
from landcover.explain import explanation
from landcover.explain.explanation import Method
from landcover.explain.faithfulness import (
    cases,
    faithfulness_text,
    protocol,
    randomisation,
    ratings,
)
from landcover.explain.faithfulness.pointing import Scene
from landcover.explain.faithfulness.ratings import Faithfulness
from landcover.explain.faithfulness.similarity import cells, spearman
from landcover.explain.feature_map_methods import Attribution, AttributionTask
from landcover.io.samples import read_sample, samples
from landcover.models import registry
from landcover.models.card import Card
from landcover.models.model import Model
from landcover.trust import files
from tests.support import tiny
from tests.support.examples import sampled


def fake(name: str, compute: Any) -> Method:
    return Method(
        name=name, title=name.title(), summary="", captum="", unit="", uses_baseline=False,
        compute=compute,
    )  # fmt: skip


def _edges(task: AttributionTask) -> list[Attribution]:
    """An edge detector without a net, as some methods were in Adebayo et al. 2018."""
    bright = task.pixels[0].mean(dim=0).numpy()
    return [Attribution(pixels=np.hypot(*np.gradient(bright)).astype(np.float32))]


def _noise(task: AttributionTask) -> list[Attribution]:
    """Noise that depends on the weights and not on the land."""
    with torch.no_grad():
        score = float(task.model.scores(task.pixels)[0, task.targets[0]])
    random = np.random.default_rng(abs(hash(score)) % 2**32)
    return [Attribution(pixels=random.normal(size=task.pixels.shape[2:]).astype(np.float32))]


def _squares(task: AttributionTask) -> list[Attribution]:
    """The fall of the score when a square of 240 m is replaced by average land."""
    side = 24
    count = task.pixels.shape[2] // side
    batch = task.pixels.repeat(count**2 + 1, 1, 1, 1)
    for index in range(count**2):
        row, column = (side * k for k in divmod(index, count))
        place = (..., slice(row, row + side), slice(column, column + side))
        batch[index][place] = task.start[0][place]
    with torch.no_grad():
        scores = task.model.scores(batch)[:, task.targets[0]]
    falls = (scores[-1] - scores[:-1]).numpy().reshape(count, count)
    return [Attribution(pixels=np.kron(falls, np.ones((side, side), np.float32)))]


CONTROLS = {
    method.name: method
    for method in (fake("edges", _edges), fake("noise", _noise), fake("squares", _squares))
}


@pytest.fixture(scope="module")
def real() -> Model:
    return registry.default().load("landcover-cnn", "cpu")


@pytest.fixture(scope="module")
def patches() -> list[Raster]:
    return [read_sample(sample.name) for sample in samples()[:4]]


@pytest.fixture(scope="module")
def controls(real: Model, patches: list[Raster]) -> Faithfulness:
    return protocol.measure(real, patches, methods=CONTROLS)


@pytest.fixture(scope="module")
def measured() -> Faithfulness:
    """All methods on an untrained tiny net."""
    codes = np.repeat(np.repeat(np.array([[1, 2], [4, 5]], np.uint8), 70, 0), 70, 1)
    scene = Scene(name="here", patch=tiny.random_patch(9, size=140), land_cover=codes)
    some = [tiny.random_patch(seed) for seed in range(4)]
    return protocol.measure(tiny.tiny_model(), some, [scene])


@pytest.mark.slow
def test_a_map_of_edges_is_not_faithful(controls: Faithfulness) -> None:
    """It fails for any curves, since it does not depend on the weights."""
    likeness = controls.methods["edges"].randomisation
    assert likeness.likeness.mean == pytest.approx(1.0)
    assert all(step.ssim == pytest.approx(1.0) for step in likeness.by_share)
    verdict = controls.verdict("edges")
    assert (verdict.word, verdict.passes_randomisation) == ("not faithful", False)
    assert "edges" not in controls.offered
    assert "hardly change when the net's weights are shuffled" in verdict.sentence


@pytest.mark.slow
def test_noise_that_depends_on_the_weights_has_no_gain(controls: Faithfulness) -> None:
    """It passes the randomisation check, so this check alone is not sufficient."""
    assert controls.verdict("noise").passes_randomisation
    noise, squares = (
        controls.methods[name].curves["mean"].gain.mean for name in ("noise", "squares")
    )
    assert abs(noise) < 0.75 * squares


@pytest.mark.slow
def test_effects_measured_on_the_net_are_faithful(controls: Faithfulness) -> None:
    verdict = controls.verdict("squares")
    assert verdict.faithful
    assert controls.best == "squares" == controls.by_gain[0]
    gain = controls.methods["squares"].curves["mean"].gain
    assert gain.interval[0] > 0
    assert f"{gain.mean:+.2f}" in verdict.sentence


@pytest.mark.slow
def test_random_orders_have_no_gain(controls: Faithfulness) -> None:
    for kind in ("mean", "blurred"):
        found = controls.references[kind]
        both = [found[name].gain.mean for name in protocol.RANDOM]
        assert sum(both) == pytest.approx(0.0, abs=1e-3)
        # Deletion and insertion in random order have the same ends.
        line = found["random"]
        assert np.shape(line.deletion) == np.shape(controls.shares)
        assert line.deletion[0] == line.insertion[-1]
        assert line.deletion[-1] == line.insertion[0]


@pytest.mark.parametrize("method", sampled(explanation.METHODS, {"grad-cam"}))
def test_the_maps_of_the_default_model_depend_on_its_weights(
    method: str, patches: list[Raster]
) -> None:
    """The randomisation check of Adebayo et al. on the shipped net and real patches."""
    model = registry.default().load(registry.DEFAULT_MODEL, "cpu")
    chosen = explanation.METHODS[method]
    found = []
    items = cases.choose(model, patches[:2])
    layers = randomisation.layers_from_output(model, items[0].pixels)
    for seed, case in enumerate(items):
        other = randomisation.shuffled(model, layers, 1.0, seed)
        before, after = (cases.attribute(m, case, chosen) for m in (model, other))
        found.append(abs(spearman(cells(before), cells(after))))
    # The same weights give the same map, so the difference is due to the weights.
    again = cases.attribute(model, items[-1], chosen)
    assert spearman(cells(before), cells(again)) == pytest.approx(1.0)
    # A wider bound than that of the check, since there are only two patches.
    assert np.mean(found) < randomisation.BOUND + 0.2


def test_metrics_are_complete_and_in_range(measured: Faithfulness) -> None:
    assert set(measured.methods) == set(explanation.METHODS)
    assert measured.n == 4
    assert sum(measured.classes.values()) == 4
    assert set(measured.classes) <= set(CLASS_NAMES)
    for found in measured.methods.values():
        assert 0 <= found.randomisation.likeness.mean <= 1
        assert [step.share for step in found.randomisation.by_share] == [0.1, 0.5, 1.0]
        assert found.randomisation.unrelated.mean <= 1
        assert -1 <= found.stability.spearman <= 1
        assert found.stability.max_sensitivity >= found.stability.mean_sensitivity >= 0
        assert found.seconds >= 0
        for kind, pointed in found.pointing.given_fields().items():
            assert 0 <= pointed.energy <= 1
            assert pointed.n == {"halves": 2, "maps": 4}[kind]
    for name, row in measured.agreement.items():
        assert row[name] == pytest.approx(1.0)
        for other, value in row.items():
            assert measured.agreement[other][name] == pytest.approx(value, abs=1e-3)
    assert Faithfulness.model_validate_json(measured.as_json()) == measured


def test_the_same_patches_give_the_same_metrics(measured: Faithfulness) -> None:
    def without_times(measurement: Faithfulness) -> dict[str, Any]:
        found = measurement.as_dict()
        del found["seconds"]
        for method in found["methods"].values():
            del method["seconds"]
        return found

    some = [tiny.random_patch(seed) for seed in range(4)]
    one = {"grad-cam": explanation.METHODS["grad-cam"]}
    first, second = (protocol.measure(tiny.tiny_model(), some, methods=one) for _ in range(2))
    assert without_times(first) == without_times(second)
    alone, among = (f.methods["grad-cam"].randomisation for f in (first, measured))
    assert alone == among


def altered(found: Faithfulness, method: str, **changes: Any) -> Faithfulness:
    values = found.as_dict()
    part = values["methods"][method]
    for name, value in changes.items():
        if name == "passed":
            part["randomisation"]["passed"] = value
        elif name == "sensitivity":
            part["stability"]["mean_sensitivity"] = value
        else:
            mean = sum(value) / 2
            part["curves"][name]["gain"] = {"mean": mean, "interval": list(value)}
    return Faithfulness.model_validate(values)


def test_the_rule_chooses_the_largest_gain_that_passes(measured: Faithfulness) -> None:
    found = measured
    names = list(explanation.METHODS)
    for k, name in enumerate(names):
        gain = (0.1 * k + 0.01, 0.1 * k + 0.03)
        found = altered(found, name, passed=True, mean=gain, sensitivity=0.1)
    assert found.by_gain == tuple(reversed(names))
    assert found.best == names[-1]
    assert found.offered == tuple(reversed(names))
    failed = altered(found, names[-1], passed=False)
    assert failed.best == names[-2]
    assert names[-1] not in failed.offered
    uncertain = altered(failed, names[-2], mean=(-0.01, 0.9))
    assert uncertain.best != names[-2]
    assert names[-2] in uncertain.offered
    blurred = altered(found, names[-1], blurred=(-0.1, 0.2))
    assert blurred.verdict(names[-1]).faithful
    assert not blurred.verdict(names[-1]).holds_blurred
    expected = "with blurred instead of average land, the gain is uncertain"
    assert expected in blurred.verdict(names[-1]).sentence
    for name in names:
        found = altered(found, name, passed=False)
    assert (found.best, found.offered) == (None, ())


def test_a_method_that_is_not_steady_is_best_only_if_no_other_is_faithful(
    measured: Faithfulness,
) -> None:
    found, (one, other) = measured, list(explanation.METHODS)[:2]
    for name in explanation.METHODS:
        found = altered(found, name, passed=False, sensitivity=0.1)
    found = altered(found, one, passed=True, mean=(0.3, 0.5), sensitivity=ratings.STEADY)
    assert found.verdict(one).faithful
    assert not found.verdict(one).steady
    assert "an additional 1 % of noise changes them by 25%" in found.verdict(one).sentence
    assert found.best == one
    found = altered(found, other, passed=True, mean=(0.1, 0.2))
    assert found.by_gain[0] == one
    assert found.best == other
    assert "noise" not in found.verdict(other).sentence


def test_every_verdict_is_one_sentence(measured: Faithfulness) -> None:
    for passed in (True, False):
        for mean in ((0.1, 0.2), (-0.1, 0.2)):
            name = measured.by_gain[0]
            found = altered(measured, name, passed=passed, mean=mean).verdict(name)
            assert found.faithful == (passed and mean[0] > 0)
            assert found.word in found.sentence
            assert found.sentence.endswith(".")
            assert found.sentence.count(". ") == 0


def test_a_method_that_was_not_measured_is_unknown(measured: Faithfulness) -> None:
    with pytest.raises(UnknownName, match="Unknown measured method 'magic'"):
        measured.verdict("magic")


# Files


def test_measurements_are_saved_in_the_model_folder(measured: Faithfulness, tmp_path: Path) -> None:
    folder = tiny.tiny_folder(tmp_path / "model")
    assert ratings.load(folder) is None
    assert ratings.save(measured, folder).name == "faithfulness.json"
    found = ratings.load(folder)
    assert found == measured
    text = faithfulness_text.as_text(measured)
    for name in explanation.METHODS:
        assert name in text
        assert measured.verdict(name).sentence in text
    assert "4 windows of 1 places" in text
    assert faithfulness_text.as_markdown(measured).count("\n| ") == len(explanation.METHODS) + 6


def test_measurements_of_another_card_are_refused(measured: Faithfulness, tmp_path: Path) -> None:
    folder = tiny.tiny_folder(tmp_path / "model")
    ratings.save(measured.with_fields(card_hash="0" * 12), folder)
    with pytest.raises(CorruptModel, match="another card or other weights"):
        ratings.load(folder)


@pytest.mark.parametrize("missing", ["methods", "bound", "n"])
def test_damaged_measurements_are_refused(
    measured: Faithfulness, tmp_path: Path, missing: str
) -> None:
    folder = tiny.tiny_folder(tmp_path / "model")
    values = {key: value for key, value in measured.as_dict().items() if key != missing}
    files.write_json(folder, ratings.FILE, measured.card_hash, values)
    with pytest.raises(CorruptModel, match=f"{missing} is missing or damaged; make it again"):
        ratings.load(folder)


def test_shipped_measurements_belong_to_their_cards() -> None:
    """Every page would refuse measurements of old weights, so they must not be shipped."""
    for name in registry.default().names():
        found = ratings.load(registry.default().folder(name))
        if found is not None:
            assert found.card_hash == registry.default().card(name).hash
            assert found.model == name


# Refusals


def test_progress_is_reported_and_measuring_can_be_stopped() -> None:
    model, some = tiny.tiny_model(), [tiny.random_patch(seed) for seed in range(4)]
    one = {"grad-cam": explanation.METHODS["grad-cam"]}
    reports: list[Progress] = []
    protocol.measure(model, some, None, reports.append, methods=one)
    assert [progress.done for progress in reports] == list(range(reports[0].total))
    assert len({progress.what for progress in reports}) >= 6
    stop = Event()

    def stop_at_once(progress: Progress) -> None:
        if progress.done == 3:
            stop.set()

    with pytest.raises(Cancelled):
        protocol.measure(model, some, None, stop_at_once, stop, methods=one)


def test_few_patches_and_models_without_gradients_are_refused() -> None:
    model, some = tiny.tiny_model(), [tiny.random_patch(seed) for seed in range(4)]
    expected = "3 patches are too few for a confidence interval: give 4 or more"
    with pytest.raises(BadInput, match=expected):
        protocol.measure(model, some[:3])
    card: Card = model.card.with_fields(explainable=False)
    with pytest.raises(ModelMismatch, match="cannot be explained"):
        protocol.measure(Model(card, model.net, model.device), some)
