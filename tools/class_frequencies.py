"""Count the classes of BigEarthNet's training split by country and write the table in the package.

``python -m tools.class_frequencies METADATA.parquet``, where METADATA is the official metadata of
all 480,038 patches. Pixels are not needed, and only the official training split is counted.
:func:`landcover.train.class_frequencies.load` reads the table.
"""

from __future__ import annotations

import csv
import sys
from collections import Counter, defaultdict

import pyarrow.parquet as pq

from landcover.core.classes import CLASS_NAMES
from landcover.train.class_frequencies import PATCHES, TABLE


def main(metadata: str) -> None:
    """Write the table."""
    table = pq.read_table(metadata, columns=["labels", "split", "country"])
    columns = (table[name].to_pylist() for name in ("labels", "split", "country"))
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for labels, split, country in zip(*columns, strict=True):
        if split == "train":
            counts[country].update((PATCHES, *labels))
    with TABLE.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        names = (PATCHES, *CLASS_NAMES)
        writer.writerow(["country", *names])
        writer.writerows(
            [country, *(counts[country][n] for n in names)] for country in sorted(counts)
        )
    print(f"{len(counts)} countries, {sum(c[PATCHES] for c in counts.values())} patches: {TABLE}")


if __name__ == "__main__":
    main(sys.argv[1])
