"""Files of a model folder that hold the hash of its card."""

from __future__ import annotations

import shutil
from pathlib import Path

from landcover.models import model_files
from landcover.models.cover import load_cover, load_record
from landcover.models.model import load_model
from landcover.models.registry import ZOO


def test_a_renamed_model_keeps_its_cover_head(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(ZOO / "landcover-mosaic", folder)
    had_record = (folder / "area" / "cover.json").exists()
    card = model_files.rename(folder, "mine")
    assert load_cover(load_model(folder, "cpu")) is not None
    assert (load_record(folder, card.hash) is not None) == had_record
