"""The patches with which the cost of small and coarse files is measured."""

from __future__ import annotations

import numpy as np

from tests.support import tiny
from tools.window_cost import CASES, coarse, cropped


def test_a_cropped_patch_has_the_middle_and_its_reflection() -> None:
    patch = tiny.random_patch()
    found = cropped(patch, 60, 81)
    assert found.data.shape == patch.data.shape
    assert found.provenance.padded_fraction == round(1 - 60 * 81 / 120**2, 4)
    np.testing.assert_array_equal(found.data[:, 30:90, 18:99], patch.data[:, 30:90, 19:100])


def test_a_coarse_patch_has_means() -> None:
    patch = tiny.random_patch()
    found = coarse(patch, 6)
    np.testing.assert_allclose(found.data[:, 5, 5], patch.data[:, :6, :6].mean(axis=(1, 2)), 1e-5)
    assert (np.ptp(found.data[:, :6, :6], axis=(1, 2)) == 0).all()


def test_each_case_keeps_the_size_of_the_window() -> None:
    patch = tiny.random_patch()
    assert {change(patch).data.shape for change in CASES.values()} == {patch.data.shape}
