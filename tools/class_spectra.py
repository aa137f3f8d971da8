"""Measure what each class reflects and write the table in the package.

``python -m tools.class_spectra ROOT``, where ROOT is a folder of BigEarthNet v2. Only patches of
the training and validation splits are read. :func:`landcover.core.spectra.load` reads the table.
"""

from __future__ import annotations

import sys
from pathlib import Path

from landcover.core import spectra
from landcover.datasets import bigearthnet
from landcover.datasets.class_spectra import spectra_of

SPLITS = ("train", "validation")


def main(root: str) -> None:
    """Write the table."""
    dataset = bigearthnet.open_v2(Path(root))
    records = [record for split in SPLITS for record in dataset.records(split)]
    found = spectra_of(store for _, store in dataset.iter_batches(records))
    spectra.write(spectra.TABLE, found)
    print(f"{found[0].patches} patches, {len(found)} spectra: {spectra.TABLE}")


if __name__ == "__main__":
    main(sys.argv[1])
