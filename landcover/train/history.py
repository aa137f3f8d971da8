"""What a run says of its epochs, and the files in which it says it."""

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

__all__ = ["HISTORY_FILE", "LINES_FILE", "Epoch", "whole", "write"]

HISTORY_FILE: Final = "history.csv"
LINES_FILE: Final = "history.jsonl"


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One line of a run's history; figures on validation are NaN where none was made."""

    epoch: int
    train_loss: float
    val_loss: float
    val_macro_ap: float
    val_micro_ap: float
    learning_rate: float
    patches_per_second: float
    seconds: float
    val_accuracy: float = math.nan
    """Share whose highest score is of their class; NaN for multi-label losses."""

    def figure(self, metric: Metric) -> float:
        """The figure that selection maximises."""
        return {
            "last": float(self.epoch),
            "loss": -self.val_loss,
            "macro_ap": self.val_macro_ap,
            "micro_ap": self.val_micro_ap,
            "mean_ap": (self.val_macro_ap + self.val_micro_ap) / 2,
            "accuracy": self.val_accuracy,
        }[metric]


def write(history: Sequence[Epoch], out: Path) -> None:
    """Write all epochs as a table and as JSON lines, each file whole or not at all.

    Figures that were not taken are empty in neither: ``nan`` in the table, ``null`` in JSON.
    """
    rows = [asdict(entry) for entry in history]
    with whole(out / HISTORY_FILE) as part, part.open("w", newline="") as file:
        writer = csv.DictWriter(file, [item.name for item in fields(Epoch)])
        writer.writeheader()
        writer.writerows(rows)
    with whole(out / LINES_FILE) as part:
        known = ({k: v if math.isfinite(v) else None for k, v in row.items()} for row in rows)
        part.write_text("".join(json.dumps(row) + "\n" for row in known), encoding="utf-8")


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A path to write to, which takes its real name only once it is on the disk."""
    part = path.with_name(path.name + ".part")
    yield part
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(path)
