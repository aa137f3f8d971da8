"""Estimated costs of training agree with hand-computed ones of small nets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from landcover import nets
from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import BadInput
from landcover.datasets.memory_mapped import PATCH_BYTES
from landcover.train import costs
from landcover.train.configuration import TrainConfig
from landcover.train.costs import OFFICIAL, Counts, as_text, cost, counts
from tests.support import bigearthnet_tree as tree
from tests.support.tiny import TinyNet

CONFIG = TrainConfig(
    net="tiny", net_options={"width": 8}, epochs=4, batch=32, shards=2, validate_every=2,
    device="cpu", precision="float32",
)  # fmt: skip
SOME = Counts(train=100, validation=40, everything=150, source="a test")


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(nets.NETS, "tiny", TinyNet)


def test_counts_agree_with_hand_computed_ones() -> None:
    record = cost(CONFIG, SOME, seconds=0.01)
    weights = 8 * 12 * 9 + 8 + 8 * 19 + 19
    assert record["parameters"] == weights
    assert record["memory_bytes"]["weights_and_optimiser"] == 5 * 4 * weights
    assert record["steps"] == 4 * 3
    assert record["disk_bytes"]["fast_store"] == 150 * PATCH_BYTES
    # Forward, and backward only for the weights, because pixels need no gradient.
    forward = 2 * (8 * 12 * 9 * 60 * 60 + 8 * 19)
    assert record["flops"]["training_per_patch"] == pytest.approx(2 * forward, rel=0.01)
    assert record["flops"]["training"] == pytest.approx(
        record["flops"]["training_per_patch"] * 100 * 4
    )
    # ReLU keeps its output, the linear layer its input. One shard is 16 patches.
    assert record["memory_bytes"]["activations"] == pytest.approx(16 * 8 * 3600 * 4, rel=0.1)
    assert record["memory_bytes"]["pixels"] == 16 * 12 * 14400 * 4
    spent = record["time"]
    assert spent["training_seconds"] == pytest.approx(400 / spent["patches_per_second"])
    assert spent["validation_seconds"] == pytest.approx(80 / spent["validation_patches_per_second"])


def test_a_net_of_a_few_bands_gets_those_bands() -> None:
    options = {"bands": ["B04", "B03", "B02", "B08"], "members": 1, "width": 4, "stem": 4}
    few = TrainConfig(
        net="trigrid", net_options={**options, "spectral": 4}, epochs=1, batch=8, device="cpu",
        precision="float32",
    )  # fmt: skip
    record = cost(few, SOME, seconds=0.01)
    assert record["memory_bytes"]["pixels"] == 8 * 4 * 14400 * 4


def test_a_second_fit_adds_its_costs() -> None:
    once, twice = (cost(CONFIG, SOME, fits=fits, seconds=0.01) for fits in (1, 2))
    assert twice["epochs"] == 8
    assert twice["flops"]["training"] == pytest.approx(2.4 * once["flops"]["training"])
    assert twice["steps"] == once["steps"] + 4 * 4


def test_the_text_describes_how_each_value_was_obtained() -> None:
    record = cost(CONFIG, SOME, seconds=0.01)
    text = as_text(record)
    assert all(how in text for how in record["how"].values())
    assert "63.3 GB" in text


def test_patches_are_counted_in_folders_and_tables(tmp_path: Path) -> None:
    official = counts("bigearthnet", None)
    assert official.everything == 480_038
    assert (official.train, official.validation) == (OFFICIAL["train"], OFFICIAL["validation"])
    splits = ["train"] * 3 + ["validation"]
    specs = [
        tree.PatchSpec(patch_id=tree.v2_id(column), labels=(CLASS_NAMES[0],), split=split)
        for column, split in enumerate(splits)
    ]
    root = tree.write_v2(tmp_path / "all", specs)
    here = counts("bigearthnet", root)
    assert (here.train, here.validation, here.everything) == (3, 1, 4)
    table = tmp_path / "table"
    table.mkdir()
    tree.write_table(table / "metadata.parquet", specs)
    only = counts("bigearthnet", table)
    assert (only.train, only.validation, only.everything) == (3, 1, 4)
    assert "not downloaded yet" in only.source
    (table / "metadata.parquet").write_bytes(b"nothing")
    with pytest.raises(BadInput, match="damaged"):
        counts("bigearthnet", table)


def test_a_batch_larger_than_the_data_is_refused() -> None:
    with pytest.raises(BadInput, match="fewer than a batch"):
        cost(replace(CONFIG, batch=200), SOME)


def test_official_counts_equal_those_of_the_official_table(shared_data: Path) -> None:
    assert (
        costs.patches_in_table(shared_data / "bigearthnet/metadata-all-480038.parquet") == OFFICIAL
    )
