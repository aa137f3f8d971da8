"""Fit linear probes and trees on frozen features and band statistics, as cheap baselines."""

from __future__ import annotations

import os

import numpy as np
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from landcover.datasets.arrays import NativeStore
from landcover.nets.reference import band_statistics
from tools.research.common import WORK, Floats, macro_micro_ap, store

TRAIN = 301


def main() -> None:
    """Print the validation metrics of each feature set."""
    a, b = store("train"), store("validation")
    ya, yb = a.targets.numpy(), b.targets.numpy()
    stats = [log_statistics(a), log_statistics(b)]
    frozen = np.load(WORK / f"frozen{os.environ.get('SIDE', '240')}.npz")
    sym = range(8)
    names = ("rgb", "nrg", "swir", "edge")
    feats = {n: np.stack([frozen[f"{n}{k}"].astype(np.float32) for k in sym]) for n in names}
    cuts = {
        "s2": slice(0, 80),
        "s4": slice(80, 304),
        "s6": slice(304, 944),
        "head": slice(944, None),
    }
    sets = {"stats": (stats[0][None], stats[1][None])}
    for n in names:
        sets[n] = (feats[n][:, :TRAIN], feats[n][:, TRAIN:])
    for c, cut in cuts.items():
        sets[f"all-{c}"] = tuple(
            np.concatenate([feats[n][..., cut] for n in names], -1)[:, s]
            for s in (slice(0, TRAIN), slice(TRAIN, None))
        )  # type: ignore[assignment]
    for c in ("s4", "s6"):
        x = sets[f"all-{c}"]
        sets[f"all-{c}+stats"] = tuple(
            np.concatenate([x[i], np.repeat(stats[i][None], 8, 0)], -1) for i in (0, 1)
        )  # type: ignore[assignment]
    predictions: dict[str, Floats] = {}
    for name, (xa, xb) in sets.items():
        for kind in ("lr", "trees"):
            predictions[f"{name}/{kind}"] = fit(kind, xa.mean(0), ya, xb.mean(0))
            print(
                f"{name}/{kind}",
                *(f"{v:.4f}" for v in macro_micro_ap(yb, predictions[f"{name}/{kind}"])),
                flush=True,
            )
    np.savez(WORK / "probe.npz", **predictions)  # type: ignore[arg-type]


def log_statistics(patches: NativeStore) -> Floats:
    """Return the logarithms of the reference model's band statistics."""
    pixels = patches.pixels(range(len(patches)))
    logs: Floats = np.log(np.clip(band_statistics(pixels).numpy(), 0, 1.5) + 0.01)
    return logs


def fit(kind: str, xa: Floats, ya: Floats, xb: Floats) -> Floats:
    """Fit a classifier of a kind and return its probabilities for ``xb``."""
    if kind == "trees":
        m = ExtraTreesRegressor(300, min_samples_leaf=2, max_features="sqrt", random_state=0)
        forest_scores: Floats = m.fit(xa, ya).predict(xb).astype(np.float32)
        return forest_scores
    scale = StandardScaler().fit(xa)
    za, zb = scale.transform(xa), scale.transform(xb)
    out = np.zeros((len(xb), ya.shape[1]), np.float32)
    for k in range(ya.shape[1]):
        if ya[:, k].sum() == 0:
            continue
        m = LogisticRegression(C=10 / xa.shape[1], max_iter=300)
        out[:, k] = m.fit(za, ya[:, k]).predict_proba(zb)[:, 1]
    return out


if __name__ == "__main__":
    main()
