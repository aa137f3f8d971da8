"""Compare recipes for EuroSAT by place on one GPU, within a number of seconds.

``cd DIR; python -m tools.gpu.eurosat_fit --out OUT --seconds 170`` (``--tiny`` to try it on a CPU)

DIR is written by :mod:`tools.gpu.eurosat_pack`, which copies this script and what it imports
there. Besides torch, it needs numpy and Pillow only.

Every recipe is fitted to five folds by place and scored on the pictures of the left-out cells.
Then the best one (mean of the accuracy over all pictures and in the worst fold) is fitted to all
training and validation pictures. In the time that is left, further seeds of the best recipe show
how much an ensemble gains, and how much of that a single net keeps that learns from it. A recipe
is skipped if there is no time for it. OUT is written again after each step:

- ``results.json``: settings, accuracies, per-class precision and recall, times;
- ``predictions.npz``: names, folds, and logits (float16, mean of eight symmetries) by recipe;
- ``final-<seed>.pt``, ``distilled.pt``: weights of the last fits, as ``rgb-lite0`` has them.

A training step is one CUDA graph, replayed for every batch; several folds run at a time, each in
its own stream, because a small net does not fill a large GPU. If a graph cannot be captured, the
script starts again without.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tools.gpu.eurosat_machine import KEEP, Job, Judge, Machine, State, fit_all, steps_of
from tools.gpu.eurosat_pictures import CLASSES, ORDER, RECIPES, WIDE, Batches, Data, Recipe, read

BEGIN: Final = time.monotonic()

Ints = npt.NDArray[np.intp]
Floats = npt.NDArray[np.float32]


def say(text: str) -> None:
    """Print with the seconds since the start."""
    print(f"[{time.monotonic() - BEGIN:6.1f} s] {text}", flush=True)


def measures(data: Data, rows: Ints, logits: Floats) -> dict[str, Any]:
    """Accuracies of predictions of the pictures ``rows``."""
    truth = data.label.cpu().numpy()[rows]
    called = logits.argmax(axis=1)
    hits = called == truth
    table = np.zeros((CLASSES, CLASSES), dtype=int)
    np.add.at(table, (truth, called), 1)
    own = table.diagonal()
    draw = np.random.default_rng(0)
    cells, which = np.unique(data.cell[rows], return_inverse=True)
    right, count = (np.bincount(which, weights=w) for w in (hits, np.ones(len(hits))))
    drawn = draw.integers(len(cells), size=(500, len(cells)))
    span = np.percentile(right[drawn].sum(1) / count[drawn].sum(1), [2.5, 97.5])
    folds = data.fold[rows]
    return {
        "accuracy": float(hits.mean()),
        "interval_over_cells": [float(one) for one in span],
        "folds": {int(k): float(hits[folds == k].mean()) for k in np.unique(folds)},
        "recall": dict(zip(data.classes, (own / table.sum(1).clip(1)).tolist(), strict=True)),
        "precision": dict(zip(data.classes, (own / table.sum(0).clip(1)).tolist(), strict=True)),
        "confusions": table.tolist(),
    }


class Report:
    """Everything that was measured, written after each step."""

    def __init__(self, out: Path, data: Data) -> None:
        self.out, self.data = out, data
        self.found: dict[str, Any] = {"recipes": {}}
        self.arrays: dict[str, Any] = {
            "name": data.name,
            "fold": data.fold,
            "label": data.label.cpu().numpy(),
        }

    def add(
        self, name: str, recipe: Recipe, rows: Ints, kinds: Mapping[str, Floats], **facts: float
    ) -> None:
        """Add the predictions of a recipe: logits by what was averaged, of ``rows``."""
        scored = {key: measures(self.data, rows, value) for key, value in kinds.items()}
        self.found["recipes"][name] = {"recipe": asdict(recipe), **facts, **scored}
        kept = np.full((len(self.data.name), CLASSES), np.nan, dtype=np.float16)
        kept[rows] = kinds["eight"]
        self.arrays[name] = kept
        self.write()
        self.row(name)

    def row(self, name: str) -> None:
        """Print the row of a recipe."""
        one = self.found["recipes"][name]
        main = one["eight"]
        worst = min(main["folds"].values())
        low, high = main["interval_over_cells"]
        others = "  ".join(
            f"{key} {one[key]['accuracy']:.4f}" for key in ("one", "four", "enlarged") if key in one
        )
        folds = " ".join(f"{value:.3f}" for value in main["folds"].values())
        say(
            f"{name:<14} eight {main['accuracy']:.4f} [{low:.4f}, {high:.4f}] worst {worst:.4f} "
            f"({folds})  {others}  {one.get('seconds', 0):.0f} s"
        )

    def score(self, name: str) -> float:
        """What recipes are chosen by."""
        main = self.found["recipes"][name]["eight"]
        return float(main["accuracy"] + min(main["folds"].values())) / 2

    def write(self) -> None:
        """Write both files."""
        self.found["seconds"] = round(time.monotonic() - BEGIN, 1)
        (self.out / "results.json").write_text(json.dumps(self.found, indent=1))
        np.savez_compressed(self.out / "predictions.npz", **self.arrays)


class Study:
    """The comparison."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.device = torch.device(options.device)
        torch.manual_seed(0)
        if self.device.type == "cuda":
            torch.backends.cudnn.benchmark = True
            torch.backends.cuda.matmul.allow_tf32 = True
            torch.backends.cudnn.allow_tf32 = True
            say(f"{torch.cuda.get_device_name()}, torch {torch.__version__}")
        self.recipes = {name: RECIPES[name] for name in options.recipes.split(",")}
        self.batch = options.batch
        if options.tiny:
            self.batch = 16
            self.recipes = {
                name: replace(one, phases=((32, 0.5, 1e-3), (48, 0.2, 5e-4)))
                for name, one in self.recipes.items()
            }
        self.data = read(options.data, self.device, options.workers, 400 if options.tiny else None)
        self.trunk: State = torch.load(options.data / "imagenet.pt", weights_only=True)
        say(f"{len(self.data.name)} pictures read")
        options.out.mkdir(parents=True, exist_ok=True)
        self.report = Report(options.out, self.data)
        self.times: dict[int, float] = {}
        self.slower = 1.0
        self.layout = torch.channels_last
        self.machines = self.prepare()
        self.judge = Judge(self.device, self.layout)
        self.states: dict[str, list[State]] = {}

    @property
    def left(self) -> float:
        """Seconds left."""
        return float(self.options.seconds - (time.monotonic() - BEGIN))

    def prepare(self) -> list[Machine]:
        """Choose the layout, capture all graphs, and measure the time of a step of each size."""
        sizes = sorted({size for one in self.recipes.values() for size, _, _ in one.phases})
        graphs = not self.options.eager
        if self.device.type == "cuda":
            speed = {}
            for layout in (torch.channels_last, torch.contiguous_format):
                trial = Machine(self.device, self.batch, graphs=graphs, layout=layout)
                speed[layout] = self.pace([trial], 96, 10)
                del trial
            self.layout = min(speed, key=lambda key: speed[key])
            torch.cuda.empty_cache()
            say("96 pixels: " + ", ".join(f"{k} {1000 * v:.2f} ms" for k, v in speed.items()))
        count = self.options.streams if self.device.type == "cuda" else 1
        machines = [
            Machine(self.device, self.batch, graphs=graphs, layout=self.layout)
            for _ in range(count)
        ]
        for size in sizes:
            self.times[size] = self.pace(machines, size, 3 if self.options.tiny else 15)
        # All steps are captured; predictions have many shapes, each of which would be searched for.
        torch.backends.cudnn.benchmark = not graphs and self.device.type == "cuda"
        pace = ", ".join(f"{size} px {1000 * t:.2f} ms" for size, t in self.times.items())
        say(f"time of a step of {self.batch} pictures, {count} at a time: {pace}")
        return machines

    def pace(self, machines: Sequence[Machine], size: int, steps: int) -> float:
        """Seconds of a training step, if all machines run."""
        rows = self.data.fitted(0)
        recipe = Recipe(augment=WIDE)
        batches = [Batches(self.data, rows, recipe, self.batch, seed=0) for _ in machines]
        for machine in machines:
            machine.slot(size)
        begin = 0.0
        for step in range(-2, steps):
            if step == 0:
                self.wait()
                begin = time.monotonic()
            for machine, batch in zip(machines, batches, strict=True):
                with torch.cuda.stream(machine.stream):
                    machine.step(size, *batch.next(size), 1e-4, KEEP)
        self.wait()
        return (time.monotonic() - begin) / steps / len(machines)

    def wait(self) -> None:
        """Wait for the device."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def cost(self, recipe: Recipe, rows: int, fits: int) -> float:
        """Seconds that fits would take, with predictions."""
        steps = steps_of(recipe, rows, self.batch)
        return fits * self.slower * (1.15 * sum(n * self.times[size] for size, n, _ in steps) + 0.4)

    def folds(self) -> list[int]:
        """The folds to run."""
        return list(range(self.data.folds))[: self.options.folds]

    def judged(
        self, name: str, recipe: Recipe, seed: int = 0, teachers: Sequence[Tensor] | None = None
    ) -> None:
        """Fit a recipe to the folds, predict, and report."""
        begin = time.monotonic()
        jobs = [
            Job(recipe, self.data.fitted(fold), seed, None if teachers is None else teachers[fold])
            for fold in self.folds()
        ]
        self.states[name] = fit_all(jobs, self.machines, self.data, self.trunk)
        size = recipe.phases[-1][0]
        parts: dict[str, list[Any]] = {"one": [], "four": [], "eight": [], "enlarged": []}
        rows = []
        for fold, state in zip(self.folds(), self.states[name], strict=True):
            held = self.data.held_out(fold)
            views = self.judge.views(state, self.data, held, size, recipe)
            more = self.judge.views(state, self.data, held, size + 32, recipe)
            for key, value in (
                ("one", views[0]),
                ("four", views[::2].mean(0)),
                ("eight", views.mean(0)),
                ("enlarged", more.mean(0)),
            ):
                parts[key].append(value.cpu().numpy())
            rows.append(held.cpu().numpy())
        kinds = {key: np.concatenate(value) for key, value in parts.items()}
        # Others may use the device, too.
        expected = self.cost(recipe, len(jobs[0].rows), len(jobs))
        self.slower *= min(4.0, max(0.5, (time.monotonic() - begin) / expected))
        self.report.add(
            name, recipe, np.concatenate(rows), kinds, seconds=time.monotonic() - begin, seed=seed
        )

    def run(self) -> None:
        """Compare, then fit the best recipe, then use the time that is left."""
        rows = len(self.data.name)
        done: list[str] = []
        first = list(self.recipes.values())[:4]
        while self.options.folds > 2 and 0.75 * self.left < sum(
            self.cost(one, int(0.79 * rows), self.options.folds) for one in first
        ):
            self.options.folds -= 1
        say(f"{self.options.folds} folds")
        for name, recipe in self.recipes.items():
            reserve = max(
                [self.cost(self.recipes[one], rows, 1) for one in done] or [0.0]
            ) + self.cost(recipe, rows, 1)
            needs = self.cost(recipe, int(0.79 * rows), len(self.folds()))
            if done and needs + reserve + 5 > self.left:
                say(f"{name}: needs {needs:.0f} s of {self.left:.0f} s, skipped")
                continue
            say(f"{name}: {needs:.0f} s expected, {self.left:.0f} s left")
            self.judged(name, recipe)
            done.append(name)
        best = max(done, key=self.report.score)
        recipe = self.recipes[best]
        self.report.found["best"] = best
        say(f"best: {best}")
        everything = torch.arange(rows, device=self.device)
        finals = min(self.options.finals, len(self.machines) if self.device.type == "cuda" else 2)
        while finals > 1 and self.cost(recipe, rows, finals) + 3 > self.left:
            finals -= 1
        jobs = [Job(recipe, everything, seed) for seed in range(finals)]
        states = fit_all(jobs, self.machines, self.data, self.trunk)
        for seed, state in enumerate(states):
            self.save(f"final-{seed}.pt", state)
        say(f"{finals} final fits")
        self.extras(best, recipe, states, everything)

    def extras(
        self, best: str, recipe: Recipe, finals: Sequence[State], everything: Tensor
    ) -> None:
        """Further seeds, their ensemble, and a net that learns from it."""
        rows = int(0.79 * len(self.data.name))
        names = [best]
        for seed in range(1, self.options.seeds):
            if self.cost(recipe, rows, len(self.folds())) + 5 > self.left:
                break
            names.append(f"{best}-seed-{seed}")
            self.judged(names[-1], recipe, seed)
        if len(names) < 2:
            say("no time for further seeds")
            return
        held = np.flatnonzero(np.isin(self.data.fold, self.folds()))
        mean = np.mean(
            [self.report.arrays[name][held].astype(np.float32) for name in names], axis=0
        )
        self.report.add(f"ensemble-of-{len(names)}", recipe, held, {"eight": mean})
        taught = replace(recipe, trust=0.5)
        if (
            self.cost(recipe, rows, len(self.folds())) * 1.2 + self.cost(recipe, rows, 2)
            > self.left
        ):
            say("no time to distil")
            return
        size = recipe.phases[-1][0]
        teachers = [
            self.answers(
                [self.states[name][k] for name in names], self.data.fitted(fold), size, recipe
            )
            for k, fold in enumerate(self.folds())
        ]
        self.judged("distilled", taught, 7, teachers)
        if self.cost(recipe, len(everything), 1) + 2 < self.left:
            teacher = self.answers(list(finals), everything, size, recipe)
            state = fit_all(
                [Job(taught, everything, 7, teacher)], self.machines, self.data, self.trunk
            )
            self.save("distilled.pt", state[0])

    def answers(self, states: Sequence[State], rows: Tensor, size: int, recipe: Recipe) -> Tensor:
        """Mean probabilities ``(symmetry, picture, class)`` of all pictures; 0 beside ``rows``."""
        found = torch.zeros(8, len(self.data.name), CLASSES, device=self.device)
        for state in states:
            views = self.judge.views(state, self.data, rows, size, recipe)
            found[:, rows] += views.softmax(dim=2) / len(states)
        return found

    def save(self, name: str, state: State) -> None:
        """Write weights."""
        torch.save({k: v.cpu().contiguous() for k, v in state.items()}, self.options.out / name)
        self.report.write()


def main() -> int:
    """Run the study; without graphs if they fail."""
    parser = argparse.ArgumentParser(description="Compare recipes for EuroSAT by place.")
    parser.add_argument("--data", type=Path, default=Path())
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=170.0)
    parser.add_argument("--recipes", default=",".join(ORDER), help="in the order to run them")
    parser.add_argument("--folds", type=int, default=5, help="run only the first of the five")
    parser.add_argument("--seeds", type=int, default=3, help="of the best recipe, if time is left")
    parser.add_argument("--finals", type=int, default=3, help="final fits, of different seeds")
    parser.add_argument("--streams", type=int, default=3, help="folds at a time")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--workers", type=int, default=6, help="threads that decode pictures")
    parser.add_argument("--eager", action="store_true", help="without CUDA graphs")
    parser.add_argument("--tiny", action="store_true", help="a few pictures, to try it")
    default = "cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--device", default=default)
    options = parser.parse_args()
    torch.set_num_threads(min(options.workers, os.cpu_count() or 1))
    try:
        study = Study(options)
    except (RuntimeError, AssertionError) as fault:
        if options.eager or options.device == "cpu":
            raise
        say(f"graphs failed, starting again without: {fault}")
        again = [
            "-m",
            "tools.gpu.eurosat_fit",
            *sys.argv[1:],
            "--eager",
            "--seconds",
            str(options.seconds - time.monotonic() + BEGIN),
        ]
        os.execv(sys.executable, [sys.executable, *again])  # noqa: S606 - this very script
    study.run()
    say("done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
