"""A tiny real model for pictures with its card, for tests of the code around it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from torch import Tensor, nn

from landcover.core.bands import RGB_BANDS
from landcover.core.classes import EUROSAT_CLASSES
from landcover.models.card import BRIGHTNESS, Card
from landcover.models.model import Model, save_model, weights_bytes

NAME = "tiny-picture-net"


class TinyPictureNet(nn.Module):
    """One convolution, its mean, and one linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.cam_layer = nn.Identity()
        self.head = nn.Linear(8, len(EUROSAT_CLASSES))

    def forward(self, pixels: Tensor) -> Tensor:
        maps = self.cam_layer(torch.relu(self.conv(pixels)))
        logits: Tensor = self.head(maps.mean(dim=(2, 3)))
        return logits


def tiny_picture_card(weights: bytes, **changes: object) -> Card:
    values: dict[str, object] = {
        "name": NAME,
        "title": "Tiny picture net",
        "summary": "A net for tests.",
        "net": NAME,
        "net_options": {},
        "bands": RGB_BANDS,
        "units": BRIGHTNESS,
        "level": "RGB",
        "pixels": 64,
        "class_set": "eurosat-10",
        "classes": EUROSAT_CLASSES,
        "activation": "softmax",
        "mean": (0.3,) * 3,
        "std": (0.1,) * 3,
        "thresholds": dict.fromkeys(EUROSAT_CLASSES, 0.5),
        "threshold_rule": "the most probable",
        "training": {"dataset": "none", "splits": ["train"]},
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        "parameters": 1,
    }
    return Card(**{**values, **changes})  # type: ignore[arg-type]


def tiny_picture_model(**changes: object) -> Model:
    torch.manual_seed(0)
    net = TinyPictureNet()
    return Model(tiny_picture_card(weights_bytes(net), **changes), net, torch.device("cpu"))


def tiny_picture_folder(folder: Path, **changes: object) -> Path:
    torch.manual_seed(0)
    weights = weights_bytes(TinyPictureNet())
    save_model(tiny_picture_card(weights, **changes), weights, folder)
    return folder
