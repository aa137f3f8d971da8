"""Estimate what share of a patch each class takes where it occurs, from labels alone.

``python -m tools.cover_shares METADATA.parquet``, where METADATA is the official metadata of all
480,038 patches. Pixels are not needed, and only the official training split is counted.
:func:`landcover.train.cover_labels.label_shares` reads the table.

A label says that a class occurs, not how much of it. But squares of two and three patches a side
say in how many larger squares it occurs, and a square of no size has a class exactly as often as
the class has area: the frequencies at 1200, 2400 and 3600 m are extrapolated to 0 by a parabola.
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict

import numpy as np
import pyarrow.parquet as pq

from landcover.core.classes import CLASS_NAMES
from landcover.train.cover_labels import TABLE

SIDES = (1, 2, 3)
LEAST = 0.08
"""Share of classes that are extrapolated to less, which are thin or rare."""
SIDE = 100
"""Patches along a side of a product."""


def main(metadata: str) -> None:
    """Write the table."""
    table = pq.read_table(metadata, columns=["patch_id", "labels", "split"])
    column = {name: k for k, name in enumerate(CLASS_NAMES)}
    grids: dict[str, list[tuple[int, int, list[int]]]] = defaultdict(list)
    rows = zip(*(table[name].to_pylist() for name in table.column_names), strict=True)
    for patch, labels, split in rows:
        if split == "train":
            product, across, down = patch.rsplit("_", 2)
            grids[product].append((int(down), int(across), [column[name] for name in labels]))
    hits, squares = np.zeros((len(SIDES), len(CLASS_NAMES))), np.zeros(len(SIDES))
    for patches in grids.values():
        known = np.zeros((SIDE, SIDE), dtype=bool)
        has = np.zeros((SIDE, SIDE, len(CLASS_NAMES)), dtype=bool)
        for row, col, classes in patches:
            known[row, col] = True
            has[row, col, classes] = True
        for k, side in enumerate(SIDES):
            whole = np.asarray(
                np.lib.stride_tricks.sliding_window_view(known, (side, side)).all((-1, -2))
            )
            found = np.lib.stride_tricks.sliding_window_view(has, (side, side), axis=(0, 1))
            hits[k] += np.asarray(found.any((-1, -2)))[whole].sum(axis=0)
            squares[k] += whole.sum()
    often = hits / squares[:, None]
    share = np.clip((3 * often[0] - 3 * often[1] + often[2]) / often[0], LEAST, 1.0)
    with TABLE.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["class", "frequency", "share"])
        for name, frequency, one in zip(CLASS_NAMES, often[0], share, strict=True):
            writer.writerow([name, f"{frequency:.4f}", f"{one:.3f}"])
    print(f"{len(grids)} products, {squares[0]:,.0f} patches: {TABLE}")


if __name__ == "__main__":
    main(sys.argv[1])
