"""The correction of Level-1C whose cost is measured."""

from __future__ import annotations

import numpy as np

from tools.level_1c_cost import corrected, fit_lines


def test_lines_are_fitted_for_each_band_and_applied() -> None:
    rng = np.random.default_rng(0)
    slopes = np.array([1.2, 0.5], dtype=np.float32)[:, None, None]
    pairs = []
    for _ in range(2):
        source = rng.random((2, 20, 20), dtype=np.float32)
        pairs.append((source, slopes * source - np.float32(0.1)))
    lines = fit_lines(pairs)
    np.testing.assert_allclose(lines, [[1.2, -0.1], [0.5, -0.1]], atol=1e-5)
    np.testing.assert_allclose(corrected(pairs[0][0], lines), pairs[0][1], atol=1e-5)
