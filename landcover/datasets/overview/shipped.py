"""The labels of all 480,038 patches of BigEarthNet v2, counted, packaged with the program.

``tools/make_overview.py`` writes the file from the official table of the data set (Clasen et al.
2024, CDLA-Permissive-1.0). It has one row for each label combination, split, country, day and block
of 12 km, and no name of a patch.
"""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from landcover.core.classes import CLASS_NAMES
from landcover.datasets.overview.counts import AXES, Axis, Counts, Integers

__all__ = ["FILE", "TITLE", "pack", "shipped"]

FILE: Final = Path(__file__).with_name("bigearthnet-v2.parquet")
TITLE: Final = "BigEarthNet v2 (reBEN), all 480,038 patches"
_LABELS: Final = "labels"
"""The combination as a number; bit k is set if the patch has class k."""
_PATCHES: Final = "patches"


@cache
def shipped() -> Counts:
    """Return the counts of the whole data set."""
    table = pq.read_table(FILE)
    bits = table[_LABELS].to_numpy().astype(np.int64)
    known, combination = np.unique(bits, return_inverse=True)
    axes = {}
    for name in AXES:
        column = table[name].combine_chunks()
        names: list[str] = column.dictionary.to_pylist()
        order = sorted(range(len(names)), key=names.__getitem__)
        rank = np.empty(len(names), dtype=np.int64)
        rank[order] = np.arange(len(names))
        codes: Integers = rank[column.indices.to_numpy()]
        axes[name] = Axis(tuple(names[k] for k in order), codes)
    return Counts(
        title=TITLE,
        classes=CLASS_NAMES,
        combinations=(known[:, None] >> np.arange(len(CLASS_NAMES)) & 1).astype(bool),
        combination=combination.astype(np.int64),
        patches=table[_PATCHES].to_numpy().astype(np.int64),
        axes=axes,
    )


def pack(counts: Counts) -> bytes:
    """Return the content of the file; the classes are :data:`CLASS_NAMES`."""
    bits = (counts.combinations.astype(np.int64) << np.arange(len(counts.classes))).sum(axis=1)
    labels = bits[counts.combination]
    order = np.lexsort((labels, *(counts.axes[name].codes for name in reversed(AXES))))
    columns: dict[str, Any] = {
        name: pa.DictionaryArray.from_arrays(
            counts.axes[name].codes[order].astype(np.int32), list(counts.axes[name].names)
        )
        for name in AXES
    }
    columns[_LABELS] = labels[order].astype(np.int32)
    columns[_PATCHES] = counts.patches[order].astype(np.int16)
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer, compression="zstd", compression_level=19)
    return buffer.getvalue()
