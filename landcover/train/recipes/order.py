"""The options of a training run, and reports of its progress."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import numpy as np

from landcover.core.errors import BadInput
from landcover.core.progress import Progress, Report
from landcover.train.history import Epoch
from landcover.train.loop import OnEpoch

__all__ = ["Fit", "Order", "epoch_reporter", "overrides", "settings_text"]

Fit = Literal["train", "train+validation"]


@dataclass(frozen=True, kw_only=True)
class Order:
    """The user's options, which override the configuration.

    ``teacher`` and ``unlabelled`` are files that only ``landcover-mosaic`` learns from. With
    ``scratch`` training starts from random weights where the recipe starts from published ones.
    """

    config_file: Path | None = None
    fit: Fit = "train"
    epochs: int | None = None
    seed: int | None = None
    shards: int | None = None
    device: str = "auto"
    teacher: Path | None = None
    unlabelled: Path | None = None
    scratch: bool = False


def settings_text(packaged: str, order: Order) -> str:
    """The text of the user's configuration file, or of the packaged one of that name.

    Raises:
        BadInput: the file cannot be read.
    """
    if order.config_file is None:
        file = resources.files("landcover.train") / "configs" / f"{packaged}.json"
        return file.read_text(encoding="utf-8")
    try:
        return order.config_file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise BadInput(
            f"The configuration '{order.config_file.name}' cannot be read: check the path."
        ) from None


def overrides(order: Order) -> dict[str, Any]:
    """The user's device, epochs, seed and start, which override those of the configuration."""
    wanted = {
        "epochs": order.epochs,
        "seed": order.seed,
        "start": "random" if order.scratch else None,
    }
    return {
        "device": order.device,
        **{key: value for key, value in wanted.items() if value is not None},
    }


def epoch_reporter(report: Report | None, done: int, total: int) -> OnEpoch | None:
    """A callback that reports each epoch of a fit, after ``done`` of all ``total`` epochs."""
    if report is None:
        return None

    def on_epoch(entry: Epoch) -> None:
        note = f"loss {entry.train_loss:.3f}"
        if not np.isnan(entry.val_macro_ap):
            note += f", validation AP macro {entry.val_macro_ap:.3f} micro {entry.val_micro_ap:.3f}"
        count = done + entry.epoch
        report(Progress(what="Training", done=count, total=total, unit="epochs", detail=note))

    return on_epoch
