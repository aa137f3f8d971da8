"""Compute features of four composites of each patch with a frozen EfficientNet-Lite0.

The net has ImageNet weights and is not trained. ``frozenSIDE.npz`` has the mean and standard
deviation of four feature maps for each composite, symmetry and patch.
"""

from __future__ import annotations

import os
import time

import numpy as np
import torch
import torch.nn.functional as F

from landcover.core.bands import BAND_NAMES
from landcover.datasets.arrays import join
from landcover.nets.efficientnet_lite0 import Lite0
from landcover.nets.symmetry import symmetry
from tools.research.common import WORK, imagenet, store

COMPOSITES = {
    "rgb": "B04 B03 B02",
    "nrg": "B08 B04 B03",
    "swir": "B11 B8A B04",
    "edge": "B12 B11 B05",
}
STAGES = (2, 4, 6, 7)
SIDE = int(os.environ.get("SIDE", "240"))


def main() -> None:
    """Compute the features and write the file."""
    torch.set_num_threads(1)
    both = join(store("train"), store("validation"))
    net = Lite0().eval()
    net.load_imagenet(imagenet())
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    pixels = torch.log(both.pixels(range(len(both))).clamp(0, 1.5) + 0.01)
    mean, std = (f(pixels[:301], dim=(0, 2, 3), keepdim=True) for f in (torch.mean, torch.std))
    pixels = ((pixels - mean) / std / 2).clamp(-2, 2)
    out = {}
    begin = time.time()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        for name, bands in COMPOSITES.items():
            rows = [BAND_NAMES.index(b) for b in bands.split()]
            for which in range(int(os.environ.get("SYMS", "8"))):
                parts = []
                for chunk in pixels[:, rows].split(30):  # type: ignore[no-untyped-call]
                    x = F.interpolate(
                        symmetry(chunk, which), (SIDE, SIDE), mode="bilinear", align_corners=False
                    )
                    x = x.contiguous(memory_format=torch.channels_last)
                    maps = net.maps(x)
                    parts.append(
                        torch.cat(
                            [
                                v
                                for s in STAGES
                                for v in (maps[s].float().mean((2, 3)), maps[s].float().std((2, 3)))
                            ],
                            1,
                        )
                    )
                out[f"{name}{which}"] = torch.cat(parts).half().numpy()
                print(name, which, round(time.time() - begin), flush=True)
    np.savez(WORK / f"frozen{SIDE}.npz", **out)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
