"""Files in a model folder are read back as written, and refused with any other card."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from landcover.core.errors import CorruptModel
from landcover.models import fitted_files
from landcover.trust import files

HASH = "0123456789ab"
VALUES = {"a": 1.5, "name": "Ödland", "list": [1, None, {"b": True}]}


def test_values_are_read_back(tmp_path: Path) -> None:
    path = files.write_json(tmp_path / "model", "figures", HASH, VALUES)
    assert path == tmp_path / "model" / "trust" / "figures.json"
    assert files.read_json(tmp_path / "model", "figures", HASH) == VALUES
    assert [p.name for p in path.parent.iterdir()] == ["figures.json"]


def test_tensors_are_read_back(tmp_path: Path) -> None:
    tensors = {"x": torch.arange(6).reshape(2, 3).half(), "n": torch.tensor([1, 2])}
    files.write_tensors(tmp_path, "index", HASH, tensors, VALUES)
    found = files.read_tensors(tmp_path, "index", HASH)
    assert found is not None
    assert found[1] == VALUES
    assert found[0].keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found[0][name].dtype == tensor.dtype
        assert torch.equal(found[0][name], tensor)


def test_a_missing_file_gives_none(tmp_path: Path) -> None:
    assert files.read_json(tmp_path, "figures", HASH) is None
    assert files.read_tensors(tmp_path, "index", HASH) is None


def test_a_file_of_another_card_is_refused(tmp_path: Path) -> None:
    files.write_json(tmp_path, "figures", HASH, VALUES)
    files.write_tensors(tmp_path, "index", HASH, {"x": torch.ones(1)}, VALUES)
    with pytest.raises(CorruptModel, match="another card or other weights; make it again"):
        files.read_json(tmp_path, "figures", "ba9876543210")
    with pytest.raises(CorruptModel, match="another card or other weights; make it again"):
        files.read_tensors(tmp_path, "index", "ba9876543210")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"card_hash": "0123456789ab"}', '{"values": {}}', "[" * 100_000]
)
def test_damaged_json_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "trust").mkdir()
    (tmp_path / "trust" / "figures.json").write_text(text)
    with pytest.raises(CorruptModel):
        files.read_json(tmp_path, "figures", HASH)


@given(cut=st.integers(0, 250), flip=st.integers(0, 80))
def test_damaged_tensors_are_refused_or_unchanged(
    tmp_path_factory: pytest.TempPathFactory, cut: int, flip: int
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    path = files.write_tensors(folder, "index", HASH, {"x": torch.ones(4)}, VALUES)
    data = bytearray(path.read_bytes())
    data[flip] ^= 0x55
    path.write_bytes(bytes(data[: len(data) - cut]))
    try:
        found = files.read_tensors(folder, "index", HASH)
    except CorruptModel:
        return
    assert found is not None
    assert isinstance(found[1], dict)


def test_too_large_files_are_neither_written_nor_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = files.write_json(tmp_path, "figures", HASH, VALUES)
    monkeypatch.setattr(fitted_files, "MAX_BYTES", 20)
    with pytest.raises(CorruptModel, match="larger than"):
        files.read_json(tmp_path, "figures", HASH)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="more than 20"):
        files.write_json(tmp_path, "figures", HASH, VALUES)
    assert path.read_bytes() == before


def test_nan_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        files.write_json(tmp_path, "figures", HASH, {"x": float("nan")})
    assert not (tmp_path / "trust").exists()


def test_the_file_contains_the_hash_and_the_values(tmp_path: Path) -> None:
    path = files.write_json(tmp_path, "figures", HASH, VALUES)
    assert json.loads(path.read_text(encoding="utf-8")) == {"card_hash": HASH, "values": VALUES}
