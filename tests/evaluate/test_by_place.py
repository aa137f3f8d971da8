"""Scores of out-of-fold predictions: pooled, paired, with intervals over places."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import BadInput
from landcover.datasets.folds import Fold
from landcover.evaluate.by_place import Answer, as_text, score
from landcover.evaluate.report_metrics import Draws, Material

PLACES = {"Austria": ("33UUP", 30), "Finland": ("35VNL", 30), "Ireland": ("29UPU", 3)}
DRAWS = Draws(resamples=200, unit="product")


@pytest.fixture(scope="module")
def material() -> Material:
    """Sixty-three patches; ten products in Austria, one in Finland."""
    chance = np.random.default_rng(0)
    rows = [(country, tile, k) for country, (tile, n) in PLACES.items() for k in range(n)]
    truth = chance.random((len(rows), len(CLASS_NAMES))) < 0.3
    truth[:, 0] = False
    truth[:4, 0] = True  # one positive too few for macro scores
    return Material(
        ids=tuple(
            f"S2A_MSIL2A_201706{10 + (k % 10 if country == 'Austria' else 0)}T101031_N9999_R022_"
            f"T{tile}_{k}_0"
            for country, tile, k in rows
        ),
        classes=CLASS_NAMES,
        truth=truth,
        countries=tuple(country for country, _, _ in rows),
        places=np.arange(len(rows)),
    )


FOLDS = tuple(
    Fold(name=name, held_out=tuple(range(a, b)), fitted=(), near=near)
    for name, a, b, near in (("Austria", 0, 30, 2), ("Finland", 30, 60, 0), ("Ireland", 60, 63, 0))
)


def answer(material: Material, name: str, skill: float) -> Answer:
    noise = np.random.default_rng(1).normal(size=material.truth.shape)
    logits = noise + skill * material.truth
    return Answer(
        name=name, settings="{}", probability=(1 / (1 + np.exp(-logits))).astype(np.float32)
    )


def test_all_folds_are_scored_together_and_pairs_on_the_same_resamples(material: Material) -> None:
    good, twin, poor = (
        answer(material, name, skill)
        for name, skill in (("good", 2.0), ("twin", 2.0), ("poor", 0.0))
    )
    found = score(material, FOLDS, "country", good, [twin, poor], dataset="made", draws=DRAWS)
    assert found.micro_ap == pytest.approx(
        average_precision_score(material.truth.ravel(), good.probability.ravel()), abs=1e-6
    )
    each = [one.ap for name, one in found.per_class.items() if name in found.macro_classes]
    assert found.macro_ap == pytest.approx(np.mean([ap for ap in each if ap is not None]), abs=1e-5)
    assert CLASS_NAMES[0] not in found.macro_classes
    assert found.per_class[CLASS_NAMES[0]].support == 4
    # The same predictions differ by nothing in every resample.
    for margin in found.against["twin"].margin.values():
        assert (margin.difference, margin.interval) == (0, (0, 0))
    margin = found.against["poor"].margin["micro_ap"]
    assert margin.interval is not None
    assert margin.interval[0] > 0
    assert found.confidence_intervals["micro_ap"] is not None
    assert (found.n, found.products, found.bootstrap.unit) == (63, 12, "product")


def test_a_country_of_one_product_has_scores_but_no_interval(material: Material) -> None:
    found = score(
        material, FOLDS, "country", answer(material, "x", 1.0), dataset="made", draws=DRAWS
    )
    several, one, few = (found.per_country[name] for name in ("Austria", "Finland", "others"))
    assert several.confidence_intervals["micro_ap"] is not None
    assert one.micro_ap is not None
    assert one.confidence_intervals == {"macro_ap": None, "micro_ap": None}
    assert (few.n, few.micro_ap) == (3, None)
    patches = Draws(resamples=100, unit="patch")
    found = score(
        material, FOLDS, "country", answer(material, "x", 1.0), dataset="made", draws=patches
    )
    assert found.per_country["Finland"].confidence_intervals["micro_ap"] is not None


def test_intervals_over_products_are_those_of_places(material: Material) -> None:
    """Predictions that are right in whole products scatter more over products than over patches."""
    skill = np.where(np.arange(63) % 10 < 5, 4.0, 0.0)[:, None]
    logits = np.random.default_rng(2).normal(size=material.truth.shape) + skill * material.truth
    side = Answer(name="x", settings="{}", probability=(1 / (1 + np.exp(-logits))).astype("f4"))

    def width(unit: str) -> float:
        draws = Draws(resamples=300, unit=unit)  # type: ignore[arg-type]
        some = material.rows(np.array(material.countries) == "Austria")
        one = Answer(name="x", settings="{}", probability=side.probability[:30])
        span = score(some, FOLDS[:1], "product", one, dataset="made", draws=draws)
        low, high = span.confidence_intervals["micro_ap"] or (0, 0)
        return high - low

    assert width("product") > 1.2 * width("patch")


def test_the_text_states_data_support_and_intervals(material: Material) -> None:
    sides = answer(material, "judged", 2.0), [answer(material, "other", 0.5)]
    text = as_text(score(material, FOLDS, "country", *sides, dataset="made", draws=DRAWS))
    assert "63 patches of 12 products, each scored by a fit without its country (3 folds)" in text
    assert "2 neighbours of left-out patches were left out of their fits" in text
    assert "above other" in text
    assert "200 bootstrap resamples of products" in text
    assert "18 classes with at least 5 positives" in text
    assert "Austria (30; " in text


def test_pictures_have_no_products(material: Material) -> None:
    pictures = Material(
        ids=material.ids,
        classes=material.classes,
        truth=material.truth,
        countries=material.countries,
        places=material.places,
        exclusive=True,
    )
    with pytest.raises(BadInput, match="do not name the product"):
        Draws(unit="product").groups(pictures)
