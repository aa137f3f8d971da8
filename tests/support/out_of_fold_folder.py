"""Predictions by place as ``landcover evaluate --by country`` writes them, without a fit."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from landcover.core.raster import FloatArray

__all__ = ["write_folds"]


def write_folds(
    folder: Path, folds: Mapping[str, Sequence[str]], logits: Mapping[str, FloatArray]
) -> Path:
    """Write one file per fold: name of the fold → names of its patches, and name → logits."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, (name, ids) in enumerate(folds.items(), start=1):
        record = {
            "model": folder.name,
            "settings": "{}",
            "by": "country",
            "fold": name,
            "count": str(len(folds)),
            "ids": json.dumps(list(ids)),
            "fitted_sha256": "",
        }
        values = np.stack([logits[one] for one in ids]).astype(np.float32)
        save_file({"logits": values}, folder / f"fold-{number:03}.safetensors", record)
    return folder
