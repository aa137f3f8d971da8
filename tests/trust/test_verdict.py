"""All checks together: the decision, its reason, and what each finding concerns."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import torch

from landcover.core.errors import BadInput, ModelMismatch
from landcover.core.raster import Provenance, Raster
from landcover.core.window import grid
from landcover.io.images import picture_of
from landcover.io.samples import read_sample
from landcover.models import registry
from landcover.models.model import Model, Prediction
from landcover.nets.outputs import FeatureNet
from landcover.trust import novelty, shift_stability, verdict
from landcover.trust.answer_checks import OUT_OF_SEASON
from landcover.trust.assessment import REPEATS, assess, novelty_finding
from landcover.trust.bench import fit
from landcover.trust.bench.synthetic import CORRUPTIONS
from landcover.trust.novelty import Novelty
from landcover.trust.result import predict
from tests.support import tiny, trust_cases
from tests.support.colour_pictures import pixels
from tests.support.tiny_pictures import tiny_picture_model


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny.tiny_model()


@pytest.fixture(scope="module")
def known(model: Model) -> Novelty:
    return fit.fit(model, trust_cases.dataset())


@pytest.fixture(scope="module")
def good() -> Raster:
    """A patch similar to the training data."""
    return trust_cases.record(2, "train").patch()


def corrupted(name: str, patch: Raster) -> Raster:
    return CORRUPTIONS[name][1](patch, np.random.default_rng(0))


def said(prediction: Prediction, chances: dict[str, float]) -> Prediction:
    labels = tuple(
        item.with_fields(
            probability=chances.get(item.label, 0.1),
            threshold=0.5,
            predicted=chances.get(item.label, 0.1) >= 0.5,
        )
        for item in prediction.labels
    )
    return prediction.with_fields(labels=labels)


def test_a_good_patch_looks_reliable(model: Model, known: Novelty, good: Raster) -> None:
    prediction = said(model.predict(good), {"Pastures": 0.9})
    found = assess(model, good, prediction, known=known)
    assert (found.decision, found.reason, found.findings) == ("answer", verdict.ALL_PASSED, ())
    assert not found.pixels_flagged
    assert not found.quality.abstained
    assert found.unchecked == ()
    assert found.checked == ("pixels", "training data", "place", "prediction")
    assert found.label == "Looks reliable"
    assert set(found.distances) == {"spectrum", "features"}
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False)) == found.as_dict()


@pytest.mark.parametrize(
    ("corruption", "check"),
    [
        ("offset-left", "offset"),
        ("offset-twice", "negative"),
        ("times-10000", "scale"),
        ("over-10000", "scale"),
        ("constant", "constant"),
        ("alphabetical", "level"),
        ("band-lost", "missing-bands"),
        ("white-noise", "noise"),
        ("shuffled", "noise"),
        ("reversed", "order"),
    ],
)
def test_corrupted_patches_get_no_labels_and_the_cause_comes_first(
    corruption: str, check: str, model: Model, known: Novelty, good: Raster
) -> None:
    bad = corrupted(corruption, good)
    found = assess(model, bad, model.predict(bad), known=known)
    assert found.decision == "cannot tell"
    assert check in {finding.check for finding in found.findings}
    first = found.findings[0]
    assert first.level == "severe"
    assert found.reason == first.sentence
    assert first.check == check
    # Who is told the cause need not hear of its signs.
    assert not {f.check for f in found.findings} & REPEATS.get(check, frozenset())
    assert found.quality.abstained
    assert found.pixels_flagged


def test_the_largest_distance_ratio_is_reported_and_large_ones_are_severe(known: Novelty) -> None:
    spectrum, features = known.bounds["spectrum"], known.bounds["features"]
    assert list(novelty_finding({"spectrum": spectrum, "features": features}, known)) == []
    (near,) = novelty_finding({"spectrum": 1.5 * spectrum, "features": features}, known)
    assert (near.check, near.level, near.value) == ("unlike", "warn", pytest.approx(1.5))
    assert near.sentence.startswith("Its mean spectrum")
    assert list(novelty_finding({}, known)) == []
    (far,) = novelty_finding({"spectrum": 3 * spectrum}, known)
    assert (far.level, far.bound) == ("severe", novelty.SEVERE_RATIO)
    # Beyond what good patches of left-out countries have, if that was measured.
    wide = replace(known, severe={"spectrum": 4.0})
    (warned,) = novelty_finding({"spectrum": 3 * spectrum}, wide)
    assert (warned.level, warned.bound) == ("warn", 1.0)
    (other,) = novelty_finding({"spectrum": 3 * spectrum, "features": 2.5 * features}, wide)
    assert (other.level, other.value) == ("severe", pytest.approx(2.5))
    assert other.sentence.startswith("The features")


@pytest.mark.parametrize("corruption", ["gaps", "painted-snow", "painted-cloud", "saturated"])
def test_hidden_land_gets_at_least_a_warning(
    corruption: str, model: Model, known: Novelty, good: Raster
) -> None:
    found = assess(model, corrupted(corruption, good), known=known)
    assert found.decision in ("warn", "cannot tell")
    assert found.pixels_flagged


def test_place_and_season_warn_without_flagging_the_pixels(
    model: Model, known: Novelty, good: Raster
) -> None:
    kenya = replace(good, crs="EPSG:32736", transform=grid(617_300, 9_625_100))
    found = assess(model, kenya, known=known)
    checks = [finding.check for finding in found.findings]
    assert found.decision == "warn"
    assert not found.pixels_flagged
    # May in the south is November, which was not among the training dates.
    assert checks == ["place", "season"]
    winter = replace(good, acquired=datetime(2020, 1, 10, tzinfo=UTC))
    found = assess(model, winter, known=known)
    assert [finding.check for finding in found.findings] == ["season"]
    assert found.findings[0].value > OUT_OF_SEASON
    assert assess(model, replace(good, acquired=None), known=known).findings == ()


def test_a_prediction_at_its_threshold_is_undecided(
    model: Model, known: Novelty, good: Raster
) -> None:
    plain = model.predict(good)
    near = assess(model, good, said(plain, {"Pastures": 0.51, "Arable land": 0.53}), known=known)
    assert [finding.check for finding in near.findings] == ["undecided"]
    assert "Pastures" in near.reason
    assert not near.pixels_flagged
    one = assess(model, good, said(plain, {"Pastures": 0.51, "Arable land": 0.9}), known=known)
    assert one.decision == "answer"
    none = assess(model, good, said(plain, {}), known=known)
    assert none.reason == "No land cover reaches its threshold."


def test_a_deep_check_reports_when_a_shift_changes_the_prediction(
    model: Model, known: Novelty, good: Raster, monkeypatch: pytest.MonkeyPatch
) -> None:
    prediction = said(model.predict(good), {"Pastures": 0.9})
    real = shift_stability.stability(model, good)
    for score, checks in ((1.0, []), (0.3, ["unstable"])):
        monkeypatch.setattr(
            shift_stability, "stability", lambda *_, score=score, **__: replace(real, score=score)
        )
        deep = assess(model, good, prediction, known=known, deep=True)
        assert [finding.check for finding in deep.findings] == checks
    assert assess(model, good, prediction, known=known).findings == ()


def test_without_a_fit_the_pixels_are_checked_and_the_rest_is_listed(
    model: Model, good: Raster
) -> None:
    found = assess(model, good)
    assert found.decision == "answer"
    assert found.reason == verdict.AVAILABLE_PASSED
    assert found.label == verdict.PARTLY_CHECKED
    assert "trust fit" in found.unchecked[0]
    assert found.distances == {}
    assert assess(model, corrupted("white-noise", good)).decision == "cannot tell"


def test_one_forward_pass_gives_the_same_as_two(model: Model, known: Novelty, good: Raster) -> None:
    passes: list[int] = []
    assert isinstance(model.net, FeatureNet)
    # Every pass runs the first convolution once.
    first = model.net.get_submodule("conv")
    hook = first.register_forward_hook(lambda _, inputs, __: passes.append(len(inputs[0])))
    for patch in (good, corrupted("painted-cloud", good), corrupted("times-10000", good)):
        passes.clear()
        found = predict(model, patch, known=known)
        assert passes == [1]
        assert found.raster is patch
        assert found.prediction == model.predict(patch)
        assert found.verdict == assess(model, patch, found.prediction, known=known)
    hook.remove()
    with pytest.raises(BadInput):
        predict(model, good, "no aim", known=known)
    top_of_atmosphere = Provenance(source="x", level="L1C")
    with pytest.raises(ModelMismatch):
        predict(model, replace(good, provenance=top_of_atmosphere), known=known)


def test_without_a_fit_one_forward_pass_is_enough(model: Model, good: Raster) -> None:
    found = predict(model, good)
    assert found.prediction == model.predict(good)
    assert found.verdict == assess(model, good, found.prediction)
    assert "trust fit" in found.verdict.unchecked[0]


@pytest.mark.parametrize(
    ("bands", "lost"),
    [
        (tiny.VISIBLE, "B01, B05, B06, B07, B08, B8A, B09, B11, B12"),
        ((*tiny.VISIBLE, "B08"), "B01, B05, B06, B07, B8A, B09, B11, B12"),
    ],
)
def test_the_verdict_of_models_with_few_bands_lists_what_was_not_checked(
    known: Novelty, good: Raster, bands: tuple[str, ...], lost: str
) -> None:
    model = tiny.tiny_cnn(bands)
    plain = replace(known, space=None)
    order = [good.bands.index(band) for band in model.card.bands]
    few = replace(good, data=good.data[order], bands=model.card.bands)
    found = assess(model, few, known=plain)
    assert (found.decision, found.reason) == ("answer", verdict.AVAILABLE_PASSED)
    (sentence,) = found.unchecked
    assert sentence.startswith("Haze, snow, shade, noise, level")
    assert sentence.endswith(f"this source lacks {lost}.")
    far = replace(few, crs="EPSG:32623")
    assert [finding.check for finding in assess(model, far, known=plain).findings] == ["place"]
    shifted = replace(few, data=few.data + np.float32(0.1))
    assert assess(model, shifted, known=plain).decision == "cannot tell"
    # With all bands in the source, the model's own few do not limit the checks.
    assert assess(model, good, known=plain).unchecked == ()


def test_too_few_cells_are_listed_as_unchecked(model: Model, known: Novelty, good: Raster) -> None:
    valid = np.indices((120, 120)).sum(axis=0) % 7 != 0  # gaps in every cell
    sparse = assess(model, replace(good, valid=valid), known=replace(known, space=None))
    assert len(sparse.unchecked) == 1
    assert "too few pixels have data" in sparse.unchecked[0]


def test_a_fit_of_other_weights_is_not_used(
    model: Model, known: Novelty, good: Raster, tmp_path: Path
) -> None:
    novelty.save(known, tmp_path, "0" * 12)
    found = assess(Model(model.card, model.net, model.device, tmp_path), good)
    assert found.distances == {}
    assert "another card" in found.unchecked[0]


def test_a_patch_that_the_model_refuses_is_refused(model: Model, known: Novelty) -> None:
    random = np.random.default_rng(0).normal(0.2, 0.05, (12, 240, 240)).astype(np.float32)
    large = tiny.random_patch(size=240, data=random)
    with pytest.raises(ModelMismatch, match="choose a window"):
        assess(model, large, known=known)


@pytest.mark.parametrize(
    ("image", "decision", "said"),
    [
        (pixels(), "answer", verdict.AVAILABLE_PASSED),
        ((pixels() // 4).astype(np.uint8), "warn", "The colours differ from those of EuroSAT"),
        (np.full((64, 64, 3), 90, np.uint8), "cannot tell", "The entire picture has one colour"),
    ],
)
def test_a_picture_is_assessed_only_by_its_own_checks(
    image: np.ndarray, decision: str, said: str
) -> None:
    model = tiny_picture_model()
    picture = picture_of(image, "p.png")
    undecided = predict(model, picture).verdict.findings[-1]
    assert undecided.sentence == "No land cover reaches a probability of 50%."
    with torch.no_grad():
        model.net.get_parameter("head.bias")[0] += 10
    found = predict(model, picture, deep=True)
    assert found.prediction == model.predict(picture)
    assert found.verdict.decision == decision
    assert said in found.verdict.reason
    assert found.verdict.distances == {}
    novelty_unchecked, place_unchecked = found.verdict.unchecked
    assert "trust fit" in novelty_unchecked
    assert place_unchecked.startswith("Place and season were not checked")
    assert found.quality.abstained == (decision == "cannot tell")
    assert found.quality.warnings == tuple(one.sentence for one in found.verdict.findings)


def test_a_source_without_a_place_lists_what_was_not_checked(
    model: Model, known: Novelty, good: Raster
) -> None:
    nowhere = replace(good, crs=None, transform=None)
    found = predict(model, nowhere, known=known)
    assert found.verdict.decision == "answer"
    assert "no position on Earth" in found.verdict.unchecked[0]
    assert predict(model, nowhere, known=known, deep=True).raster is nowhere


def test_samples_look_reliable_or_get_a_warning_from_the_default_model() -> None:
    model = registry.default().load()
    for name in trust_cases.GOOD:
        patch = read_sample(name)
        found = assess(model, patch, model.predict(patch))
        assert found.decision != "cannot tell", (name, found.reason)
    snow = read_sample("finland-snow")
    assert assess(model, snow, model.predict(snow)).decision != "answer"


@pytest.mark.parametrize("name", registry.BASELINES)
@pytest.mark.parametrize("corruption", [None, "times-10000"])
def test_a_baseline_never_looks_reliable(good: Raster, name: str, corruption: str | None) -> None:
    model = registry.default().load(name)
    patch = good if corruption is None else corrupted(corruption, good)
    found = predict(model, patch).verdict
    if name == "class-prior":
        assert (found.decision, found.checked, found.findings) == ("unchecked", (), ())
        assert found.reason.endswith("looks at no pixel and predicts the same for every place.")
        return
    assert found.decision == ("unchecked" if corruption is None else "cannot tell")
    if corruption is None:
        assert "is a baseline: it uses" in found.reason
