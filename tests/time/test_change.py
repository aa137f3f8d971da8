"""Change between two maps: the layer, the balance and what they claim."""

from __future__ import annotations

import numpy as np
import pytest

from landcover.areas import sky
from landcover.areas.hectares import CELL_HA
from landcover.areas.layout import NODATA
from landcover.core.errors import BadInput
from landcover.time import change as of
from landcover.time.change import Change, Row, compare
from tests.support.dated_maps import COVERS, SIDE, date_map, ground, reference

FOREST, WATER = COVERS.index("Forest"), COVERS.index("Water")
ROWS = 18
"""Rows in which the wood is under water at the second date."""


def truths() -> tuple[np.ndarray, np.ndarray]:
    before = ground()
    after = before.copy()
    after[:ROWS][before[:ROWS] == FOREST] = WATER
    return before, after


def flooded(**more: object) -> Change:
    before, after = truths()
    return compare(
        date_map("2020-06-21", truth=before, seed=1),
        date_map("2021-06-26", truth=after, seed=2),
        **more,  # type: ignore[arg-type]
    )


def row(change: Change, group: str) -> Row:
    return next(each for each in change.rows if each.group == group)


def test_the_balance_finds_the_flood() -> None:
    before, after = truths()
    change = flooded()
    flood = ((before != after).sum()) * CELL_HA
    water, forest = row(change, "Water"), row(change, "Forest")
    assert water.gain.low - 3 <= flood <= water.gain.high + 3
    assert water.net.value == pytest.approx(flood, rel=0.15)
    assert forest.loss.value == pytest.approx(flood, rel=0.15)
    assert water.loss.value < 0.05 * flood
    # Counting the cells whose answers differ overstates what other covers gained.
    assert row(change, "Cropland").gain.value < row(change, "Cropland").mapped_gain / 3


def test_balances_add_up() -> None:
    change = flooded()
    assert sum(each.before.value for each in change.rows) == pytest.approx(change.seen, rel=1e-3)
    assert sum(each.net.value for each in change.rows) == pytest.approx(0, abs=1e-6 * change.seen)
    for each in change.rows:
        assert each.net.value == pytest.approx(each.gain.value - each.loss.value, abs=1e-6)
        assert each.net.value == pytest.approx(each.after.value - each.before.value, abs=1e-6)
        for value in (each.before, each.after, each.net, each.gain, each.loss):
            assert value.low <= value.value <= value.high


def test_no_cover_gains_more_than_it_has() -> None:
    shares = np.eye(len(COVERS))
    shares[WATER, [WATER, FOREST]] = 0.1, 0.9  # hardly any mapped water is water
    water = row(flooded(reference=reference(shares)), "Water")
    assert water.gain.value <= water.after.value
    assert water.loss.value <= water.before.value
    assert water.net.value == pytest.approx(water.after.value - water.before.value)


def test_the_layer_names_from_and_to_where_it_is_clear() -> None:
    before, after = truths()
    change = flooded()
    names = of.names_of(COVERS)
    shown = change.layer >= of.FIRST_PAIR
    changed = before != after
    assert changed[shown].mean() > 0.9
    assert shown[changed].mean() > 0.5
    said = np.array(names)[change.layer[shown & changed]]
    assert (said == "Forest → Water").mean() > 0.95
    assert change.shown == pytest.approx(shown.mean())
    assert change.shown_false < 0.1


def test_the_layer_covers_all_pairs_once() -> None:
    names = of.names_of(COVERS)
    assert len(set(names)) == len(names) == of.FIRST_PAIR + len(COVERS) * (len(COVERS) - 1)


def test_without_change_hardly_anything_is_shown_though_the_maps_differ() -> None:
    change = compare(date_map("2020-06-21", seed=1), date_map("2021-06-26", seed=2))
    assert change.differing > 0.05
    assert change.shown < 0.002
    assert change.changed.value < 0.01
    assert change.false.value > 0.8


def test_hidden_cells_cannot_tell_and_the_outside_is_no_data() -> None:
    mask = np.zeros((SIDE, SIDE), dtype=np.uint8)
    mask[:6], mask[6:9] = sky.CLOUD, sky.SHADE
    inside = np.ones((SIDE, SIDE), dtype=bool)
    inside[:, :10] = False
    change = compare(
        date_map("2020-06-21", inside=inside), date_map("2021-06-26", mask=mask, inside=inside)
    )
    assert (change.layer[:, :10] == of.OUTSIDE).all()
    assert (change.layer[:9, 10:] == of.CANT_TELL).all()
    assert (change.layer[9:, 10:] >= of.UNCHANGED).all()
    assert (change.chance[:9] == NODATA).all()
    assert change.hidden == pytest.approx(9 * (SIDE - 10) * CELL_HA)
    assert change.seen == pytest.approx((SIDE - 9) * (SIDE - 10) * CELL_HA)


def test_errors_correct_the_areas_of_both_dates_alike() -> None:
    # A tenth of what is mapped as water is wood.
    shares = np.eye(len(COVERS))
    shares[WATER, [WATER, FOREST]] = 0.9, 0.1
    plain, corrected = flooded(), flooded(reference=reference(shares))
    ratio = row(corrected, "Water").after.value / row(plain, "Water").after.value
    assert ratio == pytest.approx(0.9, abs=0.03)
    assert row(corrected, "Forest").after.value > row(plain, "Forest").after.value
    assert corrected.independent is not None
    assert 0 < corrected.independent.value < 0.1
    assert plain.independent is None


def test_changes_within_a_group_are_no_change_of_it() -> None:
    groups = {"Green and wet": ("Forest", "Water"), "Built-up": ("Built-up",)}
    change = flooded(groups=groups)
    assert [each.group for each in change.rows] == list(groups)
    together = change.rows[0]
    assert together.gain.value + together.loss.value < 0.1 * row(flooded(), "Water").gain.value


@pytest.mark.parametrize("threshold", [0.4, 1.0, float("nan")])
def test_a_threshold_without_meaning_is_refused(threshold: float) -> None:
    with pytest.raises(BadInput, match="choose 0"):
        flooded(threshold=threshold)
