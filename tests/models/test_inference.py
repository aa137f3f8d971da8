"""Fast scores equal plain ones: exactly in float32, nearly in bfloat16."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import get_ident
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from landcover import nets
from landcover.core.errors import BadInput
from landcover.datasets.bigearthnet import open_v2
from landcover.io.samples import NAMES
from landcover.metrics.scores import average_precision, counted_classes
from landcover.models import registry
from landcover.models.devices import supports_bfloat16
from landcover.models.inference import CHUNK_PIXELS, Convolution, Scorer, fold
from tests.support import tiny
from tests.support.examples import sampled

SMALL: dict[str, tuple[str, dict[str, Any], tuple[int, int]]] = {
    "trigrid": ("trigrid", {"members": 2, "width": 8, "stem": 4, "spectral": 8}, (12, 48)),
    "spectral": ("spectral-lite0", {"taps": [2, 4], "spectral": 8}, (12, 48)),
    "rgb": ("rgb-lite0", {"symmetries": 2, "enlarge": 2.0}, (3, 32)),
    "resnet": ("resnet", {"depth": 18, "width": 8}, (12, 64)),
    "bottlenecks": ("resnet", {"depth": 50, "width": 8}, (12, 64)),
    "random": ("random-convolution", {"filters": 8}, (12, 48)),
    "mosaic": (
        "mosaic",
        {
            "taught": [{"stem": 8, "widths": [8, 12, 16], "blocks": [1, 1, 1]}],
            "lites": [{"taps": [2], "spectral": 8}],
            "shares": [1.0, 1.0],
        },
        (12, 48),
    ),
    "prior": ("class-prior", {}, (12, 48)),
}
BFLOAT16 = supports_bfloat16(torch.device("cpu"))


def randomised(net: nn.Module) -> nn.Module:
    """Give the net weights as after training: no normalisation or filter is trivial."""
    torch.manual_seed(0)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)  # type: ignore[arg-type]
            nn.init.uniform_(module.running_var, 0.5, 1.5)  # type: ignore[arg-type]
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.2, 0.2)
        if isinstance(module, nn.Conv2d) and not module.weight.any():
            nn.init.normal_(module.weight, std=0.1)
    return net.eval().requires_grad_(requires_grad=False)


def made(name: str, count: int = 3) -> tuple[nn.Module, Tensor]:
    architecture, options, (bands, side) = SMALL[name]
    torch.manual_seed(0)
    net = randomised(nets.build(architecture, **options))
    return net, torch.rand(count, bands, side, side, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", SMALL)
def test_float32_differs_by_rounding_only(name: str) -> None:
    net, pixels = made(name)
    with torch.inference_mode():
        expected = net(pixels)
    found = Scorer(net, pixels[:2], "float32")(pixels)
    assert found.dtype == torch.float32
    # Logits are sums; random weights make some of them hundreds, and the others round like these.
    largest = max(1.0, float(expected.abs().max()))
    assert float((found - expected).abs().max()) < 1e-5 * largest


@pytest.mark.skipif(not BFLOAT16, reason="this processor does not compute in bfloat16")
@pytest.mark.parametrize("name", SMALL)
def test_bfloat16_stays_near(name: str) -> None:
    net, pixels = made(name)
    scorer = Scorer(net, pixels[:2])
    assert scorer.precision == "bfloat16"
    with torch.inference_mode():
        expected = net(pixels)
    # Random weights make some logits hundreds; those of trained nets are below ten.
    scale = max(1.0, float(expected.abs().max()) / 10)
    found = (scorer(pixels) / scale).sigmoid() - (expected / scale).sigmoid()
    assert float(found.abs().max()) < 0.05


@pytest.mark.parametrize("name", [name for name in SMALL if name != "prior"])
def test_every_normalisation_and_activation_module_is_folded(name: str) -> None:
    net, pixels = made(name, 2)
    left = [type(module).__name__ for module in fold(net, pixels).modules()]
    assert not {"BatchNorm2d", "ReLU", "ReLU6", "Conv2d"} & set(left)
    assert "Convolution" in left


def test_the_net_itself_is_unchanged() -> None:
    net, pixels = made("spectral", 2)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    Scorer(net, pixels)(pixels)
    assert not any(isinstance(module, Convolution) for module in net.modules())
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


def test_chunks_give_the_scores_of_the_full_batch() -> None:
    net, _ = made("trigrid")
    side = 240
    pixels = torch.rand(CHUNK_PIXELS // side**2 + 3, 12, side, side)
    scorer = Scorer(net, pixels[:1], "float32")
    alone = torch.cat([scorer(one[None]) for one in pixels])
    assert torch.allclose(scorer(pixels), alone, atol=1e-5)


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.delenv("LANDCOVER_CORES", raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_cores")
@pytest.mark.parametrize("count", sampled([3, 4, 7, 41], [3, 7]))
def test_several_cores_give_the_scores_of_one(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    net, pixels = made("spectral", count)
    scorer = Scorer(net, pixels[:2], "float32")
    with monkeypatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        alone = scorer(pixels)
    assert torch.allclose(scorer(pixels), alone, rtol=1e-5, atol=1e-5)
    assert torch.get_num_threads() == 2
    with ThreadPoolExecutor(1) as later:
        assert later.submit(torch.get_num_threads).result() == 2


@pytest.mark.usefixtures("two_cores")
@pytest.mark.parametrize(("ours", "workers"), [(False, 1), (True, 2)])
def test_torchs_number_of_threads_limits_the_cores(
    *, ours: bool, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = []
    if ours:  # as set by landcover.core.threads.configure_threads
        monkeypatch.setenv("LANDCOVER_CORES", "2")
    torch.set_num_threads(1)
    net, pixels = made("trigrid", 8)
    scorer = Scorer(net, pixels[:2], "float32")
    scorer.net.register_forward_hook(lambda *_: begun.append(get_ident()))
    scorer(pixels)
    assert (get_ident() in begun) == (workers == 1)
    assert len(set(begun)) <= workers


@pytest.mark.usefixtures("two_cores")
def test_an_error_on_one_core_is_raised_and_restores_the_threads() -> None:
    net, pixels = made("trigrid")
    scorer = Scorer(net, pixels, "float32")
    with pytest.raises(BadInput, match="multiples of 24"):
        scorer(torch.rand(8, 12, 48, 50))
    assert torch.get_num_threads() == 2


class _Reuses(nn.Module):
    """A convolution whose raw output is also used: folding would change the result."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(12, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 19)

    def forward(self, pixels: Tensor) -> Tensor:
        raw = self.conv(pixels)
        logits: Tensor = self.head((raw + torch.relu(self.norm(raw))).mean(dim=(2, 3)))
        return logits


class _SharesNorm(nn.Module):
    """One normalisation after two convolutions: it cannot be folded into either."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(12, 4, 3), nn.Conv2d(4, 4, 3)
        self.norm, self.act, self.head = nn.BatchNorm2d(4), nn.ReLU(), nn.Linear(4, 19)

    def forward(self, pixels: Tensor) -> Tensor:
        features = self.act(self.norm(self.second(self.norm(self.first(pixels)))))
        logits: Tensor = self.head(features.mean(dim=(2, 3)))
        return logits


@pytest.mark.parametrize("kind", [_Reuses, _SharesNorm])
def test_a_net_that_cannot_be_folded_gives_the_same_scores(kind: type[nn.Module]) -> None:
    net, pixels = randomised(kind()), torch.rand(2, 12, 24, 24)
    assert any(isinstance(module, nn.BatchNorm2d) for module in fold(net, pixels).modules())
    with torch.inference_mode():
        expected = net(pixels)
    assert torch.allclose(Scorer(net, pixels, "float32")(pixels), expected, atol=1e-4)


def test_fast_predictions_equal_plain_ones() -> None:
    model = tiny.tiny_model()
    pixels = torch.rand(5, 12, 120, 120)
    plain, fast = model.predict_pixels(pixels), model.predict_pixels(pixels, fast=True)
    assert fast.shape == plain.shape
    assert np.abs(fast - plain).max() < 0.02
    assert model.predict_pixels(pixels[:0], fast=True).shape == (0, 19)


def test_fast_predictions_select_the_bands_of_the_card() -> None:
    model = registry.default().load(registry.DEFAULT_MODEL, "cpu")
    from landcover.io import sources  # noqa: PLC0415 - only here

    pixels = torch.stack([model.tensor(sources.read(name)) for name in NAMES])
    plain, fast = model.predict_pixels(pixels), model.predict_pixels(pixels, fast=True)
    assert np.abs(fast - plain).max() < 0.05


@pytest.mark.slow
@pytest.mark.data
def test_on_real_validation_patches_the_metrics_are_equal(shared_data: Path) -> None:
    store = open_v2(shared_data / "bigearthnet").load("validation")
    model = registry.default().load(registry.DEFAULT_MODEL, "cpu")
    parts = [store.pixels(range(at, min(at + 32, len(store)))) for at in range(0, len(store), 32)]
    plain, fast = (
        np.concatenate([model.predict_pixels(part, fast=way) for part in parts])
        for way in (False, True)
    )
    exact = torch.cat([Scorer(model.net, parts[0][:2], "float32")(part) for part in parts])
    assert np.abs(model.probabilities(exact).numpy() - plain).max() < 1e-5
    assert np.abs(fast - plain).max() < 0.05
    truth = store.targets.numpy().astype(bool)
    classes = counted_classes(truth)

    def figures(answer: np.ndarray[Any, np.dtype[np.float32]]) -> tuple[float, float]:
        each = [average_precision(truth[:, k], answer[:, k]) for k in classes]
        return float(np.mean(each)), average_precision(truth, answer)

    macro, micro = np.abs(np.subtract(figures(fast), figures(plain)))
    assert micro < 1e-3
    assert macro < 2e-3
