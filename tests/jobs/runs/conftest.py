"""What the tests of runs share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import runs
from tests.support.scales import one_patch_for_scales

__all__ = ["one_patch_for_scales", "root"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return runs.patches(tmp_path_factory.mktemp("data") / "ben")
