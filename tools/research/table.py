"""Print the ablation table of :mod:`tools.research.trials`: gains over the shipped part.

``python -m tools.research.table PACK OUT``. A gain is the difference in average precision between
a seed with and without the change, averaged over seeds; intervals are paired bootstraps over
patches. Both directions are shown: trained on train and evaluated on validation, and the reverse.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from landcover.metrics.bootstrap import interval, resample
from tools.research.common import macro_micro_ap

Floats = npt.NDArray[Any]
METRICS = ("macro_ap", "micro_ap")


def main(pack: Path, out: Path) -> None:
    """Print one row for each change."""
    truth = [np.load(pack / f"{split}-meta.npz")["targets"] for split in ("validation", "train")]
    cut = len(truth[1])
    names = sorted({path.stem.rsplit("-", 1)[0] for path in out.glob("*.npz")})
    for kind in "LT":
        base = {direction: _seeds(out, kind, direction) for direction in "tv"}
        for name in (n for n in names if n == kind or n.startswith(f"{kind}-")):
            cells = []
            for direction, flags in zip("tv", truth, strict=True):
                rows = slice(cut, None) if direction == "t" else slice(cut)
                baseline = base[direction] if name != kind else {}
                cells += _cells(_seeds(out, name, direction), baseline, flags, rows)
            print(f"| {name} | {' | '.join(cells)} |", flush=True)


def _seeds(out: Path, name: str, direction: str) -> dict[int, Floats]:
    """Return the logits of each seed; those of a Lite are means over eight symmetries."""
    key = "d4" if name.startswith("L") else "one"
    return {
        seed: np.load(path)[key].astype(np.float32)
        for seed in range(4)
        if (path := out / f"{name}-{direction}{seed}.npz").exists()
    }


def _cells(
    logits_by_seed: dict[int, Floats], base: dict[int, Floats], truth: Floats, rows: slice
) -> list[str]:
    flags, half = truth.astype(bool), [0.5] * truth.shape[1]
    value = np.mean(
        [macro_micro_ap(truth, logits[rows]) for logits in logits_by_seed.values()], axis=0
    )
    if not base:
        return [f"{v:.4f}" for v in value]
    baseline = np.mean([macro_micro_ap(truth, base[seed][rows]) for seed in logits_by_seed], axis=0)
    draws = []
    for seed, logits in logits_by_seed.items():
        new, old = (
            resample(flags, 1 / (1 + np.exp(-x[rows])), half, resamples=500, seed=0)
            for x in (logits, base[seed])
        )
        draws.append([new.overall[name] - old.overall[name] for name in METRICS])
    spread = [interval(values) for values in np.mean(draws, axis=0)]
    return [
        f"{v:.4f}, {v - u:+.4f} [{low:+.4f}, {high:+.4f}]"
        for v, u, (low, high) in zip(value, baseline, spread, strict=True)
    ]


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
