"""Measure what a patch that is too small or too coarse costs: ``python -m tools.window_cost ROOT``.

Each patch of BigEarthNet v2 (``--split``; default: validation and test together) is cropped to the
sizes that small files have, then padded by reflection as the readers do, or its pixels are
replaced by means of 20 m and 60 m, as if the file had such a grid. The same model classifies both,
and the table shows macro and micro average precision and the differences with 95 % intervals
(paired bootstrap over patches).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import torch

from landcover.core.bands import PATCH_PIXELS
from landcover.core.classes import CLASS_NAMES
from landcover.core.raster import FloatArray, Raster
from landcover.datasets import open_dataset
from landcover.datasets.labelled import Record
from landcover.evaluate.comparison import Gap, compare_sides, side_of
from landcover.evaluate.patches import material_of
from landcover.evaluate.task import in_class_order
from landcover.models import registry
from landcover.models.model import Model

__all__ = ["CASES", "coarse", "cropped"]

BATCH: Final = 16
Change = Callable[[Raster], Raster]


def cropped(patch: Raster, height: int, width: int) -> Raster:
    """The middle of a patch, padded by reflection to its size."""
    row, col = (PATCH_PIXELS - height) // 2, (PATCH_PIXELS - width) // 2
    y, x = slice(row, row + height), slice(col, col + width)
    part = replace(
        patch, data=patch.data[:, y, x], valid=patch.valid[y, x], crs=None, transform=None
    )
    return part.padded(PATCH_PIXELS)


def coarse(patch: Raster, times: int) -> Raster:
    """A patch whose pixels are means of ``times`` × ``times`` pixels, repeated."""
    side = PATCH_PIXELS // times
    means = patch.data.reshape(-1, side, times, side, times).mean(axis=(2, 4))
    return replace(patch, data=means.repeat(times, axis=1).repeat(times, axis=2))


CASES: Final[dict[str, Change]] = {
    "120 × 81 pixels": lambda patch: cropped(patch, 120, 81),
    "100 × 100 pixels": lambda patch: cropped(patch, 100, 100),
    "80 × 80 pixels": lambda patch: cropped(patch, 80, 80),
    "60 × 60 pixels": lambda patch: cropped(patch, 60, 60),
    "40 × 40 pixels": lambda patch: cropped(patch, 40, 40),
    "30 × 30 pixels": lambda patch: cropped(patch, 30, 30),
    "pixels of 20 m": lambda patch: coarse(patch, 2),
    "pixels of 30 m": lambda patch: coarse(patch, 3),
    "pixels of 60 m": lambda patch: coarse(patch, 6),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Classify all patches in all forms and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path, help="folder of BigEarthNet v2")
    parser.add_argument("--model", default=registry.DEFAULT_MODEL)
    parser.add_argument("--split", action="append", choices=("validation", "test"))
    options = parser.parse_args(arguments)
    splits = options.split or ["validation", "test"]
    dataset = open_dataset("bigearthnet", options.root)
    records = [record for split in splits for record in dataset.records(split)]
    model = registry.default().load(options.model)
    whole = _answers(model, records, lambda patch: patch)
    material = material_of(records)
    print(f"{model.card.name} on {len(records)} patches ({' and '.join(splits)})")
    print(f"{'':18}{'macro AP':36}{'micro AP':36}")
    for name, change in CASES.items():
        sides = [
            side_of(model.card, answer, CLASS_NAMES, seen=None)
            for answer in (_answers(model, records, change), whole)
        ]
        found = compare_sides(material, *sides, dataset="bigearthnet", split="+".join(splits))
        cells = [_cell(found.overall[metric]) for metric in ("macro_ap", "micro_ap")]
        print(f"{name:18}" + "".join(f"{cell:36}" for cell in cells), flush=True)


def _answers(model: Model, records: Sequence[Record], change: Change) -> FloatArray:
    """Probabilities ``(patch, class)`` of the changed patches."""
    found = []
    for first in range(0, len(records), BATCH):
        patches = [change(record.patch()) for record in records[first : first + BATCH]]
        with torch.inference_mode():
            scores = model.scores(torch.stack([model.tensor(patch) for patch in patches])).float()
            found.append(model.probabilities(scores).cpu().numpy())
    return in_class_order(model, np.concatenate(found), CLASS_NAMES)


def _cell(gap: Gap) -> str:
    if gap.interval is None:
        return f"{gap.a:.3f}"
    low, high = gap.interval
    return f"{gap.a:.3f} ({gap.difference:+.3f}: {low:+.3f} to {high:+.3f})"


if __name__ == "__main__":
    main()
