"""Fit the parts of a mosaic with countries left out, and to all patches, on one GPU.

``cd DIR; python -m tools.gpu.mosaic_fit OUT`` (``--most 40 --steps 3`` to try it on a CPU)

DIR is written by :mod:`tools.gpu.patches_pack`, which copies this script and what it imports
there. Besides torch, it needs numpy only. For every fold by country, and for all patches, a
process fits the parts of a plan and writes ``OUT/fold-<name>.pt`` again after each part:

- ``plan``, ``fold``;
- ``rows``: the held-out patches, as packed;
- ``logits``: part → half ``(subset, patch, class)``: measured bands, then estimated ones;
- ``nets``: part → its weights in half precision.

:mod:`tools.gpu.mosaic_build` makes predictions and a model of it. Plans are

- ``taught``: the parts of ``landcover-mosaic``;
- ``distilled``: those of the mosaic before, to compare: a TriGrid, and a SpectralLite that
  learned from an ensemble;
- ``plain``: TaughtNets that meet all bands in every batch, with the teacher and without.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from landcover.nets.cell_net import CellNet
from landcover.nets.spectral_lite0 import SpectralLite, inflate
from landcover.nets.trigrid import TriGrid
from landcover.train.teaching import distance
from tools.gpu.mosaic_machine import Job, Loss, Pupil, StillTriGrid, fit, predict
from tools.gpu.mosaic_patches import Augment, Batch, Data, Fold, read

BEGIN: Final = time.monotonic()
ALL: Final = "all"
PRE_TRAINING: Final = 2500
"""Steps in which a TaughtNet only learns from the teacher."""
TAPS: Final = (2, 4)
STATISTICS: Final = 512
"""Patches from which the normalisation is estimated."""
TURNS: Final = (0, 4)
"""Symmetries that predictions are averaged over, except those of the TriGrid."""

TRIAL: Final = 8
"""Patches in a batch of a trial."""

State = dict[str, Tensor]


def say(text: str) -> None:
    """Print with the seconds since the start."""
    print(f"[{time.monotonic() - BEGIN:6.1f} s] {text}", flush=True)


def labels(teacher: nn.Module | None = None, trust: float = 0.0) -> Loss:
    """The loss of labels, which move towards the teacher's probabilities by ``trust``."""

    def loss(net: nn.Module, batch: Batch) -> Tensor:
        logits, targets = net(batch.pixels).float(), batch.targets
        if teacher is not None:
            with torch.no_grad():
                found = torch.sigmoid(teacher(batch.pixels).float())
            targets = torch.lerp(targets, found, trust)
        return F.binary_cross_entropy_with_logits(logits, targets)

    return loss


def pixels(net: nn.Module, batch: Batch) -> Tensor:
    """The loss of the teacher's answers for each pixel."""
    assert isinstance(net, Pupil)
    return distance(*net.taught_only(batch.pixels), batch.taught())


def both(weight: float) -> Loss:
    """The loss of labels, plus that of the teacher's answers times ``weight``."""
    return lambda net, batch: labels()(net, batch) + weight * pixels(net, batch)


class Mean(nn.Module):
    """The weighted mean of the logits of nets."""

    def __init__(self, nets: Sequence[nn.Module], weights: Sequence[float]) -> None:
        super().__init__()
        self.nets, self.weights = nn.ModuleList(nets), tuple(weights)

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits ``(n, class)``."""
        pairs = zip(self.nets, self.weights, strict=True)
        return torch.stack([weight * net(pixels).float() for net, weight in pairs]).sum(dim=0)


class Study:
    """The fits of one fold, or to all patches."""

    def __init__(self, data: Data, fold: Fold, trunk: State, options: argparse.Namespace) -> None:
        self.data, self.fold, self.trunk, self.options = data, fold, trunk, options
        self.nets: dict[str, nn.Module] = {}
        self.logits: dict[str, Tensor] = {}

    def new(self, kind: Callable[[], CellNet | TriGrid], seed: int) -> CellNet | TriGrid:
        """Make a net with random weights and the statistics of the fitted patches."""
        torch.manual_seed(seed)
        net = kind().to(self.data.pixels.device)
        if isinstance(net, SpectralLite):
            own, start = net.state_dict(), inflate(self.trunk)
            net.load_state_dict({**own, **{k: v for k, v in start.items() if k in own}})
        some = self.data.pixels[0][self.fold.fitted[:STATISTICS]].float()
        net.initialise(some, self.data.targets[self.fold.fitted])
        return net

    def fit(
        self, name: str, net: nn.Module, job: Job, *, epochs: int = 0, turns: Sequence[int] = TURNS
    ) -> nn.Module:
        """Fit a part, predict the held-out patches by it, and write the file again.

        Args:
            name: of the part.
            net: where it starts.
            job: how it is fitted.
            epochs: passes over the fitted patches, in place of the job's number of steps.
            turns: symmetries that predictions are averaged over; none if they mean nothing.
        """
        rows = self.fold.fitted
        if self.options.most:
            job = replace(job, batch=min(job.batch, TRIAL))
        if epochs:
            job = replace(job, steps=epochs * max(1, len(rows) // job.batch))
        if self.options.steps:
            job = replace(job, steps=self.options.steps)
        say(f"{self.fold.name}, {name}: {fit(net, self.data, rows, job)}")
        self.nets[name] = net
        if len(self.fold.held_out) and turns:
            found = predict(net, self.data, self.fold.held_out, turns)
            self.logits[name] = torch.from_numpy(found).half()
        self.write()
        return net

    def write(self) -> None:
        """Write what there is."""
        found = {
            "plan": self.options.plan,
            "fold": self.fold.name,
            "rows": self.data.rows[self.fold.held_out].tolist(),
            "logits": self.logits,
            "nets": {name: _half(net.state_dict()) for name, net in self.nets.items()},
        }
        path = file_of(self.options.out, self.fold.name)
        torch.save(found, path.with_suffix(".new"))
        path.with_suffix(".new").replace(path)


WIDE: Final = Augment(brightness=0.1, band_gain=0.05, few_bands=0.3)
FEW: Final = Augment(few_bands=0.3)


def pre_trained(study: Study) -> State:
    """Let a TaughtNet learn from the teacher only; the weights of its trunk."""
    augment = replace(WIDE, paste=0.6)
    job = Job(loss=pixels, steps=PRE_TRAINING, rate=3e-3, augment=augment, unlabelled=True)
    net = study.fit("pre-trained", study.new(Pupil, 0), job, turns=())
    return {k: v.clone() for k, v in net.state_dict().items() if k.startswith("trunk.")}


def tuned(
    study: Study,
    name: str,
    trunk: State,
    loss: Loss,
    *,
    seed: int,
    augment: Augment | None = None,
    trunk_rate: float = 0.3,
) -> None:
    """Fit a TaughtNet with a new head to labels, from a pre-trained trunk on."""
    net = study.new(Pupil, seed)
    net.load_state_dict({**net.state_dict(), **trunk})
    job = Job(
        loss=loss,
        steps=0,
        rate=2e-3,
        trunk_rate=trunk_rate,
        augment=augment or Augment(),
        seed=seed,
    )
    study.fit(name, net, job, epochs=30)


def taught(study: Study) -> None:
    """Pre-train by the teacher, then let labels in; a SpectralLite beside it."""
    trunk = pre_trained(study)
    tuned(study, "slowly-tuned", trunk, both(1.0), seed=1, augment=WIDE, trunk_rate=0.2)
    study.fit("lite", study.new(lite, 0), lite_job(0, FEW), epochs=30)
    tuned(study, "tuned", trunk, both(0.3), seed=2, augment=FEW)


def plain(study: Study) -> None:
    """The pre-trained trunk under labels, with the teacher and without, always with all bands."""
    trunk = pre_trained(study)
    tuned(study, "labels", trunk, labels(), seed=0)
    tuned(study, "labels-and-teacher", trunk, both(0.3), seed=1)


def distilled(study: Study) -> None:
    """A TriGrid, two SpectralLites, and one that learns from the three."""
    grid = study.fit(
        "trigrid",
        study.new(StillTriGrid, 0),
        Job(loss=labels(), steps=0, rate=3e-3, batch=100),
        epochs=120,
        turns=(0,),
    )
    lites = [
        study.fit(f"lite-{seed}", study.new(lite, seed), lite_job(seed, Augment()), epochs=30)
        for seed in (0, 1)
    ]
    teacher = Mean([grid, *lites], [0.5, 0.25, 0.25]).eval()
    job = replace(lite_job(0, Augment(paste=0.5, blend=0.4)), loss=labels(teacher, 0.5))
    study.fit("distilled", study.new(lite, 0), job, epochs=60)


def lite() -> SpectralLite:
    """A SpectralLite as both mosaics have it."""
    return SpectralLite(taps=TAPS)


def lite_job(seed: int, augment: Augment) -> Job:
    """How a SpectralLite learns from labels."""
    return Job(loss=labels(), steps=0, rate=2e-3, trunk_rate=0.3, augment=augment, seed=seed)


PLANS: Final[Mapping[str, Callable[[Study], None]]] = {
    "taught": taught,
    "distilled": distilled,
    "plain": plain,
}


def file_of(folder: Path, fold: str) -> Path:
    """The file of a fold."""
    return folder / f"fold-{fold.replace(' ', '-')}.pt"


def _half(state: Mapping[str, Tensor]) -> State:
    return {k: (v.half() if v.is_floating_point() else v).cpu() for k, v in state.items()}


def run(options: argparse.Namespace, data: Data | None = None) -> None:
    """Fit one fold of the packed data, unless they have been read before."""
    device = torch.device(options.device)
    if device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.backends.cudnn.allow_tf32 = True
    data = data or read(options.data, device, options.most)
    say(f"{len(data.rows)} patches with labels, {len(data.unlabelled)} without")
    found = {fold.name: fold for fold in data.folds}
    found[ALL] = Fold(ALL, np.array([], dtype=np.intp), np.arange(len(data.rows)))
    trunk: State = torch.load(options.data / "eurosat-trunk.pt", weights_only=True)
    trunk = {k: v.float() if v.is_floating_point() else v for k, v in trunk.items()}
    options.out.mkdir(parents=True, exist_ok=True)
    PLANS[options.plan](Study(data, found[options.only], trunk, options))


def run_all(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    """Fit all folds in processes of their own, the largest fits first."""
    folds = json.loads((options.data / "index.json").read_text())["folds"]
    names = [ALL, *(f["name"] for f in sorted(folds, key=lambda f: -len(f["fitted"])))]
    running: list[subprocess.Popen[bytes]] = []
    for name in names:
        while sum(each.poll() is None for each in running) >= options.workers:
            time.sleep(0.3)
        command = [sys.executable, "-m", "tools.gpu.mosaic_fit", *arguments, "--only", name]
        running.append(subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "2"}))
    codes = [each.wait() for each in running]
    return int(any(codes))


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Fit the parts of a mosaic on a GPU.")
    parser.add_argument("out", type=Path, help="the folder to write")
    parser.add_argument("--data", type=Path, default=Path())
    parser.add_argument("--plan", choices=tuple(PLANS), default="taught")
    parser.add_argument("--only", help=f"the name of a fold, or '{ALL}'")
    parser.add_argument("--workers", type=int, default=5, help="folds at a time")
    parser.add_argument("--most", type=int, help="labelled patches, to try it")
    parser.add_argument("--steps", type=int, help="of each part, to try it")
    default = "cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--device", default=default)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit one fold or all."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = parsed(given)
    if options.only is None:
        return run_all(options, given)
    run(options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
