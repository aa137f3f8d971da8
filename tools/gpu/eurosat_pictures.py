"""Recipes, pictures and augmented batches of :mod:`tools.gpu.eurosat_fit`, on the GPU."""

from __future__ import annotations

import io
import math
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Generator, Tensor

CLASSES: Final = 10
SIDE: Final = 64
SMOOTHING: Final = 0.05


@dataclass(frozen=True)
class Augment:
    """Standard deviations of the logarithm of a factor, unless stated otherwise."""

    brightness: float = 0.05
    band_gain: float = 0.02
    gamma: float = 0.0
    haze: float = 0.0
    """Standard deviation of an offset of all bands; each band gets half of that, too."""
    saturation: float = 0.0
    zoom: float = 0.0
    """Pictures are shown at exp(±zoom) of their size."""
    turn: float = 0.0
    """Degrees by which pictures are rotated, at most; borders are mirrored."""
    mixup: float = 0.0
    cutmix: float = 0.0
    """Shares of batches."""


@dataclass(frozen=True)
class Recipe:
    """Phases of size (pixels), epochs and learning rate, each from the previous weights."""

    phases: tuple[tuple[int, float, float], ...] = ((64, 5, 1.4e-3), (96, 3, 8e-4), (128, 2, 4e-4))
    augment: Augment = field(default_factory=Augment)
    standardise: bool = False
    """Whether each picture gets the same mean and deviation."""
    smoothing: float = SMOOTHING
    trust: float = 0.0
    """Share of the teachers' answer in the targets."""


COLOUR: Final = Augment(brightness=0.2, band_gain=0.08, gamma=0.15, haze=0.03, saturation=0.2)
WIDE: Final = replace(COLOUR, zoom=0.25, turn=20.0)
RECIPES: Final = {
    "shipped": Recipe(),
    "colour": Recipe(augment=COLOUR),
    "zoom": Recipe(augment=Augment(zoom=0.25, turn=20.0)),
    "colour-zoom": Recipe(augment=WIDE),
    "colour-mix": Recipe(augment=replace(COLOUR, mixup=0.25, cutmix=0.25)),
    "larger": Recipe(
        phases=((64, 4, 1.4e-3), (128, 3, 8e-4), (160, 3, 4e-4)),
        augment=replace(WIDE, mixup=0.15, cutmix=0.15),
    ),
    "standardised": Recipe(augment=COLOUR, standardise=True),
    "longer": Recipe(
        phases=((64, 10, 1.4e-3), (96, 6, 8e-4), (128, 5, 4e-4)),
        augment=replace(WIDE, mixup=0.15, cutmix=0.15),
    ),
    "mild": Recipe(
        augment=Augment(
            brightness=0.1, band_gain=0.04, gamma=0.08, haze=0.015, saturation=0.1, zoom=0.15
        )
    ),
}
ORDER: Final = tuple(RECIPES)


@dataclass(frozen=True)
class Data:
    """All pictures on the device."""

    pixels: Tensor
    """uint8 ``(n, 3, 64, 64)``."""
    label: Tensor
    name: Any
    fold: Any
    near: Any
    cell: Any
    classes: list[str]

    @property
    def folds(self) -> int:
        """Number of folds."""
        return int(self.fold.max()) + 1

    def fitted(self, fold: int) -> Tensor:
        """Rows to fit to, on the device."""
        rows = np.flatnonzero((self.fold != fold) & ~self.near[:, fold])
        return torch.from_numpy(rows).to(self.label.device)

    def held_out(self, fold: int) -> Tensor:
        """Rows to score, on the device."""
        return torch.from_numpy(np.flatnonzero(self.fold == fold)).to(self.label.device)


def read(folder: Path, device: torch.device, workers: int, most: int | None) -> Data:
    """Decode all pictures."""
    with np.load(folder / "index.npz") as file:
        index = {key: file[key] for key in file.files}
    blob = (folder / "pictures.bin").read_bytes()
    rows = np.arange(len(index["name"]))
    if most:
        rows = rows[:: max(1, len(rows) // most)]
    pixels = np.empty((len(rows), SIDE, SIDE, 3), dtype=np.uint8)

    def decode(part: list[tuple[int, int]]) -> None:
        for to, row in part:
            piece = blob[index["start"][row] : index["start"][row + 1]]
            pixels[to] = np.asarray(Image.open(io.BytesIO(piece)).convert("RGB"))

    jobs = list(enumerate(rows.tolist()))
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(decode, [jobs[k : k + 256] for k in range(0, len(jobs), 256)]))
    south, west = (np.floor(index[key][rows] / 2).astype(int) for key in ("latitude", "longitude"))
    return Data(
        pixels=torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous().to(device),
        label=torch.from_numpy(index["label"][rows].astype(np.int64)).to(device),
        name=index["name"][rows],
        fold=index["fold"][rows].astype(int),
        near=index["near"][rows],
        cell=south * 1000 + west,
        classes=[str(one) for one in index["classes"]],
    )


def turned(pixels: Tensor, which: Tensor) -> Tensor:
    """Apply a symmetry of the square, 0 to 7, to each picture."""
    bit = which.view(-1, 1, 1, 1)
    pixels = torch.where((bit & 4) > 0, pixels.transpose(-2, -1), pixels)
    pixels = torch.where((bit & 1) > 0, pixels.flip(-1), pixels)
    return torch.where((bit & 2) > 0, pixels.flip(-2), pixels)


def standardised(pixels: Tensor) -> Tensor:
    """Give each band of each picture mean 0.4 and deviation 0.12."""
    mean = pixels.mean(dim=(2, 3), keepdim=True)
    spread = pixels.std(dim=(2, 3), keepdim=True).clamp(min=0.02)
    return (pixels - mean) / spread * 0.12 + 0.4


def coloured(pixels: Tensor, how: Augment, random_: Generator) -> Tensor:
    """Change the colours of each picture."""
    count, where = len(pixels), pixels.device

    def normal(bands: int = 1) -> Tensor:
        return torch.randn(count, bands, 1, 1, generator=random_, device=where)

    if how.gamma:
        pixels = pixels.clamp(min=1e-3) ** torch.exp(how.gamma * normal())
    pixels = pixels * torch.exp(how.brightness * normal() + how.band_gain * normal(3))
    if how.haze:
        pixels = pixels + how.haze * (normal() + 0.5 * normal(3))
    if how.saturation:
        grey = pixels.mean(dim=1, keepdim=True)
        pixels = grey + (pixels - grey) * torch.exp(how.saturation * normal())
    return pixels


def placed(pixels: Tensor, size: int, how: Augment, random_: Generator) -> Tensor:
    """Enlarge, and zoom and rotate if requested."""
    if not (how.zoom or how.turn):
        return enlarged(pixels, size)
    count, where = len(pixels), pixels.device
    draw = 2 * torch.rand(4, count, generator=random_, device=where) - 1
    scale = torch.exp(-how.zoom * draw[0])
    angle = math.radians(how.turn) * draw[1]
    free = (1 - scale).clamp(min=0.0)
    rows = (
        torch.stack([scale * angle.cos(), -scale * angle.sin(), free * draw[2]], dim=1),
        torch.stack([scale * angle.sin(), scale * angle.cos(), free * draw[3]], dim=1),
    )
    grid = F.affine_grid(torch.stack(rows, dim=1), [count, 3, size, size], align_corners=False)
    return F.grid_sample(
        pixels, grid, mode="bilinear", padding_mode="reflection", align_corners=False
    )


def enlarged(pixels: Tensor, size: int) -> Tensor:
    """Resize as the shipped net does."""
    if size == SIDE:
        return pixels
    return F.interpolate(pixels, size=(size, size), mode="bilinear", align_corners=False)


class Batches:
    """Endless augmented batches of some rows."""

    def __init__(
        self,
        data: Data,
        rows: Tensor,
        recipe: Recipe,
        batch: int,
        *,
        seed: int,
        teacher: Tensor | None = None,
    ) -> None:
        self.data, self.rows, self.recipe, self.batch = data, rows, recipe, batch
        self.teacher = teacher
        """Probabilities ``(symmetry, picture, class)`` of all pictures."""
        self.random = Generator(rows.device).manual_seed(seed)
        self.coin = random.Random(seed)  # noqa: S311 - not for secrets
        self.prior = torch.bincount(data.label[rows], minlength=CLASSES).float() / len(rows)
        self.order = rows[:0]

    def next(self, size: int) -> tuple[Tensor, Tensor]:
        """Return pixels ``(batch, 3, size, size)`` and targets ``(batch, class)``."""
        if len(self.order) < self.batch:
            where = self.rows.device
            self.order = self.rows[
                torch.randperm(len(self.rows), generator=self.random, device=where)
            ]
        now, self.order = self.order[: self.batch], self.order[self.batch :]
        how = self.recipe.augment
        which = torch.randint(0, 8, (len(now),), generator=self.random, device=now.device)
        pixels = turned(self.data.pixels[now].float().div_(255.0), which)
        if self.recipe.standardise:
            pixels = standardised(pixels)
        pixels = placed(coloured(pixels, how, self.random), size, how, self.random)
        targets = F.one_hot(self.data.label[now], CLASSES).float()
        targets = torch.lerp(targets, self.prior.expand_as(targets), self.recipe.smoothing)
        if self.teacher is not None:
            targets = torch.lerp(targets, self.teacher[which, now], self.recipe.trust)
        return self._mixed(pixels, targets)

    def _mixed(self, pixels: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        how, draw = self.recipe.augment, self.coin.random()
        if draw >= how.mixup + how.cutmix:
            return pixels, targets
        other = torch.roll(torch.arange(len(pixels), device=pixels.device), 1)
        share = self.coin.betavariate(0.4, 0.4) if draw < how.mixup else self.coin.random()
        if draw < how.mixup:
            pixels = torch.lerp(pixels[other], pixels, share)
        else:
            size = pixels.shape[-1]
            side = max(1, round(size * math.sqrt(1 - share)))
            top, left = (self.coin.randint(0, size - side) for _ in range(2))
            pixels = pixels.clone()
            box = (slice(None), slice(None), slice(top, top + side), slice(left, left + side))
            pixels[box] = pixels[other][box]
            share = 1 - (side / size) ** 2
        return pixels, torch.lerp(targets[other], targets, share)
