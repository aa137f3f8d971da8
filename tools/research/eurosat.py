"""Fine-tune Lite0 on EuroSAT RGB.

``python -m tools.research.eurosat NAME ENLARGE EPOCHS LR START``

START is ``imagenet``, ``scratch`` or the name of an earlier run. The variable BLEND is the share
of batches that are mixed with others (mixup).

Runs are chosen on validation. The test split is read only with ``EVALUATE=1``, once, for the
chosen run.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch

from landcover.datasets.eurosat import open_eurosat
from landcover.datasets.eurosat_store import RgbStore
from landcover.nets.efficientnet_lite0 import Lite0
from landcover.train.augment import Augmentation
from landcover.train.configuration import TrainConfig
from landcover.train.loop import train
from landcover.train.validation import predict_logits
from tools.research.common import DATA, WORK, imagenet


def store(split: str) -> RgbStore:
    """Load a split with its pixels into memory."""
    return open_eurosat(DATA / "eurosat").load(split)


def start(name: str) -> dict[str, torch.Tensor]:
    """Return the initial weights; none for ``scratch``."""
    if name == "scratch":
        return {}
    if name == "imagenet":
        trunk = Lite0()
        trunk.load_imagenet(imagenet())
        return {f"trunk.{k}": v for k, v in trunk.state_dict().items()}
    state: dict[str, torch.Tensor] = torch.load(
        WORK / "runs" / name / "state.pt", weights_only=True
    )
    return state


def main(name: str, enlarge: str, epochs: str, rate: str, initial: str) -> None:
    """Train, print each epoch and write the weights."""
    torch.set_num_threads(1)
    blend = float(os.environ.get("BLEND", "0"))
    config = TrainConfig(
        net="rgb-lite0",
        net_options={"enlarge": float(enlarge)},
        epochs=int(epochs),
        batch=64,
        learning_rate=float(rate),
        loss="softmax",
        label_smoothing=0.05,
        ema=0.995,
        validate_every=1,
        select="last",
        precision="float32",
        augmentation=Augmentation(blend=blend, brightness=0.05, band_gain=0.02),
    )
    out: Path = WORK / "runs" / name
    fit, check = store("train"), store("validation")
    result = train(config, fit, check, out, lambda e: print(e, flush=True), initial=start(initial))
    torch.save(result.state, out / "state.pt")
    if os.environ.get("EVALUATE"):
        test = store("test")
        logits = predict_logits(result.net(), test)
        print("test", float((logits.argmax(1) == test.targets.argmax(1)).float().mean()))


if __name__ == "__main__":
    main(*sys.argv[1:])
