"""A file like that of Dynamic World's network: the same arrays, few channels, random weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from landcover.train.dynamic_world import BANDS, COVERS, FEATURES

_WIDTH = 4


def write_teacher(path: Path, seed: int = 0) -> Path:
    random = np.random.default_rng(seed)
    arrays: dict[str, Any] = {}

    def values(*shape: int) -> np.ndarray:
        return random.normal(0, 0.5, shape).astype(np.float32)

    for k, (outputs, inputs, side) in enumerate(_convolutions()):
        arrays[f"conv{k}.weight"] = values(outputs, inputs, side, side)
        arrays[f"conv{k}.bias"] = values(outputs)
    wide = [_WIDTH] * 7 + [FEATURES] * 3
    for k, channels in enumerate(wide):
        arrays[f"depthwise{k}.weight"] = values(channels, 1, 3, 3)
        arrays[f"depthwise{k}.bias"] = values(channels)
    for k in range(24):
        channels = FEATURES if k >= 17 else _WIDTH
        for name in ("weight", "bias", "mean"):
            arrays[f"norm{k}.{name}"] = values(channels)
        arrays[f"norm{k}.variance"] = np.abs(values(channels)) + 0.5
    np.savez(path, **arrays)
    return path


def _convolutions() -> Iterator[tuple[int, int, int]]:
    """Outputs, inputs and side of each convolution."""
    yield _WIDTH, len(BANDS), 3
    yield from [(_WIDTH, _WIDTH, 1)] * 9
    yield FEATURES, 2 * _WIDTH, 1
    yield from [(FEATURES, FEATURES, 1)] * 2
    yield FEATURES, 2 * _WIDTH, 1
    yield len(COVERS), FEATURES, 1
