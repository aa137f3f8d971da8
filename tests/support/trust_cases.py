"""A small data set of real patches, rotated and brightened, for tests of fitting."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from landcover.core.raster import Raster
from landcover.datasets import Dataset, Record
from landcover.io.samples import NAMES, read_sample, samples

GOOD = tuple(name for name in NAMES if name != "finland-snow")
TRAINING, CHECKING, TEST = 40, 20, 6


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleRecord(Record):
    """A sample in one of eight symmetries, brighter or darker by a few percent."""

    number: int

    def patch(self) -> Raster:
        patch = read_sample(GOOD[self.number % len(GOOD)])
        random = np.random.default_rng(self.number)
        pixels = np.rot90(patch.data, self.number // len(GOOD), axes=(1, 2))
        gains = random.normal(1, 0.03, (12, 1, 1)) * random.normal(1, 0.1)
        date = datetime(2018, 5 + self.number % 3, 10, tzinfo=UTC)
        return replace(patch, data=(pixels * gains).astype(np.float32), acquired=date)


def record(number: int, split: str) -> SampleRecord:
    sample = samples()[number % len(GOOD)]
    return SampleRecord(
        patch_id=f"PRODUCT{number % 4}_{number}_1",
        labels=sample.truth,
        split=split,
        country=sample.country,
        product=Path("nowhere"),
        number=number,
    )


def dataset() -> Dataset:
    records = [record(k, "train") for k in range(TRAINING)]
    records += [record(100 + k, "validation") for k in range(CHECKING)]
    records += [record(200 + k, "test") for k in range(TEST)]
    return Dataset(name="bigearthnet", title="Samples", all_records=tuple(records))
