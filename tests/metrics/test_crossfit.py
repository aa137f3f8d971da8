"""Entire places are held out, each once."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from landcover.metrics.crossfit import FOLDS, held_out, places


@given(st.lists(st.integers(0, 9), min_size=1, max_size=60))
def test_each_patch_is_held_out_once_and_no_place_is_split(groups: list[int]) -> None:
    found = np.array(groups)
    masks = list(held_out(found))
    count = len(set(groups))
    assert len(masks) == (min(FOLDS, count) if count > 1 else 0)
    for mask in masks:
        assert not set(found[mask]) & set(found[~mask])
        assert mask.any()
        assert not mask.all()
    if masks:
        np.testing.assert_array_equal(np.sum(masks, axis=0), 1)


def test_a_place_is_the_product_that_a_patch_was_cut_from() -> None:
    product = "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP"
    ids = [f"{product}_26_57", f"{product}_3_100", "elsewhere", "S2B_MSIL2A_20180502_1_2"]
    assert places(ids).tolist() == [product, product, "elsewhere", "S2B_MSIL2A_20180502"]
    assert places([]).tolist() == []
