"""What a tracker records in tests, and what TensorBoard's own reader finds of it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from landcover.train.callbacks import Training
from landcover.train.configuration import TrainConfig
from landcover.train.history import Epoch

ENTRY: Final = Epoch(
    epoch=1,
    train_loss=0.5,
    val_loss=math.nan,
    val_macro_ap=0.25,
    val_micro_ap=0.5,
    learning_rate=1e-3,
    patches_per_second=30.0,
    seconds=2.0,
)


def training(folder: Path) -> Training:
    """A training with one fit, whose settings are in its folder."""
    fit = folder / "runs" / "train"
    fit.mkdir(parents=True, exist_ok=True)
    settings = TrainConfig(net="cell", net_options={"width": 4}, batch=6)
    (fit / "config.json").write_text(settings.to_json())
    return Training(name="my-model", folder=folder, settings={"dataset": "bigearthnet", "fit": ""})


def events(folder: Path) -> EventAccumulator:
    """All that the event files of a folder hold."""
    found = EventAccumulator(str(folder))
    found.Reload()
    return found


def scalars(folder: Path, name: str) -> list[tuple[int, float]]:
    """Epochs and values of a metric."""
    return [(one.step, one.value) for one in events(folder).Scalars(name)]
