"""The load on the app: four sessions for six seconds, and how leaks are measured."""

from __future__ import annotations

import pytest

from tools.hostile import load
from tools.hostile.load import MIB, Load, Measured


@pytest.mark.slow
def test_a_short_load_goes_without_errors() -> None:
    small = Load(sessions=4, seconds=6, steady_s=3, think_s=0.7)
    found = load.drive(small)
    assert found.errors == []
    assert len(found.clicks_s) >= 3
    assert found.opened_s
    assert found.requests > 5
    assert 0 < found.peak < 3000 * MIB
    first, *_, last = load.rows(small, found, strict=False)
    assert first.what == "warm classifications, 4 sessions"
    assert first.failed == 0
    assert "p95" in first.figure
    assert "MiB per 100 requests" in last.figure


def test_the_slope_is_that_of_the_second_half_without_peaks() -> None:
    steady = [(k * 10, 500 * MIB + (300 * MIB if k % 3 else 0)) for k in range(200)]
    assert load.slope(steady) == pytest.approx(0.0, abs=1e-6)
    warm_up = [(k * 10, (100 + min(k, 50)) * MIB) for k in range(200)]
    assert load.slope(warm_up) == pytest.approx(0.0, abs=1e-6)
    leaking = [(k * 10, (500 + k) * MIB) for k in range(200)]
    assert load.slope(leaking) == pytest.approx(10.0)
    assert load.slope([]) == 0.0


def test_a_missed_target_counts_as_failed() -> None:
    found = Measured(alone_s=[0.1], clicks_s=[2.0] * 10, explained=1)
    found.steady = [(k * 10, (500 + k) * MIB) for k in range(200)]
    assert [row.failed for row in load.rows(Load(), found, strict=True)] == [1, 0, 0, 0, 0, 1]
    assert [row.failed for row in load.rows(Load(), found, strict=False)] == [0] * 6
