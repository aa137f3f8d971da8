"""Predict BigEarthNet classes from the dense outputs of a EuroSAT net.

The visible bands are standardised to EuroSAT's mean and spread; the net is not trained further.
``python -m tools.research.euro_probe RUN ENLARGE``
"""

from __future__ import annotations

import sys

import numpy as np
import torch
import torch.nn.functional as F

from landcover.datasets.arrays import join
from landcover.nets.rgb_lite0 import RgbNet
from landcover.nets.spectral_lite0 import VISIBLE
from landcover.nets.symmetry import symmetry
from tools.research.common import WORK, gain, line, macro_micro_ap, sigmoid, store
from tools.research.probe import fit, log_statistics


def main(run: str, enlarge: str) -> None:
    """Print metrics and write the probabilities."""
    torch.set_num_threads(1)
    a, b = store("train"), store("validation")
    both = join(a, b)
    net = RgbNet()
    net.load_state_dict(torch.load(WORK / "runs" / run / "state.pt", weights_only=True))
    net.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    x = both.pixels(range(len(both)))[:, list(VISIBLE)].clamp(0, 0.275)
    mean, std = x[: len(a)].mean((0, 2, 3), keepdim=True), x[: len(a)].std((0, 2, 3), keepdim=True)
    x = (x - mean) / std
    weight, bias = net.classifier.weight[:, :, None, None], net.classifier.bias
    features_of_symmetries = []
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        for which in (0, 1, 4, 7):
            rows = []
            for part in x.split(32):  # type: ignore[no-untyped-call]
                image = F.interpolate(
                    symmetry(part, which), scale_factor=float(enlarge), mode="bilinear"
                )
                features = net.trunk(image.contiguous(memory_format=torch.channels_last))
                logits = F.conv2d(features, weight, bias).float().flatten(2)
                p = logits.softmax(1)
                rows.append(
                    torch.cat(
                        (
                            logits.mean(2),
                            logits.amax(2),
                            logits.std(2),
                            p.mean(2),
                            p.amax(2),
                            features.float().mean((2, 3)),
                        ),
                        1,
                    )
                )
            features_of_symmetries.append(torch.cat(rows))
    f = torch.stack(features_of_symmetries).mean(0).numpy()
    np.save(WORK / f"euro_features_{run}_{enlarge}.npy", f)
    ya, yb = a.targets.numpy(), b.targets.numpy()
    stats = log_statistics(a), log_statistics(b)
    base = sigmoid(np.load(WORK / "base.npy"))
    predictions = {}
    for name, cut in (
        ("answers", slice(0, 50)),
        ("features", slice(50, None)),
        ("both", slice(None)),
    ):
        for extra in (False, True):
            xs = [
                np.concatenate([v, s], 1) if extra else v
                for v, s in zip((f[: len(a), cut], f[len(a) :, cut]), stats, strict=True)
            ]
            for kind in ("lr", "trees"):
                key = f"{name}{'+stats' if extra else ''}/{kind}"
                predictions[key] = fit(kind, xs[0], ya, xs[1])
                print(key, *(f"{v:.4f}" for v in macro_micro_ap(yb, predictions[key])))
                print(
                    line(
                        "  0.25 averaged with base",
                        gain(yb, 0.75 * base + 0.25 * predictions[key], base),
                    ),
                    flush=True,
                )
    np.savez(WORK / f"euro_probe_{run}.npz", **predictions)  # type: ignore[arg-type]


if __name__ == "__main__":
    main(*sys.argv[1:])
