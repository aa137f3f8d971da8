"""Pack patches, with labels and without, for :mod:`tools.gpu.mosaic_fit`.

``python -m tools.gpu.patches_pack ROOT EXTRA UNLABELLED OUT --teacher dynamicworld.npz``

ROOT and EXTRA are folders of BigEarthNet, UNLABELLED is the file of
:mod:`landcover.datasets.unlabelled`. OUT gets

- ``g10`` … ``u60``, each as ``.lo`` and ``.hi``: the digital numbers of labelled and unlabelled
  patches on their native grids. Kept is the logarithm in steps of 0.9 %, which is below the
  noise, as differences from a plane through the neighbours, LZMA, low and high bytes separate:
  46 MB instead of 160 MB. Unlabelled pictures come on one 10 m grid, and their coarse bands are
  averaged over the blocks that share a value, or most of it;
- ``index.npz``: targets, the pictures of each unlabelled patch, and the bands' distribution;
- ``index.json``: names, the folds by country, the subsets of bands;
- ``eurosat-trunk.pt``: the trunk of the shipped EuroSAT net in half precision;
- ``dynamicworld.npz``: the teacher;
- ``tools/gpu/mosaic_fit.py``, and what it imports.

The test split is not packed, so nothing there can read it.
"""

from __future__ import annotations

import argparse
import json
import lzma
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from landcover.core.bands import BAND_NAMES, BANDS_10M, BANDS_20M, BANDS_60M
from landcover.core.classes import CLASS_NAMES
from landcover.datasets import open_dataset, unlabelled
from landcover.datasets.folds import Pool, folds, pool
from landcover.evaluate.band_subsets import SUBSETS
from landcover.models import band_mixture
from landcover.train.recipes.mosaic import initial_weights
from tools.gpu.packing import copy_code, print_sizes

FOLDS: Final = 4
STEPS: Final = 110
"""Steps of the kept logarithm a factor of e."""
DARK: Final = 100
"""Digital numbers that are added before the logarithm."""
MODULES: Final = (
    "nets/cell_net.py",
    "nets/estimated_bands.py",
    "nets/grids.py",
    "nets/spectral_lite0.py",
    "nets/taught.py",
    "nets/trigrid.py",
    "train/__init__.py",
    "train/dynamic_world.py",
    "train/teaching.py",
)
SCRIPTS: Final = ("mosaic_fit.py", "mosaic_machine.py", "mosaic_patches.py", "schedule.py")

Numbers = npt.NDArray[Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the folder."""
    parser = argparse.ArgumentParser(description="Pack patches for a GPU.")
    parser.add_argument("root", type=Path, help="a folder of BigEarthNet")
    parser.add_argument("extra", type=Path, help="another one, with further patches")
    parser.add_argument("unlabelled", type=Path, help="pictures without labels, a GeoTIFF")
    parser.add_argument("out", type=Path, help="the folder to write")
    parser.add_argument("--teacher", type=Path, required=True, help="dynamicworld.npz")
    parser.add_argument("--folds", type=int, default=FOLDS, help="by country")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    labelled = pool([open_dataset("bigearthnet", each) for each in (options.root, options.extra)])
    pictures = unlabelled.load(options.unlabelled, len(CLASS_NAMES))
    pack_patches(labelled, pictures, options.out, options.folds)
    trunk = {k: v.half() if v.is_floating_point() else v for k, v in initial_weights().items()}
    torch.save(trunk, options.out / "eurosat-trunk.pt")
    shutil.copyfile(options.teacher, options.out / "dynamicworld.npz")
    copy_code(options.out, MODULES, SCRIPTS)
    print_sizes(options.out)
    return 0


def pack_patches(labelled: Pool, pictures: unlabelled.Unlabelled, out: Path, count: int) -> None:
    """Write the numbers and both indices."""
    store = labelled.load()
    native = zip(("g10", "g20", "g60"), store.numbers(range(len(store))), strict=True)
    grids = {**dict(native), **on_native_grids(pictures.pictures)}
    for name, values in grids.items():
        low, high = coded(values)
        (out / f"{name}.lo").write_bytes(low)
        (out / f"{name}.hi").write_bytes(high)
    bands = band_mixture.load().tensors()
    np.savez_compressed(
        out / "index.npz",
        targets=store.targets.numpy(),
        fours=pictures.fours,
        weights=bands.weights.numpy(),
        means=bands.means.numpy(),
        covariances=bands.covariances.numpy(),
    )
    index = {
        "ids": store.ids,
        "shapes": {name: values.shape for name, values in grids.items()},
        "steps": STEPS,
        "dark": DARK,
        "subsets": list(SUBSETS.values()),
        "folds": [
            {"name": fold.name, "held_out": fold.held_out, "fitted": fold.fitted}
            for fold in folds(labelled.records, "country", count)
        ],
    }
    (out / "index.json").write_text(json.dumps(index))


def on_native_grids(pictures: Numbers) -> dict[str, Numbers]:
    """Average bands of pictures ``(n, 12, y, x)`` at 10 m to coarser grids.

    The 60 m bands keep 40 m pixels, because 64 pixels are no multiple of 6.
    """
    found = {}
    for name, bands, factor in (
        ("u10", BANDS_10M, 1),
        ("u20", BANDS_20M, 2),
        ("u60", BANDS_60M, 4),
    ):
        own = pictures[:, [BAND_NAMES.index(band) for band in bands]].astype(np.float64)
        count, depth, height, width = own.shape
        blocks = own.reshape(count, depth, height // factor, factor, width // factor, factor)
        found[name] = blocks.mean(axis=(3, 5))
    return found


def coded(values: Numbers) -> tuple[bytes, bytes]:
    """Compress digital numbers ``(…, y, x)``: low and high bytes, each as LZMA."""
    logs = np.round(np.log(values.astype(np.float64) + DARK) * STEPS).astype(np.int32)
    rest = logs.copy()
    rest[..., 1:, 1:] += logs[..., :-1, :-1] - logs[..., 1:, :-1] - logs[..., :-1, 1:]
    rest[..., 0, 1:] -= logs[..., 0, :-1]
    rest[..., 1:, 0] -= logs[..., :-1, 0]
    signed = ((rest << 1) ^ (rest >> 31)).astype(np.uint16)
    low, high = (signed & 255).astype(np.uint8), (signed >> 8).astype(np.uint8)
    return lzma.compress(low.tobytes(), preset=4), lzma.compress(high.tobytes(), preset=4)


if __name__ == "__main__":
    sys.exit(main())
