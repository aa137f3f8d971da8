"""How far answers for an area are from those for its windows, each cut out: docs/areas-speed.md.

``python -m tools.area_parity --model landcover-area --scenes DIR --patches ROOT``

DIR holds stacks of twelve bands larger than a window, ROOT is a folder of BigEarthNet. A net that
passes over an area sees what lies around a window; of a patch it sees nothing. Compared are all
windows of each scene; of pairs of patches that touch each other; and of 3 × 3 patches from anywhere
set side by side, whose borders are harder than any in nature. No patch of the test split is read.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from landcover.areas.engine import Engine
from landcover.core.bands import PATCH_PIXELS
from landcover.datasets import open_dataset
from landcover.datasets.labelled import Record
from landcover.io import sources
from landcover.models import registry
from landcover.models.model import Model
from landcover.models.thresholds import DEFAULT_AIM, thresholds_for
from landcover.nets.windows import CELL_PIXELS

STEP: Final = 24
_BATCH: Final = 32
_SEED: Final = 0


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="landcover-area")
    parser.add_argument("--scenes", type=Path, nargs="*", default=[], help="folders of stacks")
    parser.add_argument("--patches", type=Path, help="a folder of BigEarthNet")
    parser.add_argument("--step", type=int, default=STEP, help="pixels between windows")
    parser.add_argument("--composed", type=int, default=6, help="squares of 3 × 3 patches")
    parser.add_argument(
        "--precision",
        choices=("auto", "float32", "bfloat16"),
        default="float32",
        help="of the map; auto is what maps use: bfloat16 where the processor computes it",
    )
    options = parser.parse_args(arguments)
    model = registry.default().load(options.model, "cpu")
    engine = Engine(model, precision=options.precision, cells=False)
    print(f"{options.model}, {engine.precision}, a window every {options.step} pixels")
    print(f"{'':34}{'windows':>8}{'mean |Δp|':>11}{'max |Δp|':>10}{'same decisions':>16}")
    for folder in options.scenes:
        areas = [pixels for path in sorted(folder.glob("*.tif")) for pixels in _scene(model, path)]
        _row(folder.name, model, engine, areas, options.step)
    if options.patches:
        records = [
            record
            for split in ("train", "validation")
            for record in open_dataset("bigearthnet", options.patches).records(split)
        ]
        _row("pairs that touch", model, engine, _pairs(model, records), CELL_PIXELS * 15)
        squares = _squares(model, records, options.composed)
        _row("patches from anywhere, 3 × 3", model, engine, squares, options.step)


def _scene(model: Model, path: Path) -> Iterator[Tensor]:
    raster = sources.read(path)
    height, width = (side // CELL_PIXELS * CELL_PIXELS for side in (raster.height, raster.width))
    order = [raster.bands.index(band) for band in model.card.bands]
    data = np.array(raster.data[order, :height, :width], dtype=np.float32)
    data[:, ~raster.valid[:height, :width]] = np.nan
    yield torch.from_numpy(data)


def _pairs(model: Model, records: Sequence[Record]) -> Iterator[Tensor]:
    """Areas of two patches that touch each other, the upper or left one first."""
    places: dict[tuple[str, int, int], Record] = {}
    for record in records:
        found = re.fullmatch(r"(.*)_(\d+)_(\d+)", record.patch_id)
        if found:
            places[found[1], int(found[2]), int(found[3])] = record
    for (product, x, y), record in places.items():
        for axis, other in ((2, (product, x + 1, y)), (1, (product, x, y + 1))):
            if other in places:
                pair = [model.tensor(one.patch()) for one in (record, places[other])]
                yield torch.cat(pair, dim=axis)


def _squares(model: Model, records: Sequence[Record], count: int) -> Iterator[Tensor]:
    chance = np.random.default_rng(_SEED)
    for _ in range(count):
        some = [model.tensor(records[k].patch()) for k in chance.integers(len(records), size=9)]
        rows = [torch.cat(some[k : k + 3], dim=2) for k in (0, 3, 6)]
        yield torch.cat(rows, dim=1)


def _row(
    name: str, model: Model, engine: Engine, areas: Iterator[Tensor] | list[Tensor], step: int
) -> None:
    """Compare all windows of areas, and print one line."""
    thresholds = torch.tensor(
        [thresholds_for(model.card, DEFAULT_AIM).of[name] for name in model.card.classes]
    )
    gaps, same = [], []
    for pixels in areas:
        valid = pixels.isfinite().all(dim=0)
        found = engine.answer(pixels, valid.numpy(), step=step)
        whole = found.share_valid.flatten() == 1.0
        logits = found.logits.flatten(1).T[whole]
        with torch.inference_mode():
            windows = _windows(pixels, step)[whole]
            alone = torch.cat([model.scores(part) for part in torch.split(windows, _BATCH)])
            dense, cut = (model.probabilities(each) for each in (logits, alone))
        gaps.append((dense - cut).abs())
        same.append((dense >= thresholds) == (cut >= thresholds))
    if not gaps:
        return
    gap, equal = torch.cat(gaps), torch.cat(same).float()
    print(
        f"{name:34}{len(gap):8}{float(gap.mean()):11.4f}{float(gap.max()):10.3f}"
        f"{float(equal.mean()):16.2%}",
        flush=True,
    )


def _windows(pixels: Tensor, step: int) -> Tensor:
    """Cut out every window, ``(window, band, 120, 120)``."""
    parts = pixels.unfold(1, PATCH_PIXELS, step).unfold(2, PATCH_PIXELS, step)
    return parts.permute(1, 2, 0, 3, 4).flatten(0, 1)


if __name__ == "__main__":
    main()
