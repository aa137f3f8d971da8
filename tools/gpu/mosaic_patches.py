"""Patches and augmented batches of :mod:`tools.gpu.mosaic_fit`, on the GPU.

All pixels stay on the device in half precision, also those whose bands are estimated from fewer.
What is random in a step is drawn on the CPU and copied to fixed buffers, so that the step itself
can be one CUDA graph.
"""

from __future__ import annotations

import json
import lzma
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from landcover.core.bands import (
    BAND_NAMES,
    BANDS_10M,
    BANDS_20M,
    BANDS_60M,
    PATCH_PIXELS,
    QUANTIFICATION,
)
from landcover.core.classes import CLASS_NAMES
from landcover.nets.estimated_bands import BandEstimate, Mixture
from landcover.train.dynamic_world import DynamicWorld
from landcover.train.teaching import GRID, Answers, answers

CELL: Final = 6
"""Pixels to whose multiples pasted rectangles are aligned, so that no 60 m pixel is cut."""
FEW: Final = 8
"""Unlabelled patches of a trial."""
BRIGHTEST: Final = 2.0

Floats = npt.NDArray[Any]
Ints = npt.NDArray[np.intp]


@dataclass(frozen=True, kw_only=True)
class Augment:
    """What happens to the patches of a batch, besides rotating and mirroring."""

    paste: float = 0.0
    blend: float = 0.0
    few_bands: float = 0.0
    """Shares of batches: a rectangle of another patch, mixing two patches, estimated bands."""
    brightness: float = 0.06
    band_gain: float = 0.03
    """Standard deviations of the logarithm of a factor."""


@dataclass(frozen=True)
class Fold:
    """Rows of patches to predict and to fit to."""

    name: str
    held_out: Ints
    fitted: Ints


@dataclass(frozen=True, kw_only=True)
class Data:
    """All patches on the device, those with labels first."""

    pixels: Tensor
    """Half ``(subset, patch, 12, 120, 120)``: measured, then estimated from fewer bands."""
    targets: Tensor
    """``(patch, class)``; 0 without labels."""
    taught: Answers
    """The teacher's answers for the measured bands, in half precision."""
    rows: Ints
    """The packed rows of the labelled patches."""
    folds: tuple[Fold, ...]

    @property
    def unlabelled(self) -> Ints:
        """Rows of the patches without labels."""
        return np.arange(len(self.rows), len(self.targets))


def read(folder: Path, device: torch.device, most: int | None = None) -> Data:
    """Decode all patches, estimate bands, and ask the teacher.

    Args:
        folder: what :mod:`tools.gpu.patches_pack` wrote.
        device: where the patches go.
        most: number of labelled patches of a trial, drawn at random.
    """
    index = json.loads((folder / "index.json").read_text())
    with np.load(folder / "index.npz") as file:
        arrays = {key: file[key] for key in file.files}
    with ThreadPoolExecutor(6) as threads:
        names = list(index["shapes"])
        grids = dict(
            zip(names, threads.map(lambda n: decoded(folder, n, index), names), strict=True)
        )
    rows, fours = np.arange(len(arrays["targets"])), arrays["fours"]
    if most is not None:
        rows = np.sort(np.random.default_rng(0).choice(rows, min(most, len(rows)), replace=False))
        fours = fours[:FEW]
    labelled = on_10m([grids[f"g{metres}"][rows] for metres in (10, 20, 60)])
    pictures = on_10m([grids[f"u{metres}"] for metres in (10, 20, 60)])
    measured = torch.cat([labelled, torch.stack([composed(pictures[four]) for four in fours])])
    targets = torch.zeros(len(measured), len(CLASS_NAMES), device=device)
    targets[: len(rows)] = torch.from_numpy(arrays["targets"][rows]).to(device)
    pixels = with_estimates(measured, index["subsets"], arrays, device)
    with np.load(folder / "dynamicworld.npz") as file:
        weights = {name: torch.from_numpy(file[name]) for name in file.files}
    teacher = DynamicWorld(weights).to(device)
    parts = [answers(teacher, one.float()).map(Tensor.half) for one in torch.split(pixels[0], 16)]
    place = {row: k for k, row in enumerate(rows.tolist())}

    def own(fold: Mapping[str, Any], key: str) -> Ints:
        return np.array([place[row] for row in fold[key] if row in place], dtype=np.intp)

    return Data(
        pixels=pixels,
        targets=targets,
        taught=Answers(*map(torch.cat, zip(*parts, strict=True))),
        rows=rows,
        folds=tuple(
            Fold(fold["name"], own(fold, "held_out"), own(fold, "fitted"))
            for fold in index["folds"]
        ),
    )


def decoded(folder: Path, name: str, index: Mapping[str, Any]) -> Floats:
    """Reflectance of one grid ``(patch, band, y, x)``."""
    low, high = (
        np.frombuffer(lzma.decompress((folder / f"{name}.{end}").read_bytes()), np.uint8)
        for end in ("lo", "hi")
    )
    signed = (low.astype(np.int32) | (high.astype(np.int32) << 8)).reshape(index["shapes"][name])
    rest = (signed >> 1) ^ -(signed & 1)
    logs = np.cumsum(np.cumsum(rest, axis=-1, dtype=np.int32), axis=-2, dtype=np.int32)
    numbers = np.exp(logs / index["steps"]) - index["dark"]
    found: Floats = numbers.astype(np.float32).clip(0) / QUANTIFICATION
    return found


def on_10m(grids: Sequence[Floats]) -> Tensor:
    """Repeat the pixels of three grids to 10 m, ``(patch, 12, y, x)``."""
    count, _, side, _ = grids[0].shape
    found = torch.empty(count, len(BAND_NAMES), side, side)
    for grid, bands in zip(grids, (BANDS_10M, BANDS_20M, BANDS_60M), strict=True):
        factor = side // grid.shape[-1]
        fine = torch.from_numpy(grid).repeat_interleave(factor, -1).repeat_interleave(factor, -2)
        for column, band in enumerate(bands):
            found[:, BAND_NAMES.index(band)] = fine[:, column]
    return found


def composed(four: Tensor) -> Tensor:
    """Set four pictures ``(4, 12, y, x)`` beside one another and cut out a patch."""
    top, bottom = (torch.cat([four[k], four[k + 1]], dim=2) for k in (0, 2))
    return torch.cat([top, bottom], dim=1)[:, :PATCH_PIXELS, :PATCH_PIXELS]


def with_estimates(
    measured: Tensor,
    subsets: Sequence[Sequence[str]],
    mixture: Mapping[str, Floats],
    device: torch.device,
) -> Tensor:
    """Half ``(subset, patch, 12, y, x)``, in which bands outside a subset are estimated."""
    keys = ("weights", "means", "covariances")
    bands = Mixture(**{key: torch.from_numpy(mixture[key]) for key in keys})
    found = torch.empty(len(subsets), *measured.shape, dtype=torch.float16, device=device)
    with torch.no_grad():
        for out, names in zip(found, subsets, strict=True):
            columns = [BAND_NAMES.index(name) for name in names]
            estimate = None
            if len(names) < len(BAND_NAMES):
                estimate = BandEstimate(names, len(bands.weights))
                estimate.fit(bands)
                estimate.to(device)
            for begin in range(0, len(measured), 64):
                part = measured[begin : begin + 64].to(device)
                part = part if estimate is None else estimate(part[:, columns])
                out[begin : begin + 64] = part.clamp(0, BRIGHTEST).half()
    return found


def drawn(
    chance: np.random.Generator, rows: Ints, how: Augment, subsets: int
) -> dict[str, npt.NDArray[Any]]:
    """Draw what is random in a step, always in the same order."""
    count = len(rows)
    subset = 0
    if how.few_bands and chance.random() < how.few_bands:
        subset = int(chance.integers(1, subsets))
    found: dict[str, npt.NDArray[Any]] = {
        "rows": rows,
        "subset": np.full(count, subset),
        "partner": chance.permutation(count),
        "flips": chance.random((count, 3)) < 0.5,
        "box": np.zeros((count, 4)),
        "share": np.ones(count),
        "kept": np.ones(count),
        "pasted": np.zeros(count),
    }
    kind = chance.random()
    if kind < how.paste:
        for row in range(count):
            box, area = rectangle(chance)
            found["box"][row] = box
            found["kept"][row] = min(1.0, 1.6 * (1 - area))
            found["pasted"][row] = min(1.0, 1.6 * area)
    elif kind < how.paste + how.blend:
        found["share"] = chance.beta(0.4, 0.4, count)
    light = how.brightness * chance.standard_normal((count, 1))
    light = light + how.band_gain * chance.standard_normal((count, len(BAND_NAMES)))
    return {**found, "gain": np.exp(light)}


def rectangle(chance: np.random.Generator) -> tuple[tuple[int, int, int, int], float]:
    """Draw top, bottom, left and right of a square or a strip, and its share of the patch."""
    cells = PATCH_PIXELS // CELL
    area = 0.15 + 0.7 * chance.random()
    strip = chance.random() < 0.5
    length = min(cells, max(1, round(cells * (area if strip else math.sqrt(area)))))
    width = cells if strip else length
    top = int(chance.random() * (cells - length + 1))
    left = int(chance.random() * (cells - width + 1))
    box = (top * CELL, (top + length) * CELL, left * CELL, (left + width) * CELL)
    return box, length * width / cells**2


class Buffers:
    """The draws of a step on the device, always in the same memory."""

    def __init__(self, count: int, device: torch.device) -> None:
        self.device = device
        self.rows, self.subset, self.partner = (
            torch.zeros(count, dtype=torch.long, device=device) for _ in range(3)
        )
        self.flips = torch.zeros(count, 3, dtype=torch.bool, device=device)
        self.box = torch.zeros(count, 4, device=device)
        self.share, self.kept, self.pasted = (torch.zeros(count, device=device) for _ in range(3))
        self.gain = torch.ones(count, len(BAND_NAMES), device=device)

    def fill(self, values: Mapping[str, npt.NDArray[Any]]) -> None:
        """Copy draws."""
        for name, value in values.items():
            own: Tensor = getattr(self, name)
            new = torch.from_numpy(np.ascontiguousarray(value)).to(own.dtype)
            own.copy_(new.pin_memory() if own.is_cuda else new, non_blocking=True)


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Augmented patches: reflectance ``(n, 12, y, x)`` and targets ``(n, class)``."""

    pixels: Tensor
    targets: Tensor
    data: Data
    buffers: Buffers

    def taught(self) -> Answers:
        """The teacher's answers, turned and pasted as the pixels were; they are never blended."""
        own = self.buffers
        inside = inside_of(own, PATCH_PIXELS, GRID)
        turned = self.data.taught.map(lambda each: flipped(each[own.rows].float(), own.flips))
        return turned.map(lambda each: torch.where(inside, each[own.partner], each))


def batch(data: Data, own: Buffers) -> Batch:
    """Make the batch of the draws."""
    inside = inside_of(own, PATCH_PIXELS, 1)
    pixels = flipped(data.pixels[own.subset, own.rows].float(), own.flips)
    other = pixels[own.partner]
    pixels = torch.where(inside, other, pixels)
    pixels = torch.lerp(other, pixels, own.share.view(-1, 1, 1, 1))
    targets = data.targets[own.rows]
    theirs = targets[own.partner]
    kept, pasted = own.kept.view(-1, 1), own.pasted.view(-1, 1)
    union = 1 - (1 - kept * targets) * (1 - pasted * theirs)
    blended = torch.lerp(theirs, targets, own.share.view(-1, 1))
    return Batch(
        pixels=pixels * own.gain.view(-1, len(BAND_NAMES), 1, 1),
        targets=torch.where(pasted > 0, union, blended),
        data=data,
        buffers=own,
    )


def flipped(maps: Tensor, flips: Tensor) -> Tensor:
    """Mirror and transpose each of ``maps`` ``(n, channel, y, x)`` as ``flips`` ``(n, 3)`` say."""
    down, across, swap = flips.view(-1, 3, 1, 1, 1).unbind(dim=1)
    maps = torch.where(down, maps.flip(2), maps)
    maps = torch.where(across, maps.flip(3), maps)
    return torch.where(swap, maps.transpose(2, 3), maps)


def inside_of(own: Buffers, side: int, step: int) -> Tensor:
    """Whether every ``step``-th pixel is in the pasted rectangle, ``(n, 1, y, x)``."""
    at = torch.arange(side // step, device=own.device) * step
    top, bottom, left, right = own.box.view(-1, 4, 1, 1).unbind(dim=1)
    rows, columns = at.view(1, -1, 1), at.view(1, 1, -1)
    inside = (rows >= top) & (rows < bottom) & (columns >= left) & (columns < right)
    return inside.unsqueeze(1)
