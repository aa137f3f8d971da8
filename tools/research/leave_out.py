"""What a SpectralLite loses without one of its ingredients, for the ablation table.

``python -m tools.research.leave_out RUNS [NAME…]``. RUNS is the folder ``runs/train`` that
``landcover train --model landcover-mosaic`` leaves: its first teacher is what each row differs
from in one thing, fitted on train, by the same seed, and judged on validation in eight
symmetries. The test split is not read. A row that was cut off goes on.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import load_file, save_file
from torch import Generator, Tensor, nn

from landcover import nets
from landcover.core.bands import BAND_NAMES
from landcover.datasets.arrays import NativeStore
from landcover.nets.spectral_lite0 import inflate
from landcover.train.configuration import TrainConfig
from landcover.train.loop import train
from landcover.train.recipes.mosaic import initial_weights, settings
from landcover.train.recipes.order import Order
from tools.research.common import Floats, gain, line, looks, sigmoid, store

SEASON: Final = 0.3
"""Spread of how far a season moves log-reflectance where all is green."""
_VISIBLE, _INFRARED = ("B01", "B02", "B03", "B04", "B05"), ("B06", "B07", "B08", "B8A", "B09")
DIRECTION: Final = tuple(
    1.0 if name in _VISIBLE else -0.5 if name in _INFRARED else 0.5 for name in BAND_NAMES
)
"""What happens to each band as leaves wither: pigments absorb less of the visible light, the
leaf scatters less near infrared, and drier leaves absorb less of the short-wave infrared
(Knipling 1970; Tucker 1980)."""


@dataclass(frozen=True)
class Seasons:
    """Patches that are read each time in another season: green pixels wither or turn greener."""

    patches: NativeStore
    chance: Generator

    @property
    def targets(self) -> Tensor:
        """Those of the patches."""
        return self.patches.targets

    @property
    def ids(self) -> tuple[str, ...]:
        """Those of the patches."""
        return self.patches.ids

    def __len__(self) -> int:
        return len(self.patches)

    def pixels(self, indices: Sequence[int]) -> Tensor:
        """Float32 reflectance ``(len(indices), 12, 120, 120)``."""
        pixels = self.patches.pixels(indices)
        red, infrared = (pixels[:, [BAND_NAMES.index(name)]] for name in ("B04", "B08"))
        green = ((infrared - red) / (infrared + red).clamp(min=1e-3)).clamp(0, 1)
        far = SEASON * torch.randn(len(pixels), 1, 1, 1, generator=self.chance)
        way = torch.tensor(DIRECTION).view(1, -1, 1, 1)
        return pixels * torch.exp(far * green * way)


def rows(base: TrainConfig) -> dict[str, TrainConfig]:
    """Name → the base with one thing changed."""
    changed = base.augmentation
    return {
        "no-symmetries": replace(base, augmentation=replace(changed, symmetries=False)),
        "no-ema": replace(base, ema=0.0),
        "no-gain": replace(base, augmentation=replace(changed, brightness=0.0, band_gain=0.0)),
        "seasons": base,
    }


def main(runs: str, *names: str) -> None:
    """Fit the named rows, or all, and print each against the base."""
    torch.set_num_threads(1)
    patches, check = store("train"), store("validation")
    config = settings(Order(device="cpu")).teachers[0]
    base = nets.build(config.net, **config.net_options)
    base.load_state_dict(load_file(Path(runs) / "teacher-0" / "weights.safetensors"))

    def chances(net: nn.Module) -> Floats:
        return sigmoid(looks(net, check, range(8)).mean(dim=0).numpy())

    truth, known = check.targets.numpy(), chances(base)
    print(line("base", gain(truth, known, known)), flush=True)
    for name, changed in rows(config).items():
        if names and name not in names:
            continue
        out = Path(runs) / "without" / name
        data = Seasons(patches, Generator().manual_seed(0)) if name == "seasons" else patches
        result = train(changed, data, None, out, initial=inflate(initial_weights()))
        save_file(result.state, out / "weights.safetensors")
        print(line(name, gain(truth, chances(result.net()), known)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
