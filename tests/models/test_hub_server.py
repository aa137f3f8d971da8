"""Published models through the hub's own library, from a server on loopback in place of the hub.

The weights are made by timm's own nets, which the published models are: its names of layers, its
order of tensors and its scores, not ours. Only the numbers are random.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from landcover.core import limits
from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import CorruptModel, FetchError, LandcoverError
from landcover.models import hub, registry
from landcover.models.model import load_model
from landcover.nets.timm_import import load_timm
from tests.live.loopback import Fault
from tests.support.hub_server import WEIGHTS, HubServer, needs_hub
from tests.support.tiny import random_patch

pytestmark = needs_hub

SMALL = "reben:resnet18-s2-v0.2.0"
NAMES = [
    name if "resnet18" in name else pytest.param(name, marks=pytest.mark.slow)
    for name in hub.MODELS
]
PREFIX = "model.vision_encoder."


@cache
def published_net(depth: int) -> nn.Module:
    """The net that is published, as its authors make it: timm's, for ten bands and 19 classes."""
    torch.manual_seed(depth)
    timm = load_timm("The published net")
    net: nn.Module = timm.create_model(f"resnet{depth}", in_chans=10, num_classes=19)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):  # as after a training
            nn.init.uniform_(module.weight, 0.3, 0.8)
            module.get_buffer("running_mean").normal_(std=0.1)
    return net.eval()


def state_of(depth: int) -> dict[str, Tensor]:
    return {PREFIX + name: value for name, value in published_net(depth).state_dict().items()}


def config_of(name: str) -> dict[str, Any]:
    """The part of the published ``config.json`` that names the net."""
    depth, _ = hub.MODELS[name]
    return {
        "config": {
            "network_type": 0,
            "timm_model_name": f"resnet{depth}",
            "image_size": 120,
            "channels": 10,
            "classes": 19,
        },
        "lr": 0.001,
        "warmup": None,
    }


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    monkeypatch.setenv("LANDCOVER_HOME", str(tmp_path / "home"))
    with HubServer() as running:
        running.use(monkeypatch, tmp_path / "cache")
        yield running


def publish(server: HubServer, name: str, state: dict[str, Tensor] | None = None) -> str:
    repository = f"{hub.OWNER}/{name.removeprefix(hub.PREFIX)}"
    server.publish(repository, state or state_of(hub.MODELS[name][0]), config_of(name))
    return repository


@pytest.mark.parametrize("name", NAMES)
def test_every_listed_model_gives_the_scores_of_the_published_net(
    name: str, server: HubServer
) -> None:
    publish(server, name)
    depth, version = hub.MODELS[name]
    model = load_model(hub.folder(name), "cpu")
    patch = random_patch(depth)
    prediction = model.predict(patch)
    rows = [
        (patch.band(band) * 10_000 - hub.STATISTICS[band][0]) / hub.STATISTICS[band][1]
        for band in hub.ORDERS[version]
    ]
    with torch.inference_mode():
        (scores,) = published_net(depth)(torch.from_numpy(np.stack(rows))[None].float())
    assert len(set(scores.tolist())) == len(CLASS_NAMES)
    for label, score in zip(sorted(CLASS_NAMES), scores.tolist(), strict=True):
        assert prediction.of(label).score == pytest.approx(score, rel=1e-3, abs=1e-3)
    # It can be explained, so that its scores have a gradient for every band.
    pixels = torch.rand(1, 10, 120, 120, requires_grad=True)
    model.net(pixels)[0, 0].backward()
    assert pixels.grad is not None
    assert (pixels.grad.abs().amax(dim=(0, 2, 3)) > 0).all()
    # What was converted is a model of the user's, and is not fetched again.
    asked = len(server.requests)
    assert registry.default().card(name).parameters == sum(
        value.numel() for value in published_net(depth).parameters()
    )
    assert len(server.requests) == asked


def spoiled(change: Callable[[dict[str, Tensor]], object]) -> dict[str, Tensor]:
    state = state_of(18)
    change(state)
    return state


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state.pop(f"{PREFIX}layer4.1.bn2.running_var"),
        lambda state: state.update({f"{PREFIX}conv1.weight": torch.zeros(64, 12, 7, 7)}),
        lambda state: state.update({f"{PREFIX}fc.weight": torch.zeros(43, 512)}),
        lambda state: state.update({f"{PREFIX}fc.bias": torch.zeros(())}),
        lambda state: state.update({f"{PREFIX}layer5.0.conv1.weight": torch.zeros(1)}),
        lambda state: [state.update({key[len(PREFIX) :]: state.pop(key)}) for key in list(state)],
    ],
    ids=["missing", "bands", "classes", "scalar", "more", "unprefixed"],
)
def test_other_weights_are_refused(change: Callable[[dict[str, Tensor]], object]) -> None:
    with pytest.raises(CorruptModel, match="its weights are not those of ResNet-18: delete its"):
        hub.convert(SMALL, spoiled(change))


def test_a_refused_file_is_fetched_again_once_deleted(server: HubServer) -> None:
    repository = publish(server, SMALL, spoiled(lambda state: state.popitem()))
    with pytest.raises(CorruptModel, match="its weights are not those of ResNet-18: delete ") as it:
        hub.folder(SMALL)
    named = Path(str(it.value).partition("delete ")[2].removesuffix(" and fetch it again."))
    named.unlink()
    server.publish(repository, state_of(18), {})
    assert load_model(hub.folder(SMALL), "cpu").card.name == SMALL


@pytest.mark.parametrize("damage", [lambda data: data[:-100], lambda _: b"\x80\x04pickle" * 99])
def test_a_damaged_file_is_refused(
    damage: Callable[[bytes], bytes], server: HubServer, tmp_path: Path
) -> None:
    files = server.repositories[publish(server, SMALL)]
    files[WEIGHTS] = damage(files[WEIGHTS])
    with pytest.raises(CorruptModel, match="its file cannot be read: delete "):
        hub.folder(SMALL)
    assert not list((tmp_path / "home").rglob("card.json"))


@pytest.mark.parametrize("kind", ["truncated", "longer", "html"])
def test_an_answer_that_is_not_the_file_gives_one_sentence(kind: Any, server: HubServer) -> None:
    publish(server, SMALL)
    server.fault("/store/*", Fault(kind=kind))
    with pytest.raises(FetchError, match=r"could not be fetched from huggingface\.co"):
        hub.folder(SMALL)
    server.heal()
    assert hub.folder(SMALL).is_dir()


def test_a_model_that_the_hub_does_not_have_gives_one_sentence(server: HubServer) -> None:
    with pytest.raises(FetchError, match=r"could not be fetched from huggingface\.co"):
        hub.folder(SMALL)
    del server.repositories[publish(server, SMALL)][WEIGHTS]
    with pytest.raises(FetchError, match=r"could not be fetched from huggingface\.co"):
        hub.folder(SMALL)


def test_a_hub_that_nobody_answers_for_gives_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANDCOVER_HOME", str(tmp_path / "home"))
    with HubServer() as gone:
        gone.use(monkeypatch, tmp_path / "cache")
    with pytest.raises(FetchError, match="connect to the internet"):
        hub.folder(SMALL)


def test_a_large_file_is_not_downloaded(server: HubServer) -> None:
    publish(server, SMALL)
    server.sizes[WEIGHTS] = limits.current().model_download_bytes + 1
    with pytest.raises(LandcoverError, match="more than the 2,000 MB of a published model"):
        hub.folder(SMALL)
    assert {request.method for request in server.requests} == {"HEAD"}


def test_a_large_file_in_the_cache_is_not_read(
    server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(server, SMALL)
    hub.folder(SMALL)
    monkeypatch.setenv("LANDCOVER_HOME", str(tmp_path / "other"))
    monkeypatch.setenv("LANDCOVER_LIMIT_MODEL_DOWNLOAD_BYTES", "1000000")
    server.fault("*", Fault(kind="status"))
    with pytest.raises(FetchError, match="has 45 MB, more than the 1 MB of a published model"):
        hub.folder(SMALL)


def test_a_file_in_the_cache_needs_no_network(
    server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(server, SMALL)
    hub.folder(SMALL)
    monkeypatch.setenv("LANDCOVER_HOME", str(tmp_path / "other"))
    server.fault("*", Fault(kind="status"))
    assert hub.folder(SMALL).is_relative_to(tmp_path / "other")
