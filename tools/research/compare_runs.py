"""Print the ablation table: each finished run against the base, alone, averaged and decoded.

``python -m tools.research.compare_runs [NAME…]``
"""

from __future__ import annotations

import sys

import numpy as np

from tools.research.common import WORK, gain, line, macro_micro_ap, sigmoid, store
from tools.research.priors import decode, label_sets


def main(names: list[str]) -> None:
    """Print the rows of the named runs, or of all."""
    truth = store("validation").targets.numpy()
    base = np.load(WORK / "base.npy")
    sets, share = label_sets()
    p = sigmoid(base)
    runs = names or sorted(x.parent.name for x in (WORK / "runs").glob("*/val.npy"))
    print("base", *(f"{v:.4f}" for v in macro_micro_ap(truth, p)))
    print(line("base, decoded", gain(truth, decode(base, sets, share, 0.2), p)))
    for name in runs:
        logits = np.load(WORK / "runs" / name / "val.npy")
        print(line(name, gain(truth, sigmoid(logits), p)))
        mixed = (base + logits) / 2
        print(line(f"{name} + base", gain(truth, sigmoid(mixed), p)))
        print(line(f"{name} + base, decoded", gain(truth, decode(mixed, sets, share, 0.2), p)))
    if len(runs) > 1:
        mean = np.mean([np.load(WORK / "runs" / n / "val.npy") for n in runs], axis=0)
        print(line("mean of runs", gain(truth, sigmoid(mean), p)))
        mixed = (base + mean) / 2
        print(line("mean of runs + base", gain(truth, sigmoid(mixed), p)))
        print(line("mean of runs + base, decoded", gain(truth, decode(mixed, sets, share, 0.2), p)))


if __name__ == "__main__":
    main(sys.argv[1:])
