"""A tiny real net with its card, for tests of the code around nets."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from landcover import nets
from landcover.core.bands import BAND_NAMES
from landcover.core.classes import CLASS_NAMES
from landcover.core.raster import Provenance, Raster
from landcover.core.window import grid
from landcover.models import registry
from landcover.models.card import Card
from landcover.models.model import Model, save_model, weights_bytes
from landcover.nets.outputs import NetOutput
from landcover.train.decisions import decide
from landcover.trust.quality import quality_of
from landcover.trust.result import Result
from landcover.trust.verdict import ALL_PASSED, Verdict

NAME = "tiny-test-net"
VISIBLE = ("B04", "B03", "B02")


class TinyNet(nn.Module):
    """One convolution, its mean, and one linear layer."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.conv = nn.Conv2d(12, width, 3, stride=2, padding=1)
        self.head = nn.Linear(width, len(CLASS_NAMES))

    @property
    def cam_layer(self) -> nn.Module:
        return self.conv

    def forward(self, pixels: Tensor) -> Tensor:
        return self.read(pixels).scores

    def read(self, pixels: Tensor) -> NetOutput:
        features = torch.relu(self.conv(pixels)).mean(dim=(2, 3))
        return NetOutput(self.head(features), features)


def tiny_card(weights: bytes, **changes: object) -> Card:
    values: dict[str, object] = {
        "name": NAME,
        "title": "Tiny net",
        "summary": "A net for tests.",
        "net": NAME,
        "net_options": {"width": 8},
        "mean": (0.1,) * 12,
        "std": (0.1,) * 12,
        "thresholds": dict.fromkeys(CLASS_NAMES, 0.5),
        "threshold_rule": "one half",
        "training": {"dataset": "none", "splits": ["train"]},
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        "parameters": 1,
    }
    return Card(**{**values, **changes})  # type: ignore[arg-type]


def tiny_folder(folder: Path, **changes: object) -> Path:
    torch.manual_seed(0)
    weights = weights_bytes(TinyNet())
    save_model(tiny_card(weights, **changes), weights, folder)
    return folder


def tiny_model() -> Model:
    torch.manual_seed(0)
    net = TinyNet()
    return Model(tiny_card(weights_bytes(net)), net, torch.device("cpu"))


def tiny_resnet() -> Model:
    """A narrow ResNet-18 with random weights."""
    torch.manual_seed(0)
    options = {"depth": 18, "width": 8}
    net = nets.build("resnet", **options).eval().requires_grad_(requires_grad=False)
    return Model(tiny_card(b"", net="resnet", net_options=options), net, torch.device("cpu"))


def tiny_cnn(bands: tuple[str, ...] = VISIBLE) -> Model:
    """A small CNN (TriGrid) with random weights that takes some of the bands."""
    torch.manual_seed(0)
    options = {"members": 2, "width": 8, "stem": 4, "spectral": 8, "bands": list(bands)}
    net = nets.build("trigrid", **options).eval().requires_grad_(requires_grad=False)
    ones = (0.1,) * len(bands)
    card = tiny_card(
        b"", name="tiny-cnn", net="trigrid", net_options=options, bands=bands, mean=ones, std=ones
    )
    return Model(card, net, torch.device("cpu"))


UNSHIPPED: dict[str, Callable[[], Model]] = {"resnet": tiny_resnet, "cnn-rgb": tiny_cnn}
"""Nets with random weights, for kinds of which no model is shipped."""


def load(name: str) -> Model:
    """A net of :data:`UNSHIPPED`, or a shipped model on the CPU."""
    own = UNSHIPPED.get(name)
    return own() if own else registry.default().load(name, "cpu")


def random_patch(seed: int = 0, size: int = 120, **changes: object) -> Raster:
    pixels = np.random.default_rng(seed).uniform(0, 0.5, (12, size, size)).astype(np.float32)
    values: dict[str, object] = {
        "data": pixels,
        "bands": BAND_NAMES,
        "valid": np.ones((size, size), dtype=bool),
        "crs": "EPSG:32633",
        "transform": grid(600_000, 5_300_000),
        "provenance": Provenance(source="test"),
    }
    return Raster(**{**values, **changes})  # type: ignore[arg-type]


def result_of(model: Model, patch: Raster, aim: str = "f1") -> Result:
    """The result for a patch of noise, with the verdict of the quality checks only."""
    quality = quality_of(patch)
    verdict = Verdict(
        decision="cannot tell" if quality.abstained else "answer",
        reason=quality.warnings[0] if quality.warnings else ALL_PASSED,
        findings=(),
        quality=quality,
        checked=("pixels",),
    )
    return Result(raster=patch, prediction=model.predict(patch, aim), verdict=verdict)


def decided_folder(folder: Path, name: str = NAME) -> Path:
    """A model folder whose card has all results of validation, computed from random logits."""
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    truth = random.random((90, len(CLASS_NAMES))) < 0.3
    truth[:, -1] = False
    logits = random.normal(-1, 1.5, truth.shape) + 3 * truth
    weights = weights_bytes(TinyNet())
    card = tiny_card(weights, name=name)
    decided = decide(card, logits, truth, np.arange(90) % 9, ["Here"] * 90)
    save_model(decided, weights, folder)
    return folder
