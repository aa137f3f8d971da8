"""Models for any subset of the bands: derived models, their cards, and what they give up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from landcover import nets
from landcover.core.bands import BAND_NAMES
from landcover.core.errors import BadInput, CorruptModel, ModelMismatch
from landcover.core.raster import Raster
from landcover.explain import explanation
from landcover.models import band_mixture, registry
from landcover.models.band_choice import (
    Measured,
    SubsetMeasurement,
    SubsetRow,
    SubsetTable,
    gives_up,
    loss_of,
    read,
)
from landcover.models.band_subset import derive, derived_name, estimated_bands, split_name
from landcover.models.card import WEIGHTS_FILE, read_card
from landcover.models.model import save_model, weights_bytes
from landcover.models.registry import DEFAULT_MODEL, Registry
from landcover.trust.result import predict
from tests.support import tiny

LONGEST = 200
"""Letters of a sentence that are printed."""
THREE = ("B02", "B03", "B04")
FOUR = (*THREE, "B08")


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(nets.NETS, tiny.NAME, tiny.TinyNet)


@pytest.fixture
def known(tmp_path: Path) -> Registry:
    for name in (DEFAULT_MODEL, "other"):
        tiny.tiny_folder(tmp_path / "zoo" / name, name=name)
    return Registry(shipped=tmp_path / "zoo", home=tmp_path / "home")


def with_bands(patch: Raster, bands: tuple[str, ...]) -> Raster:
    columns = [patch.bands.index(name) for name in bands]
    return replace(patch, data=patch.data[columns], bands=bands)


def measured(value: float, low: float, high: float) -> Measured:
    return Measured(value=value, interval=(low, high))


def row(model: str, bands: tuple[str, ...], ap: float, loss: float, base: str) -> SubsetRow:
    return SubsetRow(
        subset=str(len(bands)), bands=bands, model=model, card_hash="", base_card=base,
        macro_ap=measured(ap, ap - 0.1, ap + 0.1), micro_ap=measured(ap, ap - 0.1, ap + 0.1),
        ece=measured(0.02, 0.01, 0.03),
        macro_loss=measured(loss, loss - 0.02, loss + 0.02),
        micro_loss=measured(-0.001, -0.01, 0.008),
    )  # fmt: skip


def table(base: str) -> SubsetTable:
    rows = (
        row("other", THREE, 0.6, 0.1, "x"),
        row(derived_name("best", THREE), THREE, 0.7, 0.05, base),
        row(derived_name("best", FOUR), FOUR, 0.75, 0.01, base),
        row("four", FOUR, 0.7, 0.02, "y"),
    )
    found = SubsetMeasurement(
        dataset="d", split="all", n=9, support={}, rows=rows, date="", command=""
    )
    return SubsetTable(test=found)


@pytest.mark.parametrize(
    "bands", [THREE, FOUR, (*FOUR, "B11", "B12"), BAND_NAMES[1:9], BAND_NAMES[1:]]
)
def test_any_subset_with_blue_green_and_red_is_classified(bands: tuple[str, ...]) -> None:
    patch = with_bands(tiny.random_patch(), bands)
    model = derive(tiny.tiny_model(), bands)
    found = predict(model, patch)
    assert len(found.prediction.labels) == 19
    assert set(found.estimated) == set(BAND_NAMES) - set(bands)
    assert "was not measured for this model" in found.gives_up
    assert [one.check for one in found.verdict.findings][-1:] == ["estimated-bands"]
    assert any("estimated" in text for text in found.verdict.unchecked)


def test_a_card_states_what_is_estimated_and_claims_nothing_of_its_base() -> None:
    base = tiny.tiny_model()
    card = derive(base, FOUR).card
    assert card.bands == FOUR
    assert card.name == "tiny-test-net@B02+B03+B04+B08"
    assert len(card.hash) == 12
    assert card.hash != base.card.hash
    assert not card.selection
    assert card.label_sets is None
    assert card.training["estimated_bands"]["base_card"] == base.card.hash
    assert card.training["estimated_bands"]["mixture"] == band_mixture.load().hash
    assert card.threshold_rule.startswith("Those of Tiny net, not chosen again for these bands.")
    assert "B01, B05, B06, B07, B8A, B09, B11 and B12 are estimated" in card.summary
    assert estimated_bands(base.card) == ()


def test_a_derived_model_can_be_stored_and_loaded(tmp_path: Path) -> None:
    model, patch = derive(tiny.tiny_model(), THREE), with_bands(tiny.random_patch(), THREE)
    save_model(model.card, weights_bytes(model.net), tmp_path / "own")
    loaded = Registry(shipped=tmp_path, home=tmp_path).load("own", "cpu")
    assert loaded.card == model.card
    assert loaded.predict(patch) == model.predict(patch)


def test_explanations_are_of_the_present_bands() -> None:
    model, patch = derive(tiny.tiny_model(), FOUR), with_bands(tiny.random_patch(), FOUR)
    found = explanation.explain(model, patch, "Pastures", "integrated-gradients")
    assert found.attribution.shape == (120, 120)
    assert found.band_share is not None
    assert tuple(found.band_share) == FOUR


def test_pictures_and_sources_without_red_are_refused() -> None:
    with pytest.raises(ModelMismatch, match="give at least B02, B03 and B04 of Level-2A"):
        derive(tiny.tiny_model(), ("B02", "B03", "B08"))


def test_names_of_derived_models_are_split_and_others_are_not() -> None:
    name = derived_name("some@where", ("B08", "B04", "B03", "B02"))
    assert name == "some@where@B02+B03+B04+B08"
    assert split_name(name) == ("some@where", FOUR)
    for other in ("landcover-cnn", "a@b", "@B02", "a@", "a@B02+x"):
        assert split_name(other) is None


def test_the_registry_knows_derived_models_by_name(known: Registry) -> None:
    name = f"other@{'+'.join(THREE)}"
    assert known.folder(name) == known.folder("other")
    card = known.card(name)
    assert known.load(name, "cpu").card == card
    assert known.title(name) == "Tiny net, 3 bands"
    assert known.stamp(name) != known.stamp("other")
    assert name not in known.names()
    with pytest.raises(BadInput, match="is derived and has no folder of its own"):
        known.saves_to(name)
    (known.folder("other") / WEIGHTS_FILE).write_bytes(b"")
    with pytest.raises(CorruptModel):
        known.load(name, "cpu")


def test_the_default_model_is_used_with_any_bands(known: Registry) -> None:
    found = known.best_for(BAND_NAMES, "L2A")
    assert (found.name, found.estimated, found.sentence) == (DEFAULT_MODEL, (), "")
    fewer = known.best_for(("B08", *THREE), "L2A")
    assert fewer.name == f"{DEFAULT_MODEL}@{'+'.join(FOUR)}"
    assert fewer.bands == FOUR
    assert fewer.sentence.startswith("8 of 12 bands are estimated; what that costs was not")
    assert known.choice("other", THREE).name == "other@B02+B03+B04"


def test_the_cost_comes_from_the_largest_measured_subset() -> None:
    model = derive(tiny.tiny_model(), (*FOUR, "B11"))
    known = table(tiny.tiny_model().card.hash)
    loss = loss_of(model.card, known)
    assert loss is not None
    assert not loss.exact
    assert not loss.large
    assert gives_up(model.card, known) == (
        "7 of 12 bands are estimated. With only B02, B03, B04 and B08 average precision changes by "
        "−0.010 [−0.030, +0.010] (macro) and +0.001 [−0.008, +0.010] (micro) on 9 patches of d."
    )
    three = loss_of(derive(tiny.tiny_model(), THREE).card, known)
    assert three is not None
    assert three.exact
    assert three.large


def test_values_of_another_card_are_not_claimed() -> None:
    model = derive(tiny.tiny_model(), FOUR)
    assert loss_of(model.card, table("another card")) is None


def test_the_shipped_table_and_distribution_belong_to_the_shipped_models() -> None:
    shipped = read()
    assert shipped is not None
    mixture = band_mixture.load().hash
    for one in (row for row in shipped.test.rows if row.base_card):
        base = read_card(registry.ZOO / one.base)
        assert one.base_card == base.hash, one.model
    for bands in (THREE, FOUR):
        card = registry.default().card(registry.default().best_for(bands, "L2A").name)
        assert card.training["estimated_bands"]["mixture"] == mixture
        loss = loss_of(card, shipped)
        assert loss is not None
        assert loss.exact
        assert loss.row.card_hash == card.hash
        assert len(gives_up(card, shipped)) <= LONGEST


def test_damaged_files_are_reported(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    assert read(file) is None
    file.write_text("{}", encoding="utf-8")
    with pytest.raises(CorruptModel, match=r"'x\.json'"):
        read(file)
    with pytest.raises(CorruptModel, match=r"'x\.json'"):
        band_mixture.load(file)
