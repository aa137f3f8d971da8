"""The history of a run: one entry an epoch, as CSV and JSON lines."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from landcover.core import files, limits
from landcover.core.json_numbers import with_nulls
from landcover.core.regular_file import read_regular

if TYPE_CHECKING:  # it loads torch, without which the epochs of a run can be listed
    from landcover.train.configuration import Metric

__all__ = [
    "HISTORY_FILE",
    "LINES_FILE",
    "Epoch",
    "best_ap",
    "read_csv",
    "seconds",
    "write",
    "write_csv",
]

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

    @property
    def validation(self) -> str:
        """The metrics on validation as text; empty if there are none."""
        if math.isnan(self.val_loss):
            return ""
        if not math.isnan(self.val_accuracy):
            return f"validation accuracy {self.val_accuracy:.3f}"
        return f"validation AP macro {self.val_macro_ap:.3f} micro {self.val_micro_ap:.3f}"

    def text(self, epochs: int) -> str:
        """One line, such as ``epoch 3 of 40, loss 0.2130, 812 patches/s``."""
        parts = [
            f"epoch {self.epoch} of {epochs}",
            f"loss {self.train_loss:.4f}",
            f"{self.patches_per_second:,.0f} patches/s",
            self.validation,
        ]
        return ", ".join(filter(None, parts))

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


def best_ap(history: Sequence[Epoch], average: Literal["macro", "micro"] = "macro") -> float:
    """The best average precision on validation; NaN if not measured."""
    values = [e.val_macro_ap if average == "macro" else e.val_micro_ap for e in history]
    return max(filter(math.isfinite, values), default=math.nan)


def seconds(history: Sequence[Epoch]) -> float:
    """How long all epochs took, seconds; NaN if not known."""
    known = [each.seconds for each in history if math.isfinite(each.seconds)]
    return math.fsum(known) if known else math.nan


def write(history: Sequence[Epoch], out: Path) -> None:
    """Write all epochs as CSV and as JSON lines. Each file is replaced completely or not at all.

    Metrics that were not measured are ``nan`` in the CSV file and ``null`` in JSON.

    Raises:
        BadInput: a file cannot be written.
    """
    rows = [asdict(entry) for entry in history]
    write_csv(history, out / HISTORY_FILE)
    files.write_text(out / LINES_FILE, "".join(json.dumps(with_nulls(r)) + "\n" for r in rows))


def write_csv(history: Sequence[Epoch], path: Path) -> None:
    """Write all epochs as a CSV file.

    Raises:
        BadInput: it cannot be written.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, [item.name for item in fields(Epoch)])
    writer.writeheader()
    writer.writerows(asdict(entry) for entry in history)
    files.write_text(path, text.getvalue())


def read_csv(path: Path) -> tuple[Epoch, ...]:
    """Read the epochs of an untrusted file that :func:`write_csv` wrote, perhaps long ago.

    A column that is missing is not known. Empty if there is no such file, or it is damaged.
    """
    try:
        most = limits.current().run_file_bytes
        text = read_regular(path, most, inside=path.parent).decode("utf-8")
        return tuple(map(_epoch, csv.DictReader(io.StringIO(text), strict=True)))
    except (OSError, ValueError, csv.Error):
        return ()


def _epoch(row: Mapping[str, str | None]) -> Epoch:
    """The epoch of a row of a CSV file.

    Raises:
        ValueError: a value is no number, or one that every history has is missing.
    """
    number = row.get("epoch")
    if number is None or "train_loss" not in row:
        raise ValueError(HISTORY_FILE)
    values = {item.name: float(row.get(item.name) or math.nan) for item in fields(Epoch)}
    return Epoch(**{**values, "epoch": int(number)})  # type: ignore[arg-type]  # the others are float
