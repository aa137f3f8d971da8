"""Wilson's interval."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landcover.metrics.intervals import wilson


@given(st.integers(1, 500), st.floats(0, 1))
def test_wilsons_interval_contains_the_share_and_stays_in_range(count: int, share: float) -> None:
    hits = round(share * count)
    low, high = wilson(hits, count)
    assert 0 <= low <= hits / count <= high <= 1
    assert high - low < 1


def test_wilson_of_a_textbook_case() -> None:
    # Agresti and Coull 1998: none of 10 gives 0 to 0.278; 5 of 10 gives 0.237 to 0.763.
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-3)
    assert wilson(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-3)
    assert wilson(0, 0) == (0.0, 1.0)
