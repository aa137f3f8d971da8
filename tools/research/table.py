"""The ablation table of :mod:`tools.research.trials`: gains over the shipped part, with intervals.

``python -m tools.research.table PACK OUT``. A gain is the mean over seeds of what a change adds
to the same seed's average precision without it; intervals are paired bootstraps over patches.
Both directions are shown: fitted on train and judged on validation, and the reverse.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from landcover.metrics.bootstrap import interval, resample
from tools.research.common import figures

Floats = npt.NDArray[Any]
FIGURES = ("macro_ap", "micro_ap")


def main(pack: Path, out: Path) -> None:
    """Print one row a change."""
    truth = [np.load(pack / f"{split}-meta.npz")["targets"] for split in ("validation", "train")]
    cut = len(truth[1])
    names = sorted({path.stem.rsplit("-", 1)[0] for path in out.glob("*.npz")})
    for kind in "LT":
        base = {way: _seeds(out, kind, way) for way in "tv"}
        for name in (n for n in names if n == kind or n.startswith(f"{kind}-")):
            cells = []
            for way, flags in zip("tv", truth, strict=True):
                rows = slice(cut, None) if way == "t" else slice(cut)
                usual = base[way] if name != kind else {}
                cells += _cells(_seeds(out, name, way), usual, flags, rows)
            print(f"| {name} | {' | '.join(cells)} |", flush=True)


def _seeds(out: Path, name: str, way: str) -> dict[int, Floats]:
    """Logits of each seed's fit: of a Lite the mean over eight symmetries."""
    key = "d4" if name.startswith("L") else "one"
    return {
        seed: np.load(path)[key].astype(np.float32)
        for seed in range(4)
        if (path := out / f"{name}-{way}{seed}.npz").exists()
    }


def _cells(
    found: dict[int, Floats], base: dict[int, Floats], truth: Floats, rows: slice
) -> list[str]:
    flags, half = truth.astype(bool), [0.5] * truth.shape[1]
    value = np.mean([figures(truth, logits[rows]) for logits in found.values()], axis=0)
    if not base:
        return [f"{v:.4f}" for v in value]
    usual = np.mean([figures(truth, base[seed][rows]) for seed in found], axis=0)
    draws = []
    for seed, logits in found.items():
        new, old = (
            resample(flags, 1 / (1 + np.exp(-x[rows])), half, resamples=500, seed=0)
            for x in (logits, base[seed])
        )
        draws.append([new.overall[name] - old.overall[name] for name in FIGURES])
    spread = [interval(values) for values in np.mean(draws, axis=0)]
    return [
        f"{v:.4f}, {v - u:+.4f} [{low:+.4f}, {high:+.4f}]"
        for v, u, (low, high) in zip(value, usual, spread, strict=True)
    ]


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
