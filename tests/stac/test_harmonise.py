"""The offset by archive, baseline and flag, and its check with the dark pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st

from landcover.core.bands import BAND_NAMES
from landcover.core.raster import BoolArray
from landcover.io.scaling import PLAIN, SHIFTED, Scaling, valid_numbers
from landcover.stac.archives import CATALOGUES
from landcover.stac.harmonise import RULES, Claims, OffsetDecision, confirm

Numbers = npt.NDArray[Any]
ADDED = 1000
"""What ESA adds since baseline 04.00."""

OLD = ("00.01", "02.04", "02.05", "02.14", "03.00", "03.01", "03.99")
NEW = ("04.00", "05.00", "05.09", "05.10", "05.11")
UNTOLD: tuple[str | None, ...] = (None, "", "nonsense")


def decide(catalogue: str, **claims: Any) -> OffsetDecision:
    return RULES[CATALOGUES[catalogue].offset](Claims(**claims))


# --- decisions from metadata: (catalogue, baseline, flag) → formula, one row per case -------

GOLDEN = [
    # ESA's own numbers: only the baseline decides; the flag of another archive is ignored.
    *(
        (name, baseline, flag, scaling, True)
        for name in ("planetary-computer", "copernicus")
        for flag in (None, False, True)
        for baselines, scaling in ((OLD, PLAIN), (NEW, SHIFTED))
        for baseline in baselines
    ),
    *(
        (name, baseline, flag, PLAIN, False)
        for name in ("planetary-computer", "copernicus")
        for flag in (None, False, True)
        for baseline in UNTOLD
    ),
    # Earth Search: before 04.00 there was no offset to remove, whatever the flag states.
    *(
        ("earth-search", baseline, flag, PLAIN, True)
        for baseline in OLD
        for flag in (None, False, True)
    ),
    # Since 04.00 the flag decides, and may be wrong.
    *(("earth-search", baseline, True, PLAIN, False) for baseline in (*NEW, *UNTOLD)),
    *(
        ("earth-search", baseline, flag, SHIFTED, False)
        for baseline in NEW
        for flag in (None, False)
    ),
    *(
        ("earth-search", baseline, flag, PLAIN, False)
        for baseline in UNTOLD
        for flag in (None, False)
    ),
]


@pytest.mark.parametrize(("catalogue", "baseline", "flag", "scaling", "trusted"), GOLDEN)
def test_decisions_from_metadata(
    *, catalogue: str, baseline: str | None, flag: bool | None, scaling: Scaling, trusted: bool
) -> None:
    decision = decide(catalogue, baseline=baseline, applied=flag)
    assert decision.scaling is scaling
    assert decision.trusted is trusted
    assert decision.agreement == "unconfirmed", "no pixel was checked yet"
    assert decision.darkest is None


def test_every_archive_has_a_rule_and_a_golden_row() -> None:
    assert {row.offset for row in CATALOGUES.values()} <= set(RULES)
    assert {row[0] for row in GOLDEN} == set(CATALOGUES)


@pytest.mark.parametrize("baseline", [*OLD, *NEW, None])
def test_a_users_scenes_follow_what_their_product_states(baseline: str | None) -> None:
    stated = RULES["stated"]
    assert stated(Claims(baseline=baseline, stated=-ADDED)).scaling is SHIFTED
    assert stated(Claims(baseline=baseline, stated=0)).scaling is PLAIN
    silent = stated(Claims(baseline=baseline))
    archives = RULES["baseline"](Claims(baseline=baseline))
    assert (silent.scaling, silent.why) == (archives.scaling, archives.why)
    # An export may have removed what the baseline adds; the dark pixels can show that.
    assert silent.trusted is (archives.trusted and archives.scaling is PLAIN)


@pytest.mark.parametrize("rule", sorted(RULES))
def test_for_a_users_own_processing_the_pixels_decide(rule: str) -> None:
    decision = RULES[rule](Claims(baseline="99.99", applied=False))
    assert decision.scaling is PLAIN or rule == "earth-search"
    assert not decision.trusted


def test_the_reason_names_the_metadata() -> None:
    assert (
        "processing baseline 05.10 adds 1000" in decide("copernicus", baseline="05.10").description
    )
    assert "(DN − 1000) / 10000" in decide("copernicus", baseline="05.10").description
    assert "older than the offset" in decide("copernicus", baseline="03.01").description
    assert "names no processing baseline" in decide("copernicus").description
    flagged = decide("earth-search", baseline="05.10", applied=True)
    assert "earthsearch:boa_offset_applied states" in flagged.description
    assert "is false" in decide("earth-search", baseline="05.10", applied=False).description
    assert "is absent" in decide("earth-search", baseline="05.10").description
    assert "states -1000" in RULES["stated"](Claims(stated=-ADDED)).description


@given(
    rule=st.sampled_from(sorted(RULES)),
    baseline=st.none() | st.text() | st.from_regex(r"\d\d\.\d\d"),
    applied=st.none() | st.booleans(),
    stated=st.none() | st.integers(),
)
def test_any_metadata_gives_one_of_the_two_formulas(
    *, rule: str, baseline: str | None, applied: bool | None, stated: int | None
) -> None:
    decision = RULES[rule](Claims(baseline=baseline, applied=applied, stated=stated))
    assert decision.scaling in (PLAIN, SHIFTED)
    assert decision.description


# --- the cross-check against the dark pixels ----------------------------------------------


def scenery(seed: int = 0, *, floor: float = 0.0) -> tuple[npt.NDArray[np.float64], Numbers]:
    """Reflectance of a small landscape, and its digital numbers without the offset.

    Forest and fields, and a lake that is darker than both: 0.005 to 0.06 in every band.
    """
    chance = np.random.default_rng(seed)
    numbers = chance.integers(400, 3500, (12, 40, 40))
    numbers[:, :8] = chance.integers(50, 600, (12, 8, 40))
    numbers = numbers + round(floor * 10000)
    return numbers / 10000, numbers


def everywhere(numbers: Numbers) -> BoolArray:
    return np.ones(numbers.shape[1:], dtype=np.bool_)


def reflectance(decision: OffsetDecision, numbers: Numbers) -> npt.NDArray[np.float32]:
    return decision.scaling.apply(numbers, everywhere(numbers))


# What an item states, the offset in its numbers, and the expected agreement. Earth Search's
# flag is wrong in both directions for some items of 2022 (Element84/earth-search#66).
CASES = [
    # catalogue, baseline, flag, offset in the numbers, agreement
    ("earth-search", "04.00", True, 0, "confirmed"),
    ("earth-search", "04.00", True, ADDED, "overruled"),
    ("earth-search", "04.00", False, ADDED, "confirmed"),
    ("earth-search", "04.00", False, 0, "overruled"),
    ("earth-search", "05.10", None, ADDED, "confirmed"),
    ("earth-search", "05.10", None, 0, "overruled"),
    ("earth-search", "03.01", True, 0, "confirmed"),
    ("earth-search", "03.01", False, 0, "confirmed"),
    ("earth-search", None, None, 0, "confirmed"),
    ("earth-search", None, None, ADDED, "overruled"),
    ("earth-search", None, True, 0, "confirmed"),
    ("planetary-computer", "03.01", None, 0, "confirmed"),
    ("planetary-computer", "04.00", None, ADDED, "confirmed"),
    ("planetary-computer", None, None, ADDED, "overruled"),
    ("copernicus", "03.01", None, 0, "confirmed"),
    ("copernicus", "05.11", None, ADDED, "confirmed"),
    ("copernicus", None, None, 0, "confirmed"),
]


@pytest.mark.parametrize(("catalogue", "baseline", "flag", "added", "agreement"), CASES)
@pytest.mark.parametrize("seed", range(3))
def test_the_reflectance_is_correct(
    *,
    catalogue: str,
    baseline: str | None,
    flag: bool | None,
    added: int,
    agreement: str,
    seed: int,
) -> None:
    truth, numbers = scenery(seed)
    numbers = (numbers + added).astype(np.uint16)
    metadata = decide(catalogue, baseline=baseline, applied=flag)
    decision = confirm(metadata, numbers, everywhere(numbers))
    assert decision.agreement == agreement
    assert decision.why == metadata.why, "the reason from the metadata is kept"
    assert np.allclose(reflectance(decision, numbers), truth, atol=1e-6)
    assert decision.darkest is not None
    assert f"{decision.darkest:.3f}" in decision.description


@pytest.mark.parametrize(("baseline", "added"), [("05.10", 0), ("03.01", ADDED)])
@pytest.mark.parametrize("catalogue", ["planetary-computer", "copernicus"])
def test_trusted_metadata_is_unconfirmed_but_used(
    catalogue: str, baseline: str, added: int
) -> None:
    _, numbers = scenery()
    metadata = decide(catalogue, baseline=baseline)
    decision = confirm(metadata, numbers + added, everywhere(numbers))
    assert decision.scaling is metadata.scaling
    assert decision.agreement == "unconfirmed"
    assert "cannot confirm" in decision.description


@pytest.mark.parametrize("scaling", [PLAIN, SHIFTED])
@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize("clear", [0, 1, 99])
def test_too_few_pixels_decide_nothing(*, scaling: Scaling, trusted: bool, clear: int) -> None:
    _, numbers = scenery()
    valid = np.zeros(numbers.shape[1:], dtype=np.bool_)
    valid.flat[:clear] = True
    metadata = OffsetDecision(scaling=scaling, why="it says so", trusted=trusted)
    for wrong in (numbers + ADDED, numbers):
        assert confirm(metadata, wrong, valid) == metadata


@pytest.mark.parametrize("low", [0.22, 0.4, 0.9])
def test_a_desert_or_a_cloud_does_not_overrule(low: float) -> None:
    """All pixels are bright, which does not depend on the offset."""
    _, numbers = scenery(floor=low)
    for scaling, added in ((PLAIN, 0), (SHIFTED, ADDED)):
        metadata = OffsetDecision(scaling=scaling, why="it says so", trusted=False)
        decision = confirm(metadata, numbers + added, everywhere(numbers))
        assert decision.scaling is scaling
        assert decision.agreement == "unconfirmed"


def test_only_pixels_with_data_are_checked() -> None:
    """A gap is 0 in all bands; with the offset removed it would be -0.1."""
    truth, numbers = scenery()
    numbers = numbers + ADDED
    valid = everywhere(numbers)
    numbers[:, 20:, :] = 0
    valid[20:] = False
    decision = confirm(decide("earth-search", baseline="05.10"), numbers, valid)
    assert decision.scaling is SHIFTED
    assert decision.agreement == "confirmed"
    pixels = decision.scaling.apply(numbers, valid)
    assert np.allclose(pixels[:, :20], truth[:, :20], atol=1e-6)
    assert not pixels[:, 20:].any()


@pytest.mark.parametrize("kind", [np.uint16, np.int16, np.int32, np.float32])
def test_any_type_of_number_is_accepted(kind: type) -> None:
    truth, numbers = scenery()
    raw: Numbers = (numbers + ADDED).astype(kind)
    decision = confirm(decide("copernicus", baseline="05.10"), raw, everywhere(raw))
    assert decision.agreement == "confirmed"
    assert np.allclose(reflectance(decision, raw), truth, atol=1e-6), "no wrap below 1000"


def test_numbers_below_the_offset_become_negative() -> None:
    numbers = np.full((12, 20, 20), 1, dtype=np.uint16)
    pixels = reflectance(decide("copernicus", baseline="05.10"), numbers)
    assert pixels.min() == pytest.approx(-0.0999)
    assert pixels.max() < 0


@given(
    data=st.data(),
    scaling=st.sampled_from([PLAIN, SHIFTED]),
    trusted=st.booleans(),
    low=st.integers(0, 65535),
    spread=st.integers(1, 20_000),
)
def test_the_agreement_is_consistent_for_any_pixels(
    *, data: st.DataObject, scaling: Scaling, trusted: bool, low: int, spread: int
) -> None:
    chance = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    numbers = np.minimum(chance.integers(low, low + spread, (12, 12, 12)), 65535)
    metadata = OffsetDecision(scaling=scaling, why="it says so", trusted=trusted)
    decision = confirm(metadata, numbers, everywhere(numbers))
    overruled = decision.agreement == "overruled"
    assert overruled == (decision.scaling is not scaling)
    assert not (overruled and trusted)
    assert decision.darkest == pytest.approx(
        float(np.percentile(numbers, 1, axis=(1, 2)).min()) * scaling.scale + scaling.offset
    )


# --- real pixels --------------------------------------------------------------------------


def real_patches(root: Path, every: int) -> list[Numbers]:
    """Digital numbers of BigEarthNet patches, which are older than the offset."""
    found = []
    for folder in sorted((root / "bigearthnet" / "BigEarthNet-S2").glob("*/*"))[::every]:
        bands = []
        for band in BAND_NAMES:
            with rasterio.open(folder / f"{folder.name}_{band}.tif") as file:
                pixels = file.read(1).astype(np.int32)
            times = 120 // pixels.shape[0]
            bands.append(pixels.repeat(times, axis=0).repeat(times, axis=1))
        found.append(np.stack(bands))
    return found


@pytest.mark.data
def test_real_patches_confirm_correct_and_overrule_wrong_flags(shared_data: Path) -> None:
    """Of all 625: none of the 1250 correct ones is overruled; 1248 of the 1250 wrong ones are."""
    patches = real_patches(shared_data, every=12)
    caught = 0
    for numbers in patches:
        valid = valid_numbers(numbers)
        for flag, added in ((True, 0), (False, ADDED)):
            right = confirm(
                decide("earth-search", baseline="05.00", applied=flag), numbers + added, valid
            )
            wrong = confirm(
                decide("earth-search", baseline="05.00", applied=not flag), numbers + added, valid
            )
            assert right.agreement == "confirmed"
            assert right.scaling is (PLAIN if flag else SHIFTED)
            caught += wrong.agreement == "overruled" and wrong.scaling is right.scaling
    assert len(patches) > 50
    assert caught >= 2 * len(patches) - 2
