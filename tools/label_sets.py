"""Count the label sets of BigEarthNet's training split and write the table in the package.

``python -m tools.label_sets METADATA.parquet``, where METADATA is the official metadata of all
480,038 patches. Pixels are not needed, and only the official training split is counted.
:func:`landcover.nets.label_sets.load_packaged` reads the table.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import pyarrow.parquet as pq

from landcover.nets.label_sets import TABLE, count_label_sets


def main(metadata: str) -> None:
    """Write the table."""
    table = pq.read_table(metadata, columns=["labels", "split"])
    rows = zip(table["labels"].to_pylist(), table["split"].to_pylist(), strict=True)
    counts = count_label_sets(labels for labels, split in rows if split == "train")
    ordered = sorted((-patches, sorted(members)) for members, patches in counts.items())
    with Path(TABLE).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["classes", "patches"])
        writer.writerows([" ".join(map(str, members)), -less] for less, members in ordered)
    print(f"{len(counts)} label sets of {counts.total()} patches: {TABLE}")


if __name__ == "__main__":
    main(sys.argv[1])
