"""Count the label sets of BigEarthNet's training split into the package's table of them.

``python -m tools.label_sets METADATA.parquet``: the official metadata of all 480,038
patches. Pixels are not needed. The table is what :func:`landcover.nets.labelsets.packaged`
reads; only the official training split is counted.
"""

from __future__ import annotations

import csv
import sys
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq

from landcover.nets.labelsets import TABLE
from landcover.nomenclature import CLASS_NAMES


def main(metadata: str) -> None:
    """Write the table."""
    table = pq.read_table(metadata, columns=["labels", "split"])
    rows = zip(table["labels"].to_pylist(), table["split"].to_pylist(), strict=True)
    column = {name: k for k, name in enumerate(CLASS_NAMES)}
    counts = Counter(
        tuple(sorted(column[name] for name in labels)) for labels, split in rows if split == "train"
    )
    with Path(TABLE).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["classes", "patches"])
        for members, patches in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
            writer.writerow([" ".join(map(str, members)), patches])
    print(f"{len(counts)} label sets of {counts.total()} patches: {TABLE}")


if __name__ == "__main__":
    main(sys.argv[1])
