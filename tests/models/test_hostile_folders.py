"""Model folders made to do harm are refused with one sentence, within a second or two."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from landcover import nets
from landcover.core.errors import BadInput, CorruptModel, LandcoverError
from landcover.models import registry, store
from landcover.models.card import CARD_FILE, WEIGHTS_FILE, read_card
from landcover.models.model import load_model, save_model, weights_bytes
from landcover.nets.budget import NetTooLarge, bounded
from landcover.trust import files as trust_files
from tests.support import tiny

SECONDS = 20
"""A loaded machine is slow; what is refused here would take minutes or for ever."""


@pytest.fixture(autouse=True)
def _tiny_net(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(nets.NETS, tiny.NAME, tiny.TinyNet)


def refused(folder: Path) -> str:
    begun = time.monotonic()
    with pytest.raises(LandcoverError) as error:
        load_model(folder, "cpu")
    assert time.monotonic() - begun < SECONDS
    sentence = str(error.value)
    assert sentence.isprintable()
    assert len(sentence) < 600
    return sentence


def with_options(folder: Path, net: str, options: dict[str, Any]) -> Path:
    """A folder whose card has any options, and weights that its hash belongs to."""
    weights = weights_bytes(tiny.TinyNet())
    save_model(tiny.tiny_card(weights), weights, folder)
    card = json.loads((folder / CARD_FILE).read_text("utf-8"))
    card |= {"net": net, "net_options": options}
    (folder / CARD_FILE).write_text(json.dumps(card), "utf-8")
    return folder


def edited(folder: Path, old: str, new: str) -> Path:
    tiny.tiny_folder(folder)
    text = (folder / CARD_FILE).read_text("utf-8")
    assert old in text
    (folder / CARD_FILE).write_text(text.replace(old, new, 1), "utf-8")
    return folder


@pytest.mark.parametrize(
    ("net", "options"),
    [
        ("trigrid", {"members": 1_000_000}),
        ("trigrid", {"members": 10**30}),
        ("trigrid", {"members": -1}),
        ("trigrid", {"width": 10**8}),
        ("trigrid", {"width": "x" * 10_000}),
        ("trigrid", {"bands": ["B02"] * 100_000}),
        ("mosaic", {"lites": [{}] * 10_000, "shares": [1.0] * 10_000}),
        ("mosaic", {"taught": [{}] * 10_000, "shares": [1.0] * 10_000}),
        ("mosaic", {"lites": [{}], "shares": [1.0], "symmetries": 10**9}),
        ("mosaic", {"lites": [{}], "shares": [1.0], "sets": 10**12}),
        ("mosaic", {"taught": {}, "lites": {}, "shares": {}}),
        ("mosaic", {"taught": [{}], "shares": ["x"]}),
        ("taught", {"widths": [10**8, 1, 1]}),
        ("taught", {"blocks": [10**9, 1, 1]}),
        ("taught", {"features": -1}),
        ("rgb-lite0", {"symmetries": 10**12}),
        ("rgb-lite0", {"enlarge": 1e9}),
        ("spectral-lite0", {"enlarge": 0.0}),
        ("spectral-lite0", {"taps": []}),
        ("spectral-lite0", {"taps": [2] * 100_000}),
        ("resnet", {"depth": 10**9}),
        ("resnet", {"width": 8 * 10**9}),
        ("random-convolution", {"sides": [3] * 1_000_000}),
        ("random-convolution", {"sides": [10**9 + 1]}),
        ("band-statistics", {"trees": 10**9, "nodes": 9, "leaves": 9, "depth": 8}),
        ("class-prior", {"classes": 10**15}),
        ("estimated-bands", {"net": "estimated-bands", "net_options": {}}),
        ("timm", {"backbone": "hf-hub:somebody/something"}),
        ("\x1b[31m\n" * 500, {}),
    ],
)
def test_absurd_options_are_refused_before_a_net_of_them_exists(
    tmp_path: Path, net: str, options: dict[str, Any]
) -> None:
    refused(with_options(tmp_path / "m", net, options))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"parameters": 1', '"parameters": ' + "9" * 400),
        ('"parameters": 1', '"parameters": 1, "parameters": 2'),
        ('"parameters": 1', '"parameters": NaN'),
        ('"parameters": 1', '"parameters": 1e400'),
        ('"width": 8', '"width": ' + "[" * 100 + "]" * 100),
        ('"width": 8', '"width": ' + "[" * 500_000),
        ('"width": 8', '"width": [' + "0," * 900_000 + "0]"),
        ('"pixels": 120', '"pixels": 1000000000'),
        ('"pixels": 120', '"pixels": 0'),
        ('"version": 1', '"version": "' + "\\n\\u001b[2J" * 9_000 + '"'),
        ('"title": "Tiny net"', '"title": "' + "long " * 9_000 + '"'),
        ('"title": "Tiny net"', '"title": "\\u001b[2J"'),
    ],
)
def test_a_card_with_absurd_json_is_refused(tmp_path: Path, old: str, new: str) -> None:
    refused(edited(tmp_path / "m", old, new))


@pytest.mark.parametrize("name", [CARD_FILE, WEIGHTS_FILE])
@pytest.mark.parametrize("kind", ["pipe", "device", "outside", "circle", "folder"])
def test_only_regular_files_of_the_folder_are_read(tmp_path: Path, name: str, kind: str) -> None:
    path = tiny.tiny_folder(tmp_path / "m") / name
    moved = path.rename(tmp_path / "elsewhere")
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to({"device": "/dev/zero", "outside": moved, "circle": path}[kind])
    assert name in refused(tmp_path / "m")


def test_a_link_in_a_model_is_not_copied(tmp_path: Path) -> None:
    folder = tiny.tiny_folder(tmp_path / "m")
    (tmp_path / "secret").write_text("{}")
    (folder / "config.json").symlink_to(tmp_path / "secret")
    models = registry.Registry(shipped=tmp_path / "none", home=tmp_path / "home")
    with pytest.raises(BadInput, match=r"config\.json.*link"):
        store.add(models, folder, "mine")
    assert "mine" not in models.user_names()


def test_an_archive_that_is_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "m.zip")
    models = registry.Registry(shipped=tmp_path / "none", home=tmp_path / "home")
    with pytest.raises(BadInput, match="cannot be read"):
        store.import_archive(models, tmp_path / "m.zip")


def test_a_net_for_another_window_is_refused(tmp_path: Path) -> None:
    """The weights fit the options, but not the bands that the card names."""
    net = nets.build("trigrid", bands=["B02", "B03", "B04"], members=1)
    weights = weights_bytes(net)
    options = {"bands": ["B02", "B03", "B04"], "members": 1}
    card = tiny.tiny_card(
        weights,
        net="trigrid",
        net_options=options,
        bands=("B02", "B03"),
        mean=(0.1,) * 2,
        std=(0.1,) * 2,
    )
    save_model(card, weights, tmp_path / "m")
    assert "do not fit" in refused(tmp_path / "m")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff" * 8,
        (2**40).to_bytes(8, "little") + b"{}",
        (8).to_bytes(8, "little") + b'{"a":1}}',
        (100_000).to_bytes(8, "little") + b"[" * 100_000,
        (3_000_000).to_bytes(8, "little") + b'{"a":' * 600_000,
    ],
)
def test_damaged_weights_with_the_right_hash_are_refused(tmp_path: Path, data: bytes) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / WEIGHTS_FILE).write_bytes(data)
    tiny.tiny_card(data).write(folder)
    assert read_card(folder).weights_sha256 == hashlib.sha256(data).hexdigest()
    refused(folder)


@pytest.mark.parametrize(
    "text", ["[" * 9_999, '{"values": {}, "values": {}}', '{"card_hash": ' + "1" * 900 + "}", "3"]
)
def test_a_damaged_trust_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / trust_files.FOLDER).mkdir()
    (tmp_path / trust_files.FOLDER / "verdict.json").write_text(text)
    with pytest.raises(CorruptModel, match=r"verdict\.json"):
        trust_files.read_json(tmp_path, "verdict", "0")


def test_a_trust_file_that_is_a_pipe_is_refused(tmp_path: Path) -> None:
    (tmp_path / trust_files.FOLDER).mkdir()
    os.mkfifo(tmp_path / trust_files.FOLDER / "novelty.safetensors")
    with pytest.raises(CorruptModel, match="cannot be read"):
        trust_files.read_tensors(tmp_path, "novelty", "0")


def test_the_budget_holds_for_one_block_only() -> None:
    with torch.device("meta"):
        with bounded(3, 10**6), pytest.raises(NetTooLarge, match="3 layers"):
            nets.build("trigrid", members=2)
        with bounded(10**6, 10), pytest.raises(NetTooLarge, match="parameters"):
            nets.build("class-prior", classes=19)
        nets.build("trigrid", members=2)
