"""Scales of attribution maps, which take most of the time of a tiny net's training."""

from __future__ import annotations

import pytest

from landcover.train.recipes import model_folder

__all__ = ["one_patch_for_scales"]


@pytest.fixture(autouse=True)
def one_patch_for_scales(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure attribution scales on one patch: five more take longer than a tiny net's training."""
    monkeypatch.setattr(model_folder, "SCALE_PATCHES", 1)
