"""The most similar training patches: found, described, kept in a file, and measured."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import Cancelled, CorruptModel, ModelMismatch
from landcover.core.progress import Progress
from landcover.datasets.arrays import NativeStore
from landcover.explain import neighbours, neighbours_build, neighbours_measure, neighbours_record
from landcover.explain.neighbours import Index, Neighbour
from landcover.io import samples
from landcover.models import registry
from landcover.models.model import Model
from landcover.trust import files
from tests.support import tiny

ORIGIN = {"dataset": "samples", "splits": ["train"], "drawn_from": 6}
KNOWN = [sample for sample in samples.samples() if sample.v2_id]


@pytest.fixture(scope="module")
def model() -> Model:
    return registry.default().load("landcover-cnn")


@pytest.fixture(scope="module")
def store() -> NativeStore:
    """The samples that BigEarthNet v2 holds, under their names there."""
    natives = [samples.native(sample.name) for sample in KNOWN]
    targets = torch.zeros(len(KNOWN), len(CLASS_NAMES))
    for row, sample in enumerate(KNOWN):
        targets[row, [CLASS_NAMES.index(label) for label in sample.truth]] = 1.0
    return NativeStore(
        g10=np.stack([native.g10 for native in natives]),
        g20=np.stack([native.g20 for native in natives]),
        g60=np.stack([native.g60 for native in natives]),
        targets=targets,
        ids=tuple(str(sample.v2_id) for sample in KNOWN),
        countries=tuple(sample.country for sample in KNOWN),
    )


@pytest.fixture(scope="module")
def index(model: Model, store: NativeStore) -> Index:
    return neighbours_build.build(model, store, ORIGIN)


def one(**changes: object) -> Neighbour:
    values: dict[str, object] = {
        "patch_id": "a",
        "labels": ("Pastures",),
        "distance": 0.2,
        "percentile": 40.0,
        "country": "Austria",
        "acquired": datetime(2017, 6, 13, tzinfo=UTC),
        "centre": (48.0, 16.0),
    }
    return Neighbour(**{**values, **changes})  # type: ignore[arg-type]


def test_a_training_patch_finds_itself_first_with_its_metadata(model: Model, index: Index) -> None:
    for sample in KNOWN:
        found = neighbours.query(index, model, samples.read_sample(sample.name), k=3)
        assert found[0].patch_id == sample.v2_id
        assert len(found) == 3
        first = found[0]
        assert first.distance < 0.01
        assert frozenset(first.labels) == sample.truth
        assert first.country == sample.country
        assert first.acquired is not None
        assert sample.acquired is not None
        assert first.acquired.date() == sample.acquired.date()
        assert first.centre == pytest.approx(sample.centre, abs=0.0005)
        away = [item.distance for item in found]
        assert away == sorted(away)
        assert all(0 <= item.distance <= 2 for item in found)


def test_patches_that_are_too_close_are_left_out(model: Model, index: Index) -> None:
    sample = KNOWN[0]
    patch = samples.read_sample(sample.name)
    found = neighbours.query(index, model, patch, apart_m=1200)
    assert sample.v2_id not in {item.patch_id for item in found}
    assert len(found) == len(KNOWN) - 1
    assert neighbours.query(index, model, patch, apart_m=30_000_000) == ()


def test_an_index_of_another_model_is_refused(index: Index) -> None:
    with pytest.raises(ModelMismatch, match=r"another model.*landcover trust neighbours"):
        neighbours.query(index, tiny.tiny_model(), samples.read_sample(KNOWN[0].name))


def test_distances_on_the_axes_equal_those_of_all_features(
    model: Model, store: NativeStore, index: Index
) -> None:
    """Six patches span five axes, so that the index loses nothing but half precision."""
    rows = [store.ids.index(name) for name in index.ids]
    found = neighbours_build.features_of(model, store, rows)
    expected = neighbours.distances(found - found.mean(dim=0), found - found.mean(dim=0))
    kept = neighbours.distances(index.vectors, index.vectors)
    torch.testing.assert_close(kept, expected, rtol=0, atol=0.01)


def test_the_percentile_counts_patches_with_a_closer_neighbour_in_another_block(
    index: Index,
) -> None:
    assert len(index.nearest_elsewhere) == len(index)
    assert torch.equal(index.nearest_elsewhere, index.nearest_elsewhere.sort().values)
    assert index.percentile(0.0) == 0.0
    assert index.percentile(2.1) == 100.0
    middle = float(index.nearest_elsewhere[1:3].mean())
    assert index.percentile(middle) == pytest.approx(100 * 2 / len(index))
    alone = replace(index, nearest_elsewhere=torch.empty(0))
    assert alone.percentile(0.3) is None


def test_patches_of_one_block_have_no_percentile(model: Model, store: NativeStore) -> None:
    product = "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP"
    near = replace(store, ids=tuple(f"{product}_20_{k}" for k in range(len(store))))
    index = neighbours_build.build(model, near, ORIGIN)
    assert len(index.nearest_elsewhere) == 0
    found = neighbours.query(index, model, samples.read_sample(KNOWN[0].name), k=1)
    assert found[0].percentile is None


def test_the_file_gives_the_index_back(model: Model, index: Index, tmp_path: Path) -> None:
    path = neighbours.save(index, tmp_path)
    assert path.name == "neighbours.safetensors"
    kept = neighbours.load(tmp_path, model.card.hash)
    assert kept is not None
    assert kept.ids == index.ids
    assert kept.countries == index.countries
    assert kept.origin == ORIGIN
    for name in ("labels", "centre", "axes", "vectors", "nearest_elsewhere"):
        assert torch.equal(getattr(kept, name), getattr(index, name)), name
    patch = samples.read_sample("finland-snow")
    assert neighbours.query(kept, model, patch) == neighbours.query(index, model, patch)


def test_a_file_of_another_card_is_refused(index: Index, tmp_path: Path) -> None:
    assert neighbours.load(tmp_path, index.card_hash) is None
    neighbours.save(index, tmp_path)
    with pytest.raises(CorruptModel, match="another card"):
        neighbours.load(tmp_path, "0" * 12)


@pytest.mark.parametrize(
    ("what", "value"),
    [
        ("vectors", torch.zeros(3, 4).half()),
        ("vectors", torch.full((5, 5), float("nan")).half()),
        ("axes", torch.zeros(2, 2).half()),
        ("labels", torch.zeros(5)),
        ("apart", torch.zeros(2).half()),
        ("centre", None),
        ("countries", ["Austria"]),
        ("products", {"a": ["1_1"]}),
        ("products", ["a"]),
        ("classes", ["Pastures"]),
        ("origin", "somewhere"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(
    index: Index, tmp_path: Path, what: str, value: object
) -> None:
    neighbours.save(index, tmp_path)
    kept = files.read_tensors(tmp_path, "neighbours", index.card_hash)
    assert kept is not None
    tensors, values = kept
    if isinstance(value, torch.Tensor):
        tensors[what] = value
    elif what in tensors:
        del tensors[what]
    else:
        values[what] = value
    files.write_tensors(tmp_path, "neighbours", index.card_hash, tensors, values)
    with pytest.raises(CorruptModel, match="do not fit together"):
        neighbours.load(tmp_path, index.card_hash)


def test_an_index_needs_more_than_one_patch(model: Model, store: NativeStore) -> None:
    with pytest.raises(ValueError, match="not 1"):
        neighbours_build.build(model, store.subset([0]), ORIGIN)


def test_a_model_of_pictures_has_no_index(store: NativeStore) -> None:
    with pytest.raises(ModelMismatch, match="is a model for pictures, which have no index"):
        neighbours_build.build(registry.default().load("eurosat-rgb"), store, ORIGIN)


def test_a_model_of_few_bands_uses_only_these_bands(store: NativeStore) -> None:
    model = tiny.tiny_cnn()
    index = neighbours_build.build(model, store, ORIGIN)
    found = neighbours.query(index, model, samples.read_sample(KNOWN[1].name), k=1)
    assert found[0].patch_id == KNOWN[1].v2_id
    assert found[0].distance < 0.01


def test_building_reports_progress_and_can_be_stopped(model: Model, store: NativeStore) -> None:
    reports: list[Progress] = []
    stop = threading.Event()
    neighbours_build.build(model, store, ORIGIN, report=reports.append, cancel=stop)
    assert (reports[-1].done, reports[-1].total) == (len(store), len(store))
    stop.set()
    with pytest.raises(Cancelled):
        neighbours_build.build(model, store, ORIGIN, cancel=stop)


def test_the_sentence_names_labels_and_similarity() -> None:
    near = [one(), one(), one(labels=("Pastures", "Arable land"))]
    text = neighbours.sentence(near)
    assert text.startswith(
        "The 3 most similar training patches show mainly Pastures (3 of 3), "
        "Arable (1 of 3). The nearest is about as similar as"
    )
    assert text.endswith("are to each other: 40 % of them have a closer one.")
    assert "closer" not in neighbours.sentence([one(percentile=None)])
    assert neighbours.sentence([one()]).startswith("The most similar training patch shows")
    assert neighbours.sentence([]).startswith("There are no training patches")


def test_the_sentence_covers_patches_without_labels() -> None:
    bare = one(labels=())
    expected = "training patch shows none of the 19 land covers."
    assert expected in neighbours.sentence([bare])
    expected = "training patches show none of the 19 land covers."
    assert expected in neighbours.sentence([bare, bare])


def test_january_is_summer_south_of_the_equator() -> None:
    january = datetime(2018, 1, 1, tzinfo=UTC)
    assert one(acquired=january, centre=(-30.0, 25.0)).season == "summer"
    assert one(acquired=january, centre=(30.0, 25.0)).season == "winter"


def test_neighbours_that_are_not_similar_do_not_count() -> None:
    """For a snowy patch, the only snowy training patch counts, not the fields in June after it."""
    other = one(percentile=99.0, labels=("Arable land",))
    text = neighbours.sentence([one(), other, other])
    assert text.startswith("The only similar training patch shows Pastures.")
    assert "Arable" not in text
    text = neighbours.sentence([one(), one(), other])
    assert text.startswith("The only 2 similar training patches show mainly Pastures (2")
    text = neighbours.sentence([other, other])
    assert text == (
        "No training patch is similar to this one: 99 % of the training patches have a closer one "
        "in another place."
    )


@pytest.mark.parametrize(
    ("month", "season"),
    [(1, "winter"), (2, "winter"), (3, "spring"), (6, "summer"), (9, "autumn"), (12, "winter")],
)
def test_months_have_seasons(month: int, season: str) -> None:
    item = one(acquired=datetime(2018, month, 1, tzinfo=UTC))
    assert item.season == season
    assert item.as_dict()["season"] == season
    assert one(acquired=None).season == ""


@given(
    st.lists(st.integers(0, 2**19 - 1), min_size=1, max_size=5),
    st.lists(st.integers(0, 2**19 - 1), min_size=1, max_size=5),
)
def test_jaccard_is_the_shared_part_of_two_label_sets(some: list[int], others: list[int]) -> None:
    def sets(bits: list[int]) -> list[set[int]]:
        return [{k for k in range(19) if value >> k & 1} for value in bits]

    def table(bits: list[int]) -> torch.Tensor:
        return torch.tensor([[bool(value >> k & 1) for k in range(19)] for value in bits])

    found = neighbours_measure.jaccard(table(some), table(others))
    for row, a in enumerate(sets(some)):
        for column, b in enumerate(sets(others)):
            expected = len(a & b) / len(a | b) if a | b else 0.0
            assert found[row, column] == pytest.approx(expected)


def test_the_measurement_separates_perfect_neighbours_from_chance(
    model: Model, store: NativeStore, tmp_path: Path
) -> None:
    """If the queries are the training patches, features and statistics find the same patch."""
    index, found = neighbours_measure.measure(model, store, store, ORIGIN, resamples=100)
    assert len(index) == found.n == len(store)
    nearest, five, other, _ = found.rows
    assert nearest.features == nearest.statistics == 1.0
    assert nearest.features_interval == (1.0, 1.0)
    assert nearest.gain == 0.0
    assert five.features == pytest.approx(five.chance), "five are all there are"
    assert nearest.chance < 0.9
    assert other.other_products
    assert other.features < 1.0
    assert "1 nearest of any product" in neighbours_record.as_text(found)
    neighbours_record.save(found, tmp_path, model.card.hash)
    assert neighbours_record.load(tmp_path, model.card.hash) == found
    with pytest.raises(CorruptModel):
        neighbours_record.load(tmp_path, "0" * 12)


def shipped() -> list[str]:
    return [
        name
        for name in registry.default().names()
        if (registry.default().folder(name) / "trust" / "neighbours.safetensors").is_file()
    ]


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_index_is_small_and_belongs_to_its_model(name: str) -> None:
    folder = registry.default().folder(name)
    index = neighbours.load(folder, registry.default().card(name).hash)
    assert index is not None
    assert (folder / "trust" / "neighbours.safetensors").stat().st_size <= 300_000
    assert len(index) > 100
    found = neighbours_record.load(folder, registry.default().card(name).hash)
    assert found is not None
    best = {(row.k, row.other_products): row for row in found.rows}
    for row in best.values():
        assert row.features_interval[0] > row.chance, "similar patches agree better than chance"
