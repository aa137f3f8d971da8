"""Measure how long the mosaic's trainings take here, and how near they come to the teacher.

``python -m tools.pretraining ROOT ROOT2 --teacher dynamicworld.npz --unlabelled PICTURES.tif``

For each ``--trial CROP:STEPS`` a net is trained with the packaged settings, but on squares of CROP
pixels (0: whole patches) and for about STEPS steps, within which the learning rate falls to 0.
Printed are the time of a step and of a pass, the time of all steps of the recipe, and the distance
from the teacher's answers on pictures of other places (``--held-out``, GeoTIFFs of twelve bands),
also that of the shipped model. Times are those of the processor, summed over threads.

``--answers DIR`` keeps the teacher's answers there; without it the teacher is asked in every
step. ``--part taught`` and ``--part lite`` time the two trainings with labels, on whole patches.
The test split is not read.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import rasterio
import torch
from torch import Tensor, nn

from landcover.core.bands import BAND_NAMES, PATCH_PIXELS, QUANTIFICATION
from landcover.core.classes import CLASS_NAMES
from landcover.core.freed_memory import keep_freed_memory
from landcover.datasets import open_dataset, unlabelled
from landcover.datasets.arrays import PatchSet
from landcover.datasets.folds import pool
from landcover.datasets.unlabelled import Joined
from landcover.models import registry
from landcover.nets.mosaic import Mosaic
from landcover.train import dynamic_world
from landcover.train.answer_cache import AnswerCache
from landcover.train.configuration import TrainConfig
from landcover.train.loop import Run
from landcover.train.recipes import mosaic_parts
from landcover.train.recipes.order import Order
from landcover.train.teaching import FEATURE_WEIGHT, Answers, Pupil, distance

TILES: Final = 3
"""Patches of each held-out picture."""
AT_ONCE: Final = 8


@dataclass(frozen=True, kw_only=True)
class Some:
    """Some patches of a set."""

    patches: PatchSet
    rows: Sequence[int]

    @property
    def targets(self) -> Tensor:
        """Float32 ``(patch, class)``."""
        return self.patches.targets[list(self.rows)]

    @property
    def ids(self) -> Sequence[str]:
        """A name for each patch."""
        ids = self.patches.ids
        return [ids[row] for row in self.rows]

    def __len__(self) -> int:
        return len(self.rows)

    def pixels(self, indices: Sequence[int]) -> Tensor:
        """Float32 reflectance ``(len(indices), 12, 120, 120)``."""
        return self.patches.pixels([self.rows[k] for k in indices])


def held_out(paths: Sequence[Path]) -> Tensor:
    """Patches at random places of pictures."""
    chance, found = np.random.default_rng(0), []
    for path in paths:
        with rasterio.open(path) as file:
            numbers = file.read().astype(np.float32).clip(0) / QUANTIFICATION
        if len(numbers) != len(BAND_NAMES):
            raise SystemExit(f"{path.name} has {len(numbers)} bands: give {len(BAND_NAMES)}.")
        for _ in range(TILES):
            top, left = (int(chance.integers(side - PATCH_PIXELS)) for side in numbers.shape[1:])
            part = numbers[:, top : top + PATCH_PIXELS, left : left + PATCH_PIXELS]
            found.append(torch.from_numpy(part.copy()))
    return torch.stack(found)


def away(net: nn.Module, pixels: Tensor, wanted: Answers) -> str:
    """How far a net is from the teacher's answers on average."""
    assert isinstance(net, Pupil)
    sums = []
    with torch.inference_mode():
        for first in range(0, len(pixels), AT_ONCE):
            rows = slice(first, first + AT_ONCE)
            theirs = Answers(*(each[rows].float() for each in wanted))
            _, covers, features = net.taught(pixels[rows])
            whole = float(distance(covers, features, theirs))
            alone = float(distance(theirs.covers.clamp(min=1e-6).log(), features, theirs))
            sums.append((len(theirs.covers) * whole, len(theirs.covers) * alone))
    whole, features_alone = np.sum(sums, axis=0) / len(pixels)
    return (
        f"{whole:.3f} (covers {whole - features_alone:.3f}, features {features_alone:.3f}, which "
        f"is a cosine of {1 - features_alone / FEATURE_WEIGHT:.3f})"
    )


class Clock:
    """Time since it was made."""

    def __init__(self) -> None:
        self._begin = self._now()

    def __call__(self) -> tuple[float, float]:
        """Seconds of the processor and of the wall."""
        (used, seen), (then, begun) = self._now(), self._begin
        return used - then, seen - begun

    @staticmethod
    def _now() -> tuple[float, float]:
        return time.process_time(), time.perf_counter()


def trial(text: str) -> tuple[int, int]:
    """Read CROP:STEPS."""
    crop, steps = text.split(":")
    return int(crop), int(steps)


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Time the mosaic's pre-training.")
    parser.add_argument("root", nargs="+", type=Path, help="folders of BigEarthNet")
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--unlabelled", type=Path, required=True)
    parser.add_argument("--answers", type=Path, help="where answers are kept")
    parser.add_argument("--held-out", nargs="+", type=Path, default=[], help="pictures")
    parser.add_argument("--patches", type=int, help="to train on, drawn at random; default: all")
    parser.add_argument("--trial", type=trial, nargs="+", metavar="CROP:STEPS", required=True)
    parser.add_argument("--part", choices=("pretraining", "taught", "lite"), default="pretraining")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--return-memory", action="store_true", help="give freed memory back to the system"
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    options = parsed(arguments)
    torch.set_num_threads(options.threads)
    if not options.return_memory:
        keep_freed_memory()
    teacher = dynamic_world.load(options.teacher)
    labelled = pool([open_dataset("bigearthnet", root) for root in options.root]).load()
    everything: PatchSet = labelled
    if options.part == "pretraining":
        pictures = unlabelled.load(options.unlabelled, len(CLASS_NAMES))
        everything = Joined(first=labelled, second=pictures)
    order = np.random.default_rng(0).permutation(len(everything)).tolist()
    patches = Some(patches=everything, rows=order[: options.patches])
    if options.answers is not None:
        known, clock = AnswerCache(teacher, options.answers), Clock()
        for row in range(len(patches)):
            known.of(patches.pixels([row]))
        each = clock()[0] / len(patches)
        print(f"answers: {each:.3f} s a patch, {each * len(everything) / 60:.1f} min for all")
    pixels, wanted = torch.empty(0), Answers(torch.empty(0), torch.empty(0))
    if options.held_out:
        pixels = held_out(options.held_out)
        wanted = AnswerCache(teacher, None).of(pixels)
        shipped = registry.default().load(mosaic_parts.NAME, "cpu").net
        assert isinstance(shipped, Mosaic)
        print(f"{len(pixels)} patches of other places; distance of the shipped model:")
        print(f"  {away(shipped.taught[0], pixels, wanted)}", flush=True)
    parts = mosaic_parts.settings(Order(device="cpu"))
    for crop, steps in options.trial:
        config: TrainConfig = getattr(parts, options.part)
        total = config.epochs * max(1, round(len(everything) / config.batch))
        if options.part == "pretraining":
            total = parts.steps
        per_pass = max(1, round(len(patches) / config.batch))
        augmentation = replace(config.augmentation, crop=crop)
        epochs = max(1, round(steps / per_pass))
        run = Run(
            replace(config, epochs=epochs, augmentation=augmentation),
            patches,
            None,
            teacher if config.teach else None,
            options.answers,
        )
        clock = Clock()
        losses = [loss for _ in range(epochs) for loss in run.steps()]
        used, seen = (whole / len(losses) for whole in clock())
        print(
            f"{len(losses)} steps of {config.batch} × {crop or PATCH_PIXELS}² pixels: "
            f"{used:.2f} s of the processor a step ({seen:.2f} s of the wall), "
            f"{used * len(everything) / config.batch:.0f} s a pass over {len(everything)} "
            f"patches, {used * total / 60:.0f} min for {total} steps; "
            f"loss {np.mean(losses[-8:]):.3f}",
            flush=True,
        )
        if len(pixels) and config.teach:
            print(f"  {away(run.state.average.module.eval(), pixels, wanted)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
