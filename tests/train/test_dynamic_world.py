"""The teacher's network: its published answers, and files that are not its weights."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from landcover.core.bands import BAND_NAMES
from landcover.core.errors import BadInput
from landcover.train import dynamic_world
from landcover.train.dynamic_world import BANDS, COVERS, FEATURES
from tests.support.tiny_teacher import write_teacher


@pytest.mark.data
def test_the_published_weights_give_the_published_answers(shared_data: Path) -> None:
    folder = shared_data / "teacher"
    net = dynamic_world.load(folder / "dynamicworld.npz")
    with np.load(folder / "reference.npz") as wanted:
        arrays = [torch.from_numpy(wanted[name]) for name in wanted.files]
    inputs = next(array for array in arrays if array.shape == (1, 9, 40, 48))
    logits, features = net.answers(inputs)
    others = [array for array in arrays if array is not inputs]
    found = [each for each in others if each.shape == logits.shape]
    assert torch.allclose(found[0], logits, atol=1e-4)
    mean = next(each for each in others if each.numel() == FEATURES)
    assert torch.allclose(mean.flatten(), features.mean(dim=(0, 2, 3)), atol=1e-5)


def test_answers_cover_each_pixel(tmp_path: Path) -> None:
    net = dynamic_world.load(write_teacher(tmp_path / "t.npz"))
    logits, features = net(torch.rand(2, len(BAND_NAMES), 24, 36))
    assert logits.shape == (2, len(COVERS), 24, 36)
    assert features.shape == (2, FEATURES, 24, 36)
    assert torch.allclose(features.norm(dim=1), torch.ones(2, 24, 36), atol=1e-5)
    assert not list(net.parameters())
    assert not net.state_dict()  # it never gets into a file that we write


def test_bands_are_converted_to_level_1c_by_name() -> None:
    reflectance = torch.rand(1, len(BAND_NAMES), 2, 2)
    numbers = dynamic_world.to_level_1c(reflectance)
    assert numbers.shape[1] == len(BANDS)
    red = reflectance[:, BAND_NAMES.index("B04")] * 10_000
    assert torch.allclose(numbers[:, BANDS.index("B04")], 0.9 * red + 200, rtol=1e-4)


def _changed(tmp_path: Path, **arrays: np.ndarray) -> bytes:
    with np.load(write_teacher(tmp_path / "whole.npz")) as whole:
        kept = {name: whole[name] for name in whole.files}
    content = io.BytesIO()
    np.savez(content, **{**kept, **arrays})
    return content.getvalue()


def _zipped(content: bytes, name: str = "conv0.weight.npy") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return out.getvalue()


def _claiming(shape: tuple[int, ...]) -> bytes:
    """An array of a few bytes whose header states any shape."""
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        out, {"descr": "<f4", "fortran_order": False, "shape": shape}
    )
    return out.getvalue()


@pytest.mark.parametrize("kind", [
    "empty", "text", "other arrays", "bomb", "claims", "objects", "shape", "nan", "cut", "numbers",
])  # fmt: skip
def test_other_files_are_refused_in_one_sentence(tmp_path: Path, kind: str) -> None:
    pickled = np.array([{}], dtype=object)
    odd: dict[str, dict[str, np.ndarray]] = {
        "shape": {"conv14.weight": np.zeros((3, FEATURES, 1, 1), np.float32)},
        "nan": {"norm23.bias": np.full(FEATURES, np.nan, np.float32)},
        "numbers": {"norm23.bias": np.array("text")},
        "objects": {"norm23.bias": pickled},
    }
    content = {
        "empty": b"",
        "text": b"weights",
        "other arrays": _zipped(_claiming((0,))),
        "bomb": _zipped(bytes(100_000_000)),
        "claims": _zipped(_claiming((10**6, 10**6, 10**3))),
        "cut": write_teacher(tmp_path / "w.npz").read_bytes()[:-2_000],
    }.get(kind) or _changed(tmp_path, **odd.get(kind, {}))
    path = tmp_path / "dynamicworld.npz"
    path.write_bytes(content if kind != "empty" else b"")
    with pytest.raises(BadInput, match="does not hold the weights of Dynamic World's network"):
        dynamic_world.load(path)


def test_a_missing_or_a_large_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no file 'no\.npz'"):
        dynamic_world.load(tmp_path / "no.npz")
    large = tmp_path / "large.npz"
    large.write_bytes(bytes(6_000_000))
    with pytest.raises(BadInput, match="larger than 5 MB"):
        dynamic_world.load(large)
