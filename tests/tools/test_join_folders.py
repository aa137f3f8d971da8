"""Folders of patches are joined, and each patch counts once."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tools.join_folders import join


def folder(root: Path, names: dict[str, str]) -> Path:
    for name, text in names.items():
        patch = root / "BigEarthNet-S2" / "product" / name
        patch.mkdir(parents=True)
        (patch / "B02.tif").write_text(text)
    table = pd.DataFrame({"patch_id": list(names), "country": [root.name] * len(names)})
    table.to_parquet(root / "metadata.parquet", index=False)
    return root


def test_patches_of_both_folders_are_there_once(tmp_path: Path) -> None:
    first = folder(tmp_path / "first", {"a": "1", "b": "1"})
    second = folder(tmp_path / "second", {"b": "2", "c": "2"})
    assert join(tmp_path / "out", [first, second]) == 3
    table = pd.read_parquet(tmp_path / "out" / "metadata.parquet")
    assert table.set_index("patch_id").country.to_dict() == {
        "a": "first",
        "b": "first",
        "c": "second",
    }
    pixels = tmp_path / "out" / "BigEarthNet-S2" / "product"
    assert (pixels / "b" / "B02.tif").read_text() == "1"
    with pytest.raises(FileExistsError):
        join(tmp_path / "out", [first])
