"""Measure what a SpectralLite loses without one of its components, for the ablation table.

``python -m tools.research.leave_out RUNS [NAME…]``. RUNS is the folder ``runs/train`` that
``landcover train --model landcover-mosaic`` writes. Each row differs from its SpectralLite in one
setting; it is trained on train with the same seed and evaluated on validation in eight symmetries.
The test split is not read. An interrupted row is resumed.
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
from landcover.train.recipes.mosaic import initial_weights
from landcover.train.recipes.mosaic_parts import settings
from landcover.train.recipes.order import Order
from tools.research.common import Floats, gain, line, sigmoid, store, symmetry_logits

SEASON: Final = 0.3
"""Standard deviation of the seasonal change of log-reflectance where NDVI is 1."""
_VISIBLE, _INFRARED = ("B01", "B02", "B03", "B04", "B05"), ("B06", "B07", "B08", "B8A", "B09")
DIRECTION: Final = tuple(
    1.0 if name in _VISIBLE else -0.5 if name in _INFRARED else 0.5 for name in BAND_NAMES
)
"""Change of each band as leaves wither: pigments absorb less visible light, leaves scatter less
near infrared, and drier leaves absorb less short-wave infrared
(Knipling 1970; Tucker 1980)."""


@dataclass(frozen=True)
class Seasons:
    """Patches with a random season at each read: green pixels wither or become greener."""

    patches: NativeStore
    chance: Generator

    @property
    def targets(self) -> Tensor:
        """Targets of the patches."""
        return self.patches.targets

    @property
    def ids(self) -> tuple[str, ...]:
        """Names of the patches."""
        return self.patches.ids

    def __len__(self) -> int:
        return len(self.patches)

    def pixels(self, indices: Sequence[int]) -> Tensor:
        """Float32 reflectance ``(len(indices), 12, 120, 120)``."""
        pixels = self.patches.pixels(indices)
        red, infrared = (pixels[:, [BAND_NAMES.index(name)]] for name in ("B04", "B08"))
        green = ((infrared - red) / (infrared + red).clamp(min=1e-3)).clamp(0, 1)
        amount = SEASON * torch.randn(len(pixels), 1, 1, 1, generator=self.chance)
        direction = torch.tensor(DIRECTION).view(1, -1, 1, 1)
        return pixels * torch.exp(amount * green * direction)


def rows(base: TrainConfig) -> dict[str, TrainConfig]:
    """Return the settings of each row: the base with one setting changed."""
    changed = base.augmentation
    return {
        "no-symmetries": replace(base, augmentation=replace(changed, symmetries=False)),
        "no-ema": replace(base, ema=0.0),
        "no-gain": replace(base, augmentation=replace(changed, brightness=0.0, band_gain=0.0)),
        "seasons": base,
    }


def main(runs: str, *names: str) -> None:
    """Train the named rows, or all, and print each against the base."""
    torch.set_num_threads(1)
    patches, check = store("train"), store("validation")
    config = settings(Order(device="cpu")).lite
    base = nets.build(config.net, **config.net_options)
    base.load_state_dict(load_file(Path(runs) / "lite" / "weights.safetensors"))

    def probabilities(net: nn.Module) -> Floats:
        return sigmoid(symmetry_logits(net, check, range(8)).mean(dim=0).numpy())

    truth, base_probabilities = check.targets.numpy(), probabilities(base)
    print(line("base", gain(truth, base_probabilities, base_probabilities)), flush=True)
    for name, changed in rows(config).items():
        if names and name not in names:
            continue
        out = Path(runs) / "without" / name
        data = Seasons(patches, Generator().manual_seed(0)) if name == "seasons" else patches
        result = train(changed, data, None, out, initial=inflate(initial_weights()))
        save_file(result.state, out / "weights.safetensors")
        print(line(name, gain(truth, probabilities(result.net()), base_probabilities)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
