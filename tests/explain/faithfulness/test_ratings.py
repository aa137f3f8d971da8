"""Which explanations are believed: what passes, what fails, what is kept and said."""

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


def _edges(asked: AttributionTask) -> list[Attribution]:
    """What Adebayo et al. found some maps to be: an edge detector that asks no net."""
    bright = asked.pixels[0].mean(dim=0).numpy()
    return [Attribution(pixels=np.hypot(*np.gradient(bright)).astype(np.float32))]


def _noise(asked: AttributionTask) -> list[Attribution]:
    """Depends on the weights and says nothing of the land."""
    with torch.no_grad():
        score = float(asked.model.scores(asked.pixels)[0, asked.targets[0]])
    random = np.random.default_rng(abs(hash(score)) % 2**32)
    return [Attribution(pixels=random.normal(size=asked.pixels.shape[2:]).astype(np.float32))]


def _squares(asked: AttributionTask) -> list[Attribution]:
    """By how much the score falls when a square of 240 m becomes average land."""
    side = 24
    count = asked.pixels.shape[2] // side
    batch = asked.pixels.repeat(count**2 + 1, 1, 1, 1)
    for index in range(count**2):
        row, column = (side * k for k in divmod(index, count))
        place = (..., slice(row, row + side), slice(column, column + side))
        batch[index][place] = asked.start[0][place]
    with torch.no_grad():
        scores = asked.model.scores(batch)[:, asked.targets[0]]
    falls = (scores[-1] - scores[:-1]).numpy().reshape(count, count)
    return [Attribution(pixels=np.kron(falls, np.ones((side, side), np.float32)))]


CONTROLS = {
    method.name: method
    for method in (fake("edges", _edges), fake("noise", _noise), fake("squares", _squares))
}


@pytest.fixture(scope="module")
def real() -> Model:
    return registry.default().load("landcover-cnn-rgb", "cpu")


@pytest.fixture(scope="module")
def patches() -> list[Raster]:
    return [read_sample(sample.name) for sample in samples()[:4]]


@pytest.fixture(scope="module")
def controls(real: Model, patches: list[Raster]) -> Faithfulness:
    return protocol.measure(real, patches, methods=CONTROLS)


@pytest.fixture(scope="module")
def measured() -> Faithfulness:
    """All methods on a tiny net, whose figures mean nothing."""
    cover = np.repeat(np.repeat(np.array([[1, 2], [4, 5]], np.uint8), 70, 0), 70, 1)
    scene = Scene(name="here", patch=tiny.random_patch(9, size=140), land_cover=cover)
    some = [tiny.random_patch(seed) for seed in range(4)]
    return protocol.measure(tiny.tiny_model(), some, [scene])


@pytest.mark.slow
def test_a_map_of_edges_is_caught(controls: Faithfulness) -> None:
    """It fails whatever its curves say, since no weights change it."""
    likeness = controls.methods["edges"].randomisation
    assert likeness.likeness.mean == pytest.approx(1.0)
    assert all(step.ssim == pytest.approx(1.0) for step in likeness.by_share)
    verdict = controls.verdict("edges")
    assert (verdict.word, verdict.passes_randomisation) == ("not faithful", False)
    assert "edges" not in controls.offered
    assert "hardly change when the net's weights are shuffled" in verdict.sentence


@pytest.mark.slow
def test_noise_that_depends_on_the_weights_gains_nothing(controls: Faithfulness) -> None:
    """It passes the randomisation check, which is why that alone is not enough."""
    assert controls.verdict("noise").passes_randomisation
    noise, squares = (
        controls.methods[name].curves["mean"].gain.mean for name in ("noise", "squares")
    )
    assert abs(noise) < 0.75 * squares


@pytest.mark.slow
def test_what_was_measured_on_the_net_is_faithful(controls: Faithfulness) -> None:
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
        # Removing at random and adding at random meet in the middle.
        line = found["random"]
        assert np.shape(line.deletion) == np.shape(controls.shares)
        assert line.deletion[0] == line.insertion[-1]
        assert line.deletion[-1] == line.insertion[0]


@pytest.mark.parametrize("method", sampled(explanation.METHODS, {"grad-cam", "fine-cam"}))
def test_the_default_models_maps_follow_its_weights(method: str, patches: list[Raster]) -> None:
    """The randomisation check of Adebayo et al. on the shipped net and real patches."""
    model = registry.default().load(registry.DEFAULT_MODEL, "cpu")
    way = explanation.METHODS[method]
    found = []
    asked = cases.choose(model, patches[:2])
    layers = randomisation.layers_from_output(model, asked[0].pixels)
    for seed, case in enumerate(asked):
        other = randomisation.shuffled(model, layers, 1.0, seed)
        before, after = (cases.attribute(m, case, way) for m in (model, other))
        found.append(abs(spearman(cells(before), cells(after))))
    # The same weights give the same map, so that it is they that make the difference.
    again = cases.attribute(model, asked[-1], way)
    assert spearman(cells(before), cells(again)) == pytest.approx(1.0)
    # A wider bound than the check's own, since two patches tell little.
    assert np.mean(found) < randomisation.BOUND + 0.2


def test_figures_are_complete_and_in_range(measured: Faithfulness) -> None:
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


def test_the_same_patches_give_the_same_figures(measured: Faithfulness) -> None:
    def timeless(measurement: Faithfulness) -> dict[str, Any]:
        found = measurement.as_dict()
        del found["seconds"]
        for method in found["methods"].values():
            del method["seconds"]
        return found

    some = [tiny.random_patch(seed) for seed in range(4)]
    way = {"grad-cam": explanation.METHODS["grad-cam"]}
    first, second = (protocol.measure(tiny.tiny_model(), some, methods=way) for _ in range(2))
    assert timeless(first) == timeless(second)
    alone, among = (f.methods["grad-cam"].randomisation for f in (first, measured))
    assert alone == among


def altered(found: Faithfulness, method: str, **changes: Any) -> Faithfulness:
    figures = found.as_dict()
    part = figures["methods"][method]
    for name, value in changes.items():
        if name == "passed":
            part["randomisation"]["passed"] = value
        elif name == "moves":
            part["stability"]["mean_sensitivity"] = value
        else:
            mean = sum(value) / 2
            part["curves"][name]["gain"] = {"mean": mean, "interval": list(value)}
    return Faithfulness.model_validate(figures)


def test_the_rule_chooses_the_largest_gain_that_passes(measured: Faithfulness) -> None:
    found = measured
    names = list(explanation.METHODS)
    for k, name in enumerate(names):
        gain = (0.1 * k + 0.01, 0.1 * k + 0.03)
        found = altered(found, name, passed=True, mean=gain, moves=0.1)
    assert found.by_gain == tuple(reversed(names))
    assert found.best == names[-1]
    assert found.offered == tuple(reversed(names))
    spoilt = altered(found, names[-1], passed=False)
    assert spoilt.best == names[-2]
    assert names[-1] not in spoilt.offered
    unsure = altered(spoilt, names[-2], mean=(-0.01, 0.9))
    assert unsure.best != names[-2]
    assert names[-2] in unsure.offered
    blurred = altered(found, names[-1], blurred=(-0.1, 0.2))
    assert blurred.verdict(names[-1]).faithful
    assert not blurred.verdict(names[-1]).holds_blurred
    assert "blurred instead" in blurred.verdict(names[-1]).sentence
    for name in names:
        found = altered(found, name, passed=False)
    assert (found.best, found.offered) == (None, ())


def test_a_map_that_noise_changes_is_best_only_where_no_other_is(measured: Faithfulness) -> None:
    found, (one, other) = measured, list(explanation.METHODS)[:2]
    for name in explanation.METHODS:
        found = altered(found, name, passed=False, moves=0.1)
    found = altered(found, one, passed=True, mean=(0.3, 0.5), moves=ratings.STEADY)
    assert found.verdict(one).faithful
    assert not found.verdict(one).steady
    assert "noise changes them by 25%" in found.verdict(one).sentence
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


def test_figures_are_kept_beside_the_card(measured: Faithfulness, tmp_path: Path) -> None:
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


def test_figures_of_another_card_are_refused(measured: Faithfulness, tmp_path: Path) -> None:
    folder = tiny.tiny_folder(tmp_path / "model")
    ratings.save(measured.with_fields(card_hash="0" * 12), folder)
    with pytest.raises(CorruptModel, match="another card or other weights"):
        ratings.load(folder)


@pytest.mark.parametrize("missing", ["methods", "bound", "n"])
def test_damaged_figures_are_refused(measured: Faithfulness, tmp_path: Path, missing: str) -> None:
    folder = tiny.tiny_folder(tmp_path / "model")
    told = {key: value for key, value in measured.as_dict().items() if key != missing}
    files.write_json(folder, ratings.FILE, measured.card_hash, told)
    with pytest.raises(CorruptModel, match=f"{missing} is missing or damaged; make it again"):
        ratings.load(folder)


def test_what_ships_belongs_to_its_card() -> None:
    """Figures of old weights would be refused by every page, so they must not ship."""
    for name in registry.default().names():
        found = ratings.load(registry.default().folder(name))
        if found is not None:
            assert found.card_hash == registry.default().card(name).hash
            assert found.model == name


# Refusals


def test_progress_is_told_and_can_be_stopped() -> None:
    model, some = tiny.tiny_model(), [tiny.random_patch(seed) for seed in range(4)]
    way = {"grad-cam": explanation.METHODS["grad-cam"]}
    told: list[Progress] = []
    protocol.measure(model, some, None, told.append, methods=way)
    assert [progress.done for progress in told] == list(range(told[0].total))
    assert len({progress.what for progress in told}) >= 6
    stop = Event()

    def stop_at_once(progress: Progress) -> None:
        if progress.done == 3:
            stop.set()

    with pytest.raises(Cancelled):
        protocol.measure(model, some, None, stop_at_once, stop, methods=way)


def test_few_patches_and_models_without_gradients_are_refused() -> None:
    model, some = tiny.tiny_model(), [tiny.random_patch(seed) for seed in range(4)]
    with pytest.raises(BadInput, match="3 patches cannot carry an interval: give 4 or more"):
        protocol.measure(model, some[:3])
    card: Card = model.card.with_fields(explainable=False)
    with pytest.raises(ModelMismatch, match="cannot be explained"):
        protocol.measure(Model(card, model.net, model.device), some)
