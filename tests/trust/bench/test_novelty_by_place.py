"""False alarms of novelty in left-out countries, and when labels are withheld there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from landcover import nets
from landcover.core.raster import FloatArray, Raster
from landcover.datasets.labelled import Record
from landcover.models.model import load_model
from landcover.trust import novelty, place_record
from landcover.trust.bench import novelty_by_place
from landcover.trust.bench.novelty_by_place import DETECTOR, measure, severe_ratio, with_severe
from landcover.trust.novelty import Novelty
from tests.support import tiny, trust_cases

SIZES = {"Austria": 60, "Finland": 60, "Ireland": 60, "Serbia": 60}


@dataclass(frozen=True)
class Patch:
    """A patch whose pixels are not read."""

    patch_id: str
    country: str
    split: str

    def patch(self) -> Raster:
        raise AssertionError("no pixels")


@dataclass(frozen=True, kw_only=True)
class Features:
    """Features of one fold."""

    ids: tuple[str, ...]
    held_out: FloatArray
    fitted_ids: tuple[str, ...]
    fitted: FloatArray


def patches() -> list[Patch]:
    return [
        Patch(f"S2A_{country}{k % 6}_{k}_0", country, ("train", "validation")[k % 2])
        for country, n in SIZES.items()
        for k in range(n)
    ]


def spectra_of(odd: float) -> novelty.Doubles:
    """Log spectra of one distribution, except that Ireland's lie ``odd`` away."""
    found = np.random.default_rng(0).normal(-2, 0.3, (240, 12))
    found[120:180, 0] += odd
    return found


def test_a_country_like_the_others_gives_few_alarms() -> None:
    found = measure(patches(), spectra_of(0.0), np.zeros(240))
    assert found.distances == ("spectrum",)
    assert (found.overall.unlike.share or 0) < 0.06
    assert found.overall.cannot_tell.hits == 0
    assert found.severe == {"spectrum": novelty.SEVERE_RATIO}
    assert {name: one.n for name, one in found.per_country.items()} == SIZES
    assert found.overall.unlike.interval is not None


def test_an_unusual_country_is_found_and_its_labels_are_withheld_less_often() -> None:
    wrong = np.where(np.arange(240) // 60 == 2, 0.3, 0.1)
    found = measure(patches(), spectra_of(3.0), wrong)
    ireland, austria = found.per_country["Ireland"], found.per_country["Austria"]
    assert ireland.unlike.share == 1.0
    assert (ireland.cannot_tell.share or 0) > 0.5
    assert (austria.unlike.share or 0) < 0.1
    # What Ireland shows serves the next country, but not Ireland itself.
    assert found.severe["spectrum"] > novelty.SEVERE_RATIO
    assert ireland.cannot_tell_by_place == ireland.cannot_tell
    assert austria.cannot_tell_by_place.hits == 0
    assert found.wrong_unlike == pytest.approx(0.3, abs=0.03)
    assert found.wrong_others == pytest.approx(0.1, abs=0.03)
    assert (found.difference.value or 0) > 0.15
    assert found.difference.interval is not None


def test_the_pixels_of_a_country_do_not_change_the_fit_that_judges_it() -> None:
    one, other = spectra_of(0.0), spectra_of(0.0)
    other[121:180] += 5.0  # all of Ireland but its first patch
    ratios = [novelty_by_place.spectrum_ratios(patches(), means) for means in (one, other)]
    assert ratios[0][120] == ratios[1][120]
    assert ratios[0][0] != ratios[1][0]


def folds(found: Sequence[Patch], features: FloatArray) -> list[Features]:
    made = []
    for country in SIZES:
        out = np.array([patch.country == country for patch in found])
        names = np.array([patch.patch_id for patch in found])
        made.append(
            Features(
                ids=tuple(names[out].tolist()),
                held_out=features[out],
                fitted_ids=tuple(names[~out].tolist()),
                fitted=features[~out],
            )
        )
    return made


def test_features_of_each_fold_are_measured_with_its_own_net() -> None:
    random = np.random.default_rng(1)
    found = patches()
    features = random.normal(0, 1, (240, 100)).astype(np.float32)
    features[180:] *= 3  # Serbia
    said = measure(found, spectra_of(0.0), np.zeros(240), folds(found, features))
    assert said.distances == ("spectrum", "features")
    assert said.per_country["Serbia"].unlike.share == 1.0
    assert (said.per_country["Austria"].unlike.share or 0) < 0.3
    assert said.severe["features"] > novelty.SEVERE_RATIO


def test_patches_with_too_few_pixels_are_not_called_unlike() -> None:
    means = spectra_of(0.0)
    means[5] = np.nan
    found = measure(patches(), means, np.zeros(240))
    assert found.overall.n == 240
    assert severe_ratio(np.array([np.nan, np.nan])) == novelty.SEVERE_RATIO


def test_spectra_are_read_from_patches() -> None:
    records: tuple[Record, ...] = trust_cases.dataset().records("validation")[:3]
    found = novelty_by_place.spectra(records, total=3)
    assert found.shape == (3, 12)
    assert np.isfinite(found).all()


def test_a_fit_takes_the_multiples_of_its_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(nets.NETS, tiny.NAME, tiny.TinyNet)
    model = load_model(tiny.tiny_folder(tmp_path / "m"), "cpu")
    known = Novelty(space=None, detector=DETECTOR, bounds={"spectrum": 1.0}, days=(1,))
    assert with_severe(known, model) == known
    rates = measure(patches(), spectra_of(3.0), np.zeros(240))
    novel = rates.with_fields(severe={"spectrum": 4.0, "features": 5.0})
    record = place_record.PlaceDecisions.model_construct(
        model="m", settings="", dataset="", n=1, products=1, places=("A",), wanted_coverage=0.9,
        macro_classes=(), label_sets={}, strictness={}, said=(), unsaid={},
        overall=place_record.PlaceScores(n=1, products=1, ways={}), per_country={}, novelty=novel,
    )  # fmt: skip
    place_record.save(record, tmp_path / "m", model.card.hash)
    found = with_severe(known, model)
    assert found.severe == {"spectrum": 4.0, "features": 5.0}
    assert with_severe(replace(known, detector="energy"), model).severe == {"spectrum": 4.0}
    assert found.severe_ratio("spectrum") == 4.0
    assert known.severe_ratio("spectrum") == novelty.SEVERE_RATIO
