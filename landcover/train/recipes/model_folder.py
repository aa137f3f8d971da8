"""Write a trained net as a model folder: weights, card and scales of attribution maps."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import numpy as np
import torch
from safetensors.torch import save as dump_tensors
from torch import Tensor, nn

from landcover.core.raster import Raster
from landcover.datasets import Dataset
from landcover.explain import explanation
from landcover.models.card import Card
from landcover.models.devices import pick_device
from landcover.models.model import Model, save_model

__all__ = ["SCALE_PATCHES", "is_large", "packed", "rounded", "some_patches", "write"]

SCALE_PATCHES: Final = 6
"""Validation patches on which the common scale of attribution maps is measured."""


def write(card: Card, net: nn.Module, out: Path, dataset: Dataset, *, half: bool = False) -> Card:
    """Write a model folder: the weights, and the card with their hash and attribution scales.

    Args:
        card: without the hash of the weights and the scales.
        net: the trained net; :func:`rounded` if ``half``.
        out: the folder; created if missing.
        dataset: the source of the patches for the scales.
        half: store the weights for which :func:`is_large` holds in half precision.

    Raises:
        BadInput: a patch cannot be read.
    """
    weights = packed(net, half=half)
    card = card.with_fields(weights_sha256=hashlib.sha256(weights).hexdigest())
    if card.explainable:
        model = Model(card, net, pick_device("cpu"))
        scales = explanation.explanation_scales(model, some_patches(dataset))
        card = card.with_fields(explanation_scales=scales)
    save_model(card, weights, out)
    return card


def is_large(value: Tensor) -> bool:
    """Whether a tensor is a weight of a convolution or linear layer, in single precision.

    Statistics and biases are vectors. They are few and are not rounded.
    """
    return value.dim() > 1 and value.dtype == torch.float32


def rounded(net: nn.Module) -> nn.Module:
    """The net in evaluation mode, its large weights rounded to half precision."""
    for value in net.state_dict().values():
        if is_large(value):
            value.copy_(value.half())
    return net.eval()


def packed(net: nn.Module, *, half: bool) -> bytes:
    """A net's state as the bytes of a safetensors file, optionally in half precision."""
    state = {name: value.detach().cpu() for name, value in net.state_dict().items()}
    kept = {n: (v.half() if half and is_large(v) else v).contiguous() for n, v in state.items()}
    return dump_tensors(kept)


def some_patches(dataset: Dataset) -> list[Raster]:
    """Validation patches spread evenly over the split."""
    records = dataset.records("validation")
    rows = np.linspace(0, len(records) - 1, min(SCALE_PATCHES, len(records))).round().astype(int)
    return [records[row].patch() for row in rows.tolist()]
