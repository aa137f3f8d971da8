"""What a taught SpectralLite is worth in the mosaic, on validation.

``python -m tools.research.taught RUNS``. RUNS is the folder ``runs/train`` that
``landcover train --model landcover-mosaic`` leaves: TriGrid, two teachers and the taught one,
all fitted on train. Each row is a mosaic of some of them, under the prior of label sets,
against TriGrid and the first teacher, which is the recipe without teaching. The test split is
not read.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import load_file

from landcover.nets.label_sets import load_packaged
from landcover.nets.spectral_lite0 import SpectralLite
from landcover.nets.trigrid import TriGrid
from landcover.train.recipes.mosaic import JOINING, settings
from landcover.train.recipes.order import Order
from tools.research.common import Floats, gain, line, looks, sigmoid, store

ROWS: Final[dict[str, tuple[float, tuple[str, ...]]]] = {
    "no teaching (base)": (0.6, ("teacher-0",)),
    "no teaching, both teachers": (0.6, ("teacher-0", "teacher-1")),
    "taught, TriGrid's share .6": (0.6, ("lite",)),
    "taught, .5": (0.5, ("lite",)),
    "taught, .4": (0.4, ("lite",)),
    "taught, .3": (0.3, ("lite",)),
    "taught and its first teacher, .4": (0.4, ("lite", "teacher-0")),
    "taught and both, .4": (0.4, ("lite", "teacher-0", "teacher-1")),
}
"""Row → the share of TriGrid's logits and the SpectralLites that have the rest."""


def main(runs: str, *lites: str) -> None:
    """Print the table; further folders of taught parts, of other seeds, have a row each."""
    torch.set_num_threads(1)
    parts, check = settings(Order(device="cpu")), store("validation")
    grid = TriGrid(**parts.trigrid.net_options)
    grid.load_state_dict(load_file(Path(runs) / "trigrid" / "weights.safetensors"))
    answers = {"trigrid": looks(grid, check, [0])[0]}
    for name in ("teacher-0", "teacher-1", "lite", *lites):
        net = SpectralLite(**parts.lite.net_options)
        net.load_state_dict(load_file(Path(runs) / name / "weights.safetensors"))
        answers[name] = looks(net, check, (0, 4)).mean(dim=0)
    prior = load_packaged(strength=JOINING["strength"])
    rows = {**ROWS, **{f"taught {name}, .4": (0.4, (name,)) for name in lites}}

    def joined(share: float, names: tuple[str, ...]) -> Floats:
        others = torch.stack([answers[name] for name in names]).mean(dim=0)
        mean = torch.lerp(others, answers["trigrid"], share)
        with torch.inference_mode():
            return sigmoid(prior(JOINING["scale"] * mean).numpy())

    truth = check.targets.numpy()
    base = joined(*ROWS["no teaching (base)"])
    for name, row in rows.items():
        print(line(name, gain(truth, joined(*row), base)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
