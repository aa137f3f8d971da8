"""Join trained parts into a mosaic and print its metrics on validation.

``python -m tools.research.assemble TRIGRID.safetensors OUT.safetensors RUN…``: the TriGrid's
weights, the output file, and the runs of the SpectralLites to join with it. Validation metrics of
parts trained on ``train+validation`` are too good, because they were trained on these patches;
compare parts that were trained on ``train`` only.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from landcover.nets.label_sets import load_packaged
from landcover.nets.mosaic import Mosaic, join
from landcover.nets.spectral_lite0 import SpectralLite
from landcover.nets.trigrid import TriGrid
from landcover.train.configuration import TrainConfig
from landcover.train.validation import predict_logits
from tools.research.common import WORK, gain, line, sigmoid, store

MEMBERS: dict[str, Any] = {"members": 4, "width": 48, "stem": 24, "spectral": 64, "dropout": 0.3}


def main(trigrid: str, out: str, *runs: str) -> None:
    """Join the parts, evaluate the mosaic and write it."""
    torch.set_num_threads(1)
    grid = TriGrid(**MEMBERS)
    grid.load_state_dict(load_file(trigrid))
    lites, options = [], []
    for run in runs:
        config = TrainConfig.from_json((WORK / "runs" / run / "config.json").read_text())
        lite = SpectralLite(**config.net_options)
        lite.load_state_dict(torch.load(WORK / "runs" / run / "state.pt", weights_only=True))
        lites.append(lite)
        options.append(config.net_options)
    prior = load_packaged()
    settings: dict[str, Any] = {"trigrid": MEMBERS, "lites": options, "sets": len(prior.members)}
    mosaic = join(grid, lites, prior, Mosaic(**settings))
    size = sum(p.numel() for p in mosaic.parameters())
    check = store("validation")
    begin = time.time()
    logits = predict_logits(mosaic, check, precision="bfloat16", batch=32).numpy()
    print(f"{size:,} parameters, {len(check) / (time.time() - begin):.0f} patches/s on one thread")
    base = sigmoid(np.load(WORK / "base.npy"))
    print(line("mosaic against the base", gain(check.targets.numpy(), sigmoid(logits), base)))
    save_file({k: v.contiguous() for k, v in mosaic.state_dict().items()}, out)
    Path(out).with_suffix(".json").write_text(json.dumps(settings, indent=2) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
