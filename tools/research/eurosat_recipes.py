"""Compare recipes for EuroSAT by place on one thread of a CPU, fold by fold.

``python -m tools.research.eurosat_recipes ROOT IMAGENET OUT [--recipes shipped,colour]
[--passes 2] [--folds 5] [--until 02:15]``

ROOT is the folder of EuroSAT, IMAGENET the trunk that :mod:`tools.gpu.eurosat_pack` writes. The
recipes are those of :mod:`tools.gpu.eurosat_pictures`, with a cheap schedule instead of theirs:
pictures of 64 pixels, few passes. All recipes are fitted to one fold before the next fold, so that
whatever is there at the end is paired. OUT gets the logits of each fit as soon as it is there, and
the same call goes on where it was interrupted. No fit
is started that would end after ``--until`` (UTC).

``python -m tools.research.eurosat_recipes OUT`` prints the table.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from landcover.core.classes import EUROSAT_CLASSES
from landcover.datasets.eurosat import open_eurosat
from landcover.datasets.picture_folds import cells_of, picture_folds, pool
from landcover.nets.efficientnet_lite0 import Depthwise
from tools.gpu.eurosat_machine import Job, Judge, Machine, fit
from tools.gpu.eurosat_pictures import RECIPES, Data, turned

SIZE: Final = 64
BATCH: Final = 64
RATE: Final = 1e-3
TURNS: Final = (0, 4)
SMALL: Final = 4
RESAMPLES: Final = 1000
CPU: Final = torch.device("cpu")

Floats = npt.NDArray[Any]


class ByChannel(torch.autograd.Function):
    """Multiply the maps of each channel by its own matrix.

    Each product copies its factors first: a batched product of strided maps is much slower.
    """

    @staticmethod
    def forward(ctx: Any, maps: Tensor, matrix: Tensor) -> Tensor:  # noqa: ANN401
        """``(n, channel, i)`` and ``(channel, o, i)`` to ``(n, channel, o)``."""
        maps = maps.transpose(0, 1).contiguous()
        ctx.save_for_backward(maps, matrix)
        return torch.bmm(maps, matrix.transpose(1, 2)).transpose(0, 1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ANN401
        """The gradients of both."""
        maps, matrix = ctx.saved_tensors
        wanted = gradients[0].transpose(0, 1).contiguous()
        return torch.bmm(wanted, matrix).transpose(0, 1), torch.bmm(wanted.transpose(1, 2), maps)


@cache
def taps(side: int, out: int, kernel: int, stride: int) -> Tensor:
    """Which weight connects an input to an output ``(o · i,)``; kernel² where none does."""
    found = torch.full((out, out, side, side), kernel * kernel)
    for y, x, down, right in np.ndindex(out, out, side, side):
        i, j = down + kernel // 2 - y * stride, right + kernel // 2 - x * stride
        if 0 <= i < kernel and 0 <= j < kernel:
            found[y, x, down, right] = i * kernel + j
    return found.flatten()


class Small(Depthwise):
    """A depthwise convolution whose small maps are multiplied by a matrix for each channel.

    On maps of four pixels or fewer, oneDNN's gradient of a depthwise convolution takes longer than
    those of all other layers together. The matrix has 16 × 16 entries at most.
    """

    def forward(self, features: Tensor) -> Tensor:
        """``(n, channel, y, x)`` to ``(n, channel, y/stride, x/stride)``."""
        side, kernel, stride = features.shape[-1], self.kernel_size[0], self.stride[0]
        if not self.training or side > SMALL:
            return super().forward(features)
        count, channels = features.shape[:2]
        out = (side - 1) // stride + 1
        weight = F.pad(self.weight.reshape(channels, -1), (0, 1))
        matrix = weight[:, taps(side, out, kernel, stride)].reshape(channels, out * out, -1)
        maps = features.reshape(count, channels, -1)
        found: Tensor = ByChannel.apply(maps, matrix)  # type: ignore[no-untyped-call]
        return found.reshape(count, channels, out, out)


def pictures(root: Path) -> Data:
    """Read all training and validation pictures, with the folds."""
    dataset = open_eurosat(root)
    records = pool(dataset)
    store = dataset.load_pictures(records)
    fold = np.zeros(len(records), dtype=int)
    parts = picture_folds(records)
    near = np.ones((len(records), len(parts)), dtype=bool)
    for number, one in enumerate(parts):
        fold[list(one.held_out)] = number
        near[[*one.held_out, *one.fitted], number] = False
    return Data(
        pixels=torch.from_numpy(store.bytes).permute(0, 3, 1, 2).contiguous(),
        label=store.targets.argmax(dim=1),
        name=np.array([one.name for one in records]),
        fold=fold,
        near=near,
        cell=cells_of(records),
        classes=list(EUROSAT_CLASSES),
    )


@torch.inference_mode()
def answers(judge: Judge, machine: Machine, data: Data, rows: Tensor) -> Floats:
    """Logits ``(picture, class)``, the mean over symmetries."""
    judge.net.load_state_dict(machine.state(), strict=False)
    found = []
    for part in torch.split(rows, 128):
        pixels = data.pixels[part].float().div_(255.0)
        views = [turned(pixels, torch.full((len(part),), turn)) for turn in TURNS]
        found.append(torch.stack([judge.net(view) for view in views]).mean(dim=0))
    logits: Floats = torch.cat(found).numpy()
    return logits


def compare(options: argparse.Namespace) -> None:
    """Fit what is missing."""
    torch.set_num_threads(1)
    data = pictures(options.root)
    trunk = torch.load(options.imagenet, weights_only=True)
    machine = Machine(CPU, BATCH, graphs=False, layout=torch.channels_last)
    for module in machine.net.modules():
        if isinstance(module, Depthwise):
            module.__class__ = Small
    judge = Judge(CPU, torch.channels_last)
    took = 0.0
    for fold in range(min(options.folds, data.folds)):
        for name in options.recipes.split(","):
            target = options.out / f"{name}-{fold}.npz"
            if target.exists():
                continue
            if options.until and datetime.now(UTC) + timedelta(seconds=took) > options.until:
                print("no time for another fit", flush=True)
                return
            begin = time.monotonic()
            rows = data.fitted(fold)
            recipe = replace(RECIPES[name], phases=((SIZE, options.passes, RATE),))
            for step, _ in enumerate(fit(machine, Job(recipe, rows, seed=fold), data, trunk)):
                if step % 50 == 49:
                    loss, pace = machine.total.item() / 50, (time.monotonic() - begin) / step
                    machine.total.zero_()
                    print(f"{name} {fold} step {step + 1}: {loss:.4f}, {pace:.2f} s", flush=True)
            held = data.held_out(fold)
            logits = answers(judge, machine, data, held)
            truth = data.label[held].numpy()
            cell = data.cell[held.numpy()]
            seconds = took = time.monotonic() - begin
            np.savez_compressed(
                target,
                name=data.name[held.numpy()],
                logits=logits,
                truth=truth,
                cell=cell,
                seconds=seconds,
                passes=options.passes,
            )
            share = (logits.argmax(axis=1) == truth).mean()
            print(f"{name} {fold}: {share:.4f}, {took:.0f} s", flush=True)


def table(out: Path) -> None:
    """Print accuracies, and differences to the first recipe on the folds that both have."""
    found: dict[str, dict[int, dict[str, Floats]]] = {}
    for path in sorted(out.glob("*.npz")):
        name, _, fold = path.stem.rpartition("-")
        with np.load(path) as file:
            found.setdefault(name, {})[int(fold)] = {key: file[key] for key in file.files}
    first = "shipped" if "shipped" in found else next(iter(found))
    for name, folds in found.items():
        both = sorted(set(folds) & set(found[first]))
        hits = [_hits(found[one], both) for one in (name, first)]
        cells, which = np.unique(
            np.concatenate([folds[k]["cell"] for k in both]), return_inverse=True
        )
        sums = [np.bincount(which, weights=one) for one in (*hits, np.ones(len(which)))]
        drawn = np.random.default_rng(0).integers(len(cells), size=(RESAMPLES, len(cells)))
        own, other, count = (part[drawn].sum(axis=1) for part in sums)
        each = " ".join(f"{_hits(folds, [k]).mean():.4f}" for k in folds)
        print(
            f"{name}: folds {each}; on {both}, {len(which)} pictures in {len(cells)} cells: "
            f"{hits[0].mean():.4f} {_span(own / count)}, above {first} "
            f"{hits[0].mean() - hits[1].mean():+.4f} {_span((own - other) / count)}"
        )
        called = np.concatenate([folds[k]["logits"].argmax(axis=1) for k in both])
        truth = np.concatenate([folds[k]["truth"] for k in both])
        recall = [(called[truth == k] == k).mean() for k in range(len(EUROSAT_CLASSES))]
        told = zip(EUROSAT_CLASSES, recall, strict=True)
        print("  recall " + ", ".join(f"{label} {share:.3f}" for label, share in told))


def _hits(folds: dict[int, dict[str, Floats]], which: Sequence[int]) -> Floats:
    parts = [folds[k]["logits"].argmax(axis=1) == folds[k]["truth"] for k in which]
    return np.concatenate(parts).astype(float)


def _span(values: Floats) -> str:
    low, high = np.percentile(values, [2.5, 97.5])
    return f"[{low:.4f}, {high:.4f}]"


def _today(text: str) -> datetime:
    """Read a time of today (UTC)."""
    clock = datetime.strptime(text, "%H:%M").time()  # noqa: DTZ007 - the date is added below
    return datetime.combine(datetime.now(UTC).date(), clock, UTC)


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit, or print the table."""
    parser = argparse.ArgumentParser(description="Compare recipes for EuroSAT by place.")
    parser.add_argument("root", type=Path)
    parser.add_argument("imagenet", type=Path, nargs="?")
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument("--recipes", default="shipped,colour")
    parser.add_argument("--passes", type=float, default=2.0)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--until", type=_today)
    options = parser.parse_args(arguments)
    if options.out is None:
        table(options.root)
        return 0
    options.out.mkdir(parents=True, exist_ok=True)
    compare(options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
