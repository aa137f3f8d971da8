"""Evaluate the chosen EuroSAT net on the test split, once.

``python -m tools.research.eurosat_test RUN ENLARGE``
"""

from __future__ import annotations

import sys

import numpy as np
import torch

from landcover.nets.rgb_lite0 import RgbNet
from landcover.train.validation import predict_logits
from tools.research.common import WORK
from tools.research.eurosat import store


def main(run: str, enlarge: str) -> None:
    """Print accuracy with its 95 % interval over pictures, for one and for all eight symmetries."""
    torch.set_num_threads(1)
    net = RgbNet(enlarge=float(enlarge), symmetries=8)
    net.load_state_dict(torch.load(WORK / "runs" / run / "state.pt", weights_only=True))
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    chance = np.random.default_rng(0)
    test = store("test")
    for symmetries in (1, 8):
        net.symmetries = symmetries
        logits = predict_logits(net, test, precision="bfloat16")
        hits = (logits.argmax(1) == test.targets.argmax(1)).numpy()
        drawn = hits[chance.integers(len(hits), size=(2000, len(hits)))].mean(axis=1)
        low, high = np.percentile(drawn, [2.5, 97.5])
        print(f"{symmetries} symmetries: {hits.mean():.4f} [{low:.4f}, {high:.4f}] n={len(hits)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
