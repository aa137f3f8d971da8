"""The history of a run: one entry an epoch, as CSV and JSON lines."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Final

from landcover.train.configuration import Metric

__all__ = ["HISTORY_FILE", "LINES_FILE", "Epoch", "replacing", "write"]

HISTORY_FILE: Final = "history.csv"
LINES_FILE: Final = "history.jsonl"


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One entry of a run's history; validation metrics are NaN in epochs without validation."""

    epoch: int
    train_loss: float
    val_loss: float
    val_macro_ap: float
    val_micro_ap: float
    learning_rate: float
    patches_per_second: float
    seconds: float
    val_accuracy: float = math.nan
    """Share of patches whose class has the highest score; NaN for multi-label losses."""

    def value(self, metric: Metric) -> float:
        """The value that the selection of the epoch maximises."""
        return {
            "last": float(self.epoch),
            "loss": -self.val_loss,
            "macro_ap": self.val_macro_ap,
            "micro_ap": self.val_micro_ap,
            "mean_ap": (self.val_macro_ap + self.val_micro_ap) / 2,
            "accuracy": self.val_accuracy,
        }[metric]


def write(history: Sequence[Epoch], out: Path) -> None:
    """Write all epochs as CSV and as JSON lines. Each file is replaced completely or not at all.

    Metrics that were not measured are ``nan`` in the CSV file and ``null`` in JSON.
    """
    rows = [asdict(entry) for entry in history]
    with replacing(out / HISTORY_FILE) as part, part.open("w", newline="") as file:
        writer = csv.DictWriter(file, [item.name for item in fields(Epoch)])
        writer.writeheader()
        writer.writerows(rows)
    with replacing(out / LINES_FILE) as part:
        known = ({k: v if math.isfinite(v) else None for k, v in row.items()} for row in rows)
        part.write_text("".join(json.dumps(row) + "\n" for row in known), encoding="utf-8")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path to write to, renamed to ``path`` once it is on the disk."""
    part = path.with_name(path.name + ".part")
    yield part
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(path)
