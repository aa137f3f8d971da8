"""The data set of the tests of runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import runs


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return runs.patches(tmp_path_factory.mktemp("data") / "ben")
