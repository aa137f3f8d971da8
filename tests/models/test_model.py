"""A model predicts valid input and refuses everything else."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from landcover import nets
from landcover.core.bands import BAND_NAMES, L1C_BAND_NAMES
from landcover.core.classes import CLASS_NAMES, cover_of
from landcover.core.errors import BadInput, CorruptModel, ModelMismatch, UnknownName
from landcover.core.own_classes import ClassLook
from landcover.core.raster import Provenance
from landcover.decide import conformal
from landcover.io.images import picture_of
from landcover.io.level import PIXELS_OF_1C
from landcover.models import registry
from landcover.models.card import CARD_FILE, WEIGHTS_FILE, parse_card, read_card
from landcover.models.model import load_model, save_model, weights_bytes
from tests.support import colour_pictures, tiny, tiny_pictures


@pytest.fixture(autouse=True)
def _tiny_net(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(nets.NETS, tiny.NAME, tiny.TinyNet)


def test_a_saved_model_loads_and_predicts_the_same(tmp_path: Path) -> None:
    model = load_model(tiny.tiny_folder(tmp_path / "m"), "cpu")
    patch = tiny.random_patch()
    assert model.predict(patch) == tiny.tiny_model().predict(patch)


def test_a_prediction_names_each_class_once_with_its_decision() -> None:
    model = tiny.tiny_model()
    prediction = model.predict(tiny.random_patch())
    assert tuple(item.label for item in prediction.labels) == CLASS_NAMES
    assert all(0 <= item.probability <= 1 for item in prediction.labels)
    assert all(item.predicted == (item.probability >= item.threshold) for item in prediction.labels)
    assert [i.probability for i in prediction.predicted] == sorted(
        (i.probability for i in prediction.labels if i.predicted), reverse=True
    )
    assert prediction.card_hash == model.card.hash


def test_predictions_do_not_depend_on_the_batch() -> None:
    model = tiny.tiny_model()
    patches = [tiny.random_patch(seed) for seed in range(5)]
    together = model.predict_many(patches)
    for patch, prediction in zip(patches, together, strict=True):
        alone = [item.score for item in model.predict(patch).labels]
        assert alone == pytest.approx([item.score for item in prediction.labels], abs=1e-5)
    assert model.predict_many([]) == []


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_scores_that_are_not_finite_are_refused(value: float) -> None:
    model = tiny.tiny_model()
    with torch.no_grad():
        model.net.head.bias[3] = value
    with pytest.raises(CorruptModel, match="not a finite number"):
        model.predict(tiny.random_patch())


def test_nodata_gets_the_mean_of_the_valid_pixels() -> None:
    valid = np.ones((120, 120), dtype=bool)
    valid[:, :10] = False
    patch = tiny.random_patch(valid=valid)
    tensor = tiny.tiny_model().tensor(patch).numpy()
    expected = patch.data[:, valid].mean(axis=1)
    assert tensor[:, 3, 3] == pytest.approx(expected, abs=1e-6)
    assert np.array_equal(tensor[:, 50, 50], patch.data[:, 50, 50])


def test_bands_are_found_by_name_not_by_position() -> None:
    patch = tiny.random_patch()
    order = list(reversed(range(12)))
    swapped = tiny.random_patch(data=patch.data[order], bands=tuple(BAND_NAMES[i] for i in order))
    assert tiny.tiny_model().predict(swapped) == tiny.tiny_model().predict(patch)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"provenance": Provenance(source="t", level="L1C")}, "Level-2A"),
        ({"size": 121}, "choose a window"),
        ({"valid": np.zeros((120, 120), bool)}, "No pixel of this patch has data"),
        (
            {
                "data": np.zeros((11, 120, 120), np.float32),
                "bands": tuple(b for b in BAND_NAMES if b != "B09"),
            },
            "needs the band B09",
        ),
    ],
)
def test_a_patch_that_does_not_fit_the_card_is_refused(
    changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ModelMismatch, match=sentence):
        tiny.tiny_model().predict(tiny.random_patch(**changes))


def test_exclusive_probabilities_add_up_to_1_and_one_class_is_predicted() -> None:
    model = tiny_pictures.tiny_picture_model()
    for seed in range(8):
        found = model.predict(picture_of(colour_pictures.pixels(seed=seed), "p.png"))
        chances = [item.probability for item in found.labels]
        assert sum(chances) == pytest.approx(1.0, abs=1e-6)
        assert len(found.predicted) == 1
        assert found.predicted[0].probability == max(chances)
        assert all(i.predicted == (i.probability >= i.threshold) for i in found.labels)


def test_thresholds_of_exclusive_classes_are_one_half(tmp_path: Path) -> None:
    card = tiny_pictures.tiny_picture_card(b"x")
    raw = {k: list(v) if isinstance(v, tuple) else v for k, v in card.as_dict().items()}
    assert parse_card(raw, tmp_path).exclusive
    with pytest.raises(CorruptModel, match=r"exclusive classes must be 0\.5"):
        parse_card({**raw, "thresholds": {**raw["thresholds"], "Forest": 0.4}}, tmp_path)


def test_extra_bands_are_ignored() -> None:
    patch = tiny.random_patch()
    more = np.insert(patch.data, 10, 0.5, axis=0)
    wide = tiny.random_patch(data=more, bands=L1C_BAND_NAMES)
    assert tiny.tiny_model().predict(wide) == tiny.tiny_model().predict(patch)


def test_thresholds_follow_the_aim_and_certainty_does_so_only_for_predicted_classes(
    tmp_path: Path,
) -> None:
    model = load_model(tiny.decided_folder(tmp_path / "m"), "cpu")
    patch, card = tiny.random_patch(), model.card
    usual = model.predict(patch)
    assert (usual.aim, usual.aim_fallback) == ("f1", ())
    careful = model.predict(patch, "recall=0.9")
    assert careful.aim == "recall-0.9"
    assert careful.aim_fallback == (CLASS_NAMES[-1],)
    for item, other in zip(careful.labels, usual.labels, strict=True):
        wanted = card.aims["recall-0.9"].get(item.label, card.thresholds[item.label])
        assert item.threshold == wanted
        assert item.predicted == (item.probability >= wanted)
        bounds = conformal.certainty(card.label_sets, item.label, item.probability)
        for one in (item, other):
            predicted_anyway = one.predicted and bounds == "absent"
            assert one.certainty == ("possible" if predicted_anyway else bounds)
        assert item.probability == other.probability
    assert {item.certainty for item in tiny.tiny_model().predict(patch).labels} == {None}
    with pytest.raises(BadInput, match="no thresholds for the aim 'f2'"):
        tiny.tiny_model().predict(patch, "f2")


def test_probabilities_are_calibrated_as_the_card_says() -> None:
    scale, shift = dict.fromkeys(CLASS_NAMES, 0.5), dict.fromkeys(CLASS_NAMES, -1.0)
    model = tiny.tiny_model()
    plain = model.predict(tiny.random_patch())
    calibrated = {"method": "platt", "scale": scale, "shift": shift}
    model.card = model.card.with_fields(calibration=calibrated)
    for item, before in zip(model.predict(tiny.random_patch()).labels, plain.labels, strict=True):
        assert item.score == before.score
        assert item.probability == pytest.approx(1 / (1 + np.exp(1 - item.score / 2)), abs=1e-6)


def test_other_weights_are_refused(tmp_path: Path) -> None:
    folder = tiny.tiny_folder(tmp_path / "m")
    data = bytearray((folder / WEIGHTS_FILE).read_bytes())
    data[-1] ^= 1
    (folder / WEIGHTS_FILE).write_bytes(data)
    with pytest.raises(CorruptModel, match="SHA-256 differs"):
        load_model(folder, "cpu")


@pytest.mark.parametrize("weights", [b"", b"\x80\x04nonsense", b"\xff" * 64, b"{}"])
def test_invalid_weights_are_refused_even_with_the_right_hash(
    tmp_path: Path, weights: bytes
) -> None:
    save_model(tiny.tiny_card(weights), weights, tmp_path / "m")
    with pytest.raises(CorruptModel, match="do not fit the card's architecture"):
        load_model(tmp_path / "m", "cpu")


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    weights = weights_bytes(tiny.TinyNet(width=4))
    save_model(tiny.tiny_card(weights), weights, tmp_path / "m")
    with pytest.raises(CorruptModel, match="do not fit the card's architecture"):
        load_model(tmp_path / "m", "cpu")


def test_a_card_with_a_giant_net_is_refused_at_once(tmp_path: Path) -> None:
    weights = weights_bytes(tiny.TinyNet())
    card = tiny.tiny_card(weights, net_options={"width": 100_000_000})
    save_model(card, weights, tmp_path / "m")
    started = time.perf_counter()
    with pytest.raises(CorruptModel, match="100 million"):
        load_model(tmp_path / "m", "cpu")
    assert time.perf_counter() - started < 5


def test_an_unknown_net_is_refused(tmp_path: Path) -> None:
    weights = weights_bytes(tiny.TinyNet())
    save_model(tiny.tiny_card(weights, net="resnet-9000"), weights, tmp_path / "m")
    with pytest.raises(UnknownName, match="resnet-9000"):
        load_model(tmp_path / "m", "cpu")


def test_saving_a_card_with_other_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorruptModel, match="other weights"):
        save_model(tiny.tiny_card(b"these"), b"those", tmp_path / "m")


def test_a_folder_without_card_or_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorruptModel, match=r"no card\.json"):
        load_model(tmp_path, "cpu")
    folder = tiny.tiny_folder(tmp_path / "m")
    (folder / WEIGHTS_FILE).unlink()
    with pytest.raises(CorruptModel, match="cannot be read"):
        load_model(folder, "cpu")


def test_a_card_with_classes_of_ones_own_tells_how_they_are_shown(tmp_path: Path) -> None:
    classes = ("Maize field", "Vineyard")
    card = tiny.tiny_card(
        b"x",
        class_set="own",
        classes=classes,
        thresholds=dict.fromkeys(classes, 0.5),
        looks={"Maize field": ClassLook(short="Maize", colour="#ffcc00")},
    )
    card.write(tmp_path)
    assert read_card(tmp_path) == card
    assert read_card(tmp_path).hash == card.hash
    assert cover_of("Maize field").hex == "#ffcc00"
    assert "looks" not in tiny.tiny_card(b"x").as_dict()


def test_a_card_is_read_back_as_written(tmp_path: Path) -> None:
    card = tiny.tiny_card(b"x")
    card.write(tmp_path)
    assert read_card(tmp_path) == card
    assert read_card(tmp_path).hash == card.hash


_LOOK = {"short": "a", "colour": "#000000"}
_ALL, _NONE = dict.fromkeys(CLASS_NAMES, 0.5), dict.fromkeys(CLASS_NAMES, 0)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"version": 2}, "version 2"),
        ({"surprise": 1}, "unknown field"),
        ({"mean": "0.1"}, "no list 'mean'"),
        ({"mean": [0.1]}, "must match the bands"),
        ({"std": [0.0] * 12}, "above 0"),
        ({"std": ["a"] * 12}, "must be numbers"),
        ({"thresholds": {"Pastures": 0.5}}, "each class once"),
        ({"thresholds": dict.fromkeys(CLASS_NAMES, 2)}, "between 0 and 1"),
        ({"bands": ["B10"] * 12}, "bands that L2A does not have"),
        ({"classes": ["Moon"]}, "outside the nomenclature"),
        ({"activation": "tanh"}, "sigmoid and softmax"),
        ({"level": "L1C"}, "known levels"),
        ({"level": "RGB"}, "units of RGB are picture brightness"),
        ({"level": "RGB", "units": "picture brightness"}, "bands that RGB does not have"),
        ({"class_set": "corine"}, "known class sets"),
        ({"class_set": "eurosat-10"}, "outside the nomenclature"),
        ({"class_set": []}, "class_set must be text"),
        ({"class_set": "own", "classes": ["<b>"]}, "names that cannot be shown"),
        ({"class_set": "own", "classes": []}, "names that cannot be shown"),
        ({"class_set": "own", "looks": {"Moon": _LOOK}}, "looks must be of its classes"),
        ({"looks": {"Pastures": _LOOK}}, "only classes of one's own have looks"),
        ({"class_set": "own", "looks": {"Pastures": {"short": "a"}}}, "every look must"),
        ({"units": "digital numbers"}, "units"),
        ({"calibration": {}}, "none and platt"),
        ({"calibration": {"method": "beta"}}, "none and platt"),
        ({"calibration": {"method": "platt", "scale": {}, "shift": {}}}, "scale above 0"),
        ({"calibration": {"method": "platt", "scale": _ALL, "shift": {}}}, "scale above 0"),
        ({"calibration": {"method": "platt", "scale": _NONE, "shift": _ALL}}, "scale above 0"),
        ({"aims": {"f2": 0.5}}, "every aim"),
        ({"aims": {"f2": {"Moon": 0.5}}}, "every aim"),
        ({"aims": {"f2": {"Pastures": 1.5}}}, "every aim"),
        ({"label_sets": {"certain": _ALL}}, "label_sets must bound"),
        ({"label_sets": {"certain": _ALL, "possible": _ALL}}, "label_sets must bound"),
        (
            {
                "label_sets": {
                    "certain": _ALL,
                    "possible": {"Pastures": None},
                    "wanted_coverage": 0.9,
                }
            },
            "label_sets must bound",
        ),
        ({"net_options": []}, "net_options"),
    ],
)
def test_a_wrong_card_is_refused_with_the_reason(
    tmp_path: Path, change: dict[str, Any], sentence: str
) -> None:
    tiny.tiny_card(b"x").write(tmp_path)
    raw = json.loads((tmp_path / CARD_FILE).read_text())
    (tmp_path / CARD_FILE).write_text(json.dumps({**raw, **change}))
    with pytest.raises(CorruptModel, match=sentence):
        read_card(tmp_path)


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_invalid_card_gives_one_sentence(tmp_path: Path, data: st.DataObject) -> None:
    raw = tiny.tiny_card(b"x").as_dict()
    raw = {k: list(v) if isinstance(v, tuple) else v for k, v in raw.items()}
    field = data.draw(st.sampled_from(sorted(raw)))
    raw[field] = data.draw(_JSON)
    with contextlib.suppress(CorruptModel):
        assert parse_card(raw, tmp_path).name == raw["name"]


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000])
def test_a_card_that_is_not_a_json_object_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / CARD_FILE).write_text(text)
    with pytest.raises(CorruptModel):
        read_card(tmp_path)


def test_the_registry_suggests_the_nearest_name() -> None:
    with pytest.raises(UnknownName, match="Unknown model 'landcover-cn'"):
        registry.default().load("landcover-cn")


def test_every_registered_model_loads_fast_and_predicts() -> None:
    assert registry.default().names()[0] == registry.DEFAULT_MODEL
    for name in registry.default().names():
        model = registry.default().load(name, "cpu")
        assert model.card.name == name
        if name in registry.default().for_pictures():
            picture = picture_of(colour_pictures.pixels(), "p.png")
            assert len(model.predict(picture).predicted) == 1
        else:
            assert len(model.predict(tiny.random_patch()).labels) == 19
        assert model.card.parameters == sum(
            v.numel() for v in model.net.state_dict().values() if v.is_floating_point()
        ) or model.card.parameters == sum(p.numel() for p in model.net.parameters())


def test_the_default_model_keeps_its_size_limits() -> None:
    """At most 5 M parameters, under 10 MB on disk."""
    folder = registry.default().folder(registry.DEFAULT_MODEL)
    model = registry.default().load(device="cpu")
    assert sum(p.numel() for p in model.net.parameters()) <= 5_000_000
    assert (folder / WEIGHTS_FILE).stat().st_size < 10_000_000
    assert torch.is_tensor(model.scores(torch.zeros(1, 12, 120, 120)))


def test_a_file_of_level_1c_that_does_not_state_it_is_refused_with_the_reason() -> None:
    model = tiny.tiny_model()
    found = Provenance(source="t", level="L1C", notes=("another note", PIXELS_OF_1C))
    with pytest.raises(ModelMismatch) as caught:
        model.predict(tiny.random_patch(provenance=found))
    assert str(caught.value) == (
        f"{model.card.title} was made for L2A (surface reflectance), and this is L1C, recognised "
        "as Level-1C by its pixels, because the air brightens B01 and darkens B09: use the "
        "Level-2A product of the same scene, or make one with ESA's Sen2Cor."
    )
