"""Decode logits with the co-occurrence of labels in the metadata of all training patches.

Take a label set's share of the patches in BigEarthNet's training split and divide it by the share
expected for independent classes. The posterior of the set is this ratio to the power ``strength``
times the net's odds; a class's probability is the sum over the sets that contain it. Also
print the averages with trees and frozen probes. ``python -m tools.research.priors LOGITS.npy``
"""

from __future__ import annotations

import sys

import numpy as np
import pyarrow.parquet as pq

from landcover.core.classes import CLASS_NAMES
from tools.research.common import DATA, WORK, Floats, gain, line, macro_micro_ap, sigmoid, store

MIN_PATCHES = 5
"""Minimum number of patches of a label set; rarer sets are left out."""


def label_sets() -> tuple[Floats, Floats]:
    """Return the distinct label sets of the training split ``(set, class)`` and their shares."""
    table = pq.read_table(
        DATA / "bigearthnet/metadata-all-480038.parquet", columns=["labels", "split"]
    )
    column = {name: k for k, name in enumerate(CLASS_NAMES)}
    counts: dict[tuple[int, ...], int] = {}
    for labels, split in zip(table["labels"].to_pylist(), table["split"].to_pylist(), strict=True):
        if split == "train":
            key = tuple(sorted(column[x] for x in labels))
            counts[key] = counts.get(key, 0) + 1
    sets = np.zeros((len(counts), len(CLASS_NAMES)), np.float32)
    for row, key in enumerate(counts):
        sets[row, list(key)] = 1
    share = np.array(list(counts.values()), np.float32)
    frequent = share >= MIN_PATCHES
    sets, share = sets[frequent], share[frequent]
    return sets, share / share.sum()


def decode(logits: Floats, sets: Floats, share: Floats, strength: float) -> Floats:
    """Return probabilities under the prior of label sets, relative to independent classes."""
    marginal = share @ sets
    odds = np.log(marginal) - np.log1p(-marginal)
    independent = sets @ odds + np.log1p(-marginal).sum()
    score = strength * (np.log(share) - independent) + logits @ sets.T
    score -= score.max(1, keepdims=True)
    weight = np.exp(score)
    out: Floats = (weight @ sets) / weight.sum(1, keepdims=True)
    return out


def main(path: str) -> None:
    """Print the rows."""
    truth = store("validation").targets.numpy()
    base = np.load(path)
    sets, share = label_sets()
    print(len(sets), "label sets")
    p = sigmoid(base)
    print("base", *(f"{v:.4f}" for v in macro_micro_ap(truth, p)))
    for strength in (0.1, 0.25, 0.5, 0.75, 1.0):
        print(line(f"label sets {strength}", gain(truth, decode(base, sets, share, strength), p)))
    probe = np.load(WORK / "probe.npz")
    for name in (
        "stats/trees",
        "stats/lr",
        "all-s2/trees",
        "all-s2/lr",
        "all-s4+stats/trees",
        "all-head/lr",
        "all-s4/lr",
    ):
        for w in (0.25, 0.5):
            print(line(f"{name} {w}", gain(truth, (1 - w) * p + w * probe[name], p)))


if __name__ == "__main__":
    main(sys.argv[1])
