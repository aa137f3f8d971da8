"""Images of several dates: how many of them are open at a time."""

from __future__ import annotations

import gc
import tempfile
from pathlib import Path

import pytest

from landcover.time.mapped import opened
from tests.support.stack_files import numbers, tif


def test_images_of_many_dates_are_not_all_open_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each holds a file and up to 1.5 GB of decoded pixels in a temporary folder."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    shots = []
    for day in range(1, 8):
        path = tmp_path / f"lake_2020-06-0{day}.tif"
        path.write_bytes(tif(numbers(side=130)))
        shots.append(opened(str(path)))
    gc.collect()
    assert 0 < len(list(temporary.iterdir())) < len(shots)
    assert [shot.imagery.acquired.day for shot in shots if shot.imagery.acquired] == [*range(1, 8)]
