"""Average logits on validation over the eight symmetries.

``python -m tools.research.symmetric RUN…``
"""

from __future__ import annotations

import sys

import numpy as np
import torch

from landcover import nets
from landcover.nets.symmetry import symmetry
from landcover.train.configuration import TrainConfig
from tools.research.common import WORK, macro_micro_ap, store


def main(runs: list[str]) -> None:
    """Write ``val_d4.npy`` to the folder of each run and print the metrics."""
    torch.set_num_threads(1)
    check = store("validation")
    for run in runs:
        folder = WORK / "runs" / run
        config = TrainConfig.from_json((folder / "config.json").read_text())
        net = nets.build(config.net, **config.net_options).eval()
        net.load_state_dict(torch.load(folder / "state.pt", weights_only=True))
        rows = []
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            for start in range(0, len(check), 32):
                pixels = check.pixels(range(start, min(start + 32, len(check))))
                rows.append(torch.stack([net(symmetry(pixels, k)).float() for k in range(8)]))
        each = torch.cat(rows, dim=1)
        mean = each.mean(dim=0).numpy()
        np.save(folder / "val_d4.npy", mean)
        one = macro_micro_ap(check.targets.numpy(), each[0].numpy())
        print(run, one, "->", macro_micro_ap(check.targets.numpy(), mean))


if __name__ == "__main__":
    main(sys.argv[1:])
