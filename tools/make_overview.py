"""Count the labels of all patches of BigEarthNet v2 and write the counts into the package.

``python -m tools.make_overview METADATA.parquet``, where METADATA is the official table of all
480,038 patches. Pixels are not needed. ``tools/check_overview.py`` computes the same figures
without any code of the package.
"""

from __future__ import annotations

import sys

import pyarrow.parquet as pq

from landcover.core import files
from landcover.core.classes import CLASS_NAMES
from landcover.datasets.overview import Entry, count
from landcover.datasets.overview.shipped import FILE, TITLE, pack


def main(metadata: str) -> None:
    """Write the counts."""
    table = pq.read_table(metadata, columns=list(Entry._fields))
    rows = zip(*(table[name].to_pylist() for name in Entry._fields), strict=True)
    counts = count(TITLE, CLASS_NAMES, (Entry(*row) for row in rows))
    files.write_bytes(FILE, pack(counts))
    print(f"{counts.n:,} patches, {len(counts.patches):,} rows, {FILE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(sys.argv[1])
