"""A training of a timm trunk from published weights to a model that loads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from landcover.core.classes import CLASS_NAMES
from landcover.datasets import open_dataset
from landcover.models.model import load_model
from landcover.nets.timm_import import load_timm
from landcover.train.recipes.bigearthnet import configuration
from landcover.train.recipes.order import Order
from landcover.train.recipes.table import make
from tests.support import bigearthnet_tree as tree
from tests.support import tiny
from tests.support.hub_server import HubServer, needs_hub

BACKBONE = "mobilenetv3_small_050.lamb_in1k"


@needs_hub
@pytest.mark.slow
def test_a_trunk_is_trained_from_published_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(2)
    state = load_timm("The test").create_model(BACKBONE).state_dict()
    looks = [
        tree.PatchSpec(
            patch_id=tree.v2_id(column),
            labels=(CLASS_NAMES[column % 3],),
            split="train" if column < 8 else "validation",
        )
        for column in range(12)
    ]
    name = f"timm:{BACKBONE}"
    config = replace(
        configuration(name, Order(device="cpu")), epochs=1, batch=4, learning_rate=1e-9
    )
    (tmp_path / "once.json").write_text(config.to_json())
    with HubServer() as server:
        server.use(monkeypatch, tmp_path / "cache")
        server.publish(f"timm/{BACKBONE}", state, {"architecture": "mobilenetv3_small_050"})
        make(
            name,
            open_dataset("bigearthnet", tree.write_v2(tmp_path / "ben", looks)),
            tmp_path / "model",
            Order(config_file=tmp_path / "once.json", device="cpu"),
        )
        asked = len(server.requests)
        model = load_model(tmp_path / "model", "cpu")
        assert len(server.requests) == asked > 0
    assert model.card.net_options["backbone"] == BACKBONE
    assert len(model.predict(tiny.random_patch()).labels) == len(CLASS_NAMES)
    # With next to no learning the weights are still the published ones.
    kept = model.net.get_parameter("trunk.conv_head.weight")
    assert torch.allclose(kept, state["conv_head.weight"], atol=1e-2)
