"""Make predictions for left-out countries, and a model, from what a GPU has fitted.

``python -m tools.gpu.mosaic_build RUN ROOT EXTRA --predictions OUT --model OUT``

RUN is the folder that :mod:`tools.gpu.mosaic_fit` wrote, ROOT and EXTRA are the folders of
BigEarthNet that were packed. The nets of the plan ``taught`` are joined as in
:mod:`landcover.train.recipes.mosaic`, and the head on the pre-trained trunk is fitted here. Then

- ``--predictions`` fills a folder as ``landcover evaluate --by country --folds 4`` does, with
  features: ``landcover evaluate`` scores it. With ``--part`` they are those of one part, with
  ``--label-sets`` under the prior. Of other plans, and of a part that is not joined, the logits
  are those that the GPU predicted for the packed patches, and there are no features;
- ``--model`` writes the folder of the model that was fitted to all patches, without any choice
  that is made by looking at predictions, such as thresholds.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from landcover.core.bands import BAND_NAMES
from landcover.core.classes import CLASS_NAMES
from landcover.core.progress import Report
from landcover.datasets import open_dataset
from landcover.datasets.arrays import NativeStore, PatchSet
from landcover.datasets.folds import SPLITS, Fold, Pool, folds, pool
from landcover.datasets.statistics import band_statistics
from landcover.models import registry
from landcover.models.card import Card
from landcover.nets.label_sets import load_packaged
from landcover.nets.mosaic import Mosaic
from landcover.nets.taught import TaughtNet
from landcover.train import class_frequencies, dynamic_world
from landcover.train.frozen_head import fit_head, statistics
from landcover.train.recipes import mosaic, mosaic_parts, out_of_fold
from landcover.train.recipes.model_folder import rounded, write
from landcover.train.recipes.order import Order
from tools.gpu.mosaic_fit import ALL, PRE_TRAINING, State, file_of

FREEDOMS: Final = (0.005, 0.003)
"""Inverse strengths of the penalty of the heads, whose mean is the head on the frozen trunk."""
BEFORE: Final = {"trigrid": 0.4, "distilled": 0.6}
"""Shares of the parts in the mosaic before, which had the same prior."""
JOINED: Final = ("pre-trained", "tuned", "lite")
"""Parts of the mosaic, in its order."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the folders."""
    parser = argparse.ArgumentParser(description="Join the nets that a GPU has fitted.")
    parser.add_argument("run", type=Path, help="the folder of tools.gpu.mosaic_fit")
    parser.add_argument("roots", type=Path, nargs="+", help="folders of BigEarthNet")
    parser.add_argument("--predictions", type=Path, help="folder for those of left-out countries")
    parser.add_argument("--part", help="predict by this part only, such as 'tuned' or 'trigrid'")
    parser.add_argument("--label-sets", action="store_true", help="put the part under the prior")
    parser.add_argument("--model", type=Path, help="folder for the model")
    parser.add_argument("--folds", type=int, default=4, help="by country, as packed")
    options = parser.parse_args(arguments)
    labelled = pool([open_dataset("bigearthnet", root) for root in options.roots])
    store = labelled.load()
    if options.predictions:
        found = folds(labelled.records, "country", options.folds)
        fits = Fits(options.run, store, found, options.part, options.label_sets)
        out_of_fold.predict(fits, store, found, options.predictions, by="country", features=True)
    if options.model:
        write_model(options.run, labelled, store, options.model)
    return 0


@dataclass(frozen=True)
class Fits:
    """The fits of a run, as a recipe that only has to be asked."""

    run: Path
    store: NativeStore
    folds: Sequence[Fold]
    part: str | None = None
    label_sets: bool = False

    @property
    def plan(self) -> str:
        """The plan of the run."""
        return str(read(self.run, self.folds[0].name)["plan"])

    @property
    def name(self) -> str:
        """What predicts."""
        whole = mosaic_parts.NAME if self.plan == "taught" else f"{self.plan}-mosaic"
        return f"{self.part or whole}{'-label-sets' if self.label_sets else ''}"

    @property
    def settings(self) -> str:
        """JSON of what decides the result."""
        record = {"plan": self.plan, "part": self.part, "label_sets": self.label_sets}
        return json.dumps({**record, "pre-training": PRE_TRAINING, "freedoms": FREEDOMS})

    def trained(
        self,
        fitted: NativeStore,
        runs: Path,  # noqa: ARG002 - the interface has it
        report: Report | None,  # noqa: ARG002 - as above
        left_out: Collection[str],
    ) -> tuple[nn.Module, Callable[[NativeStore], PatchSet]]:
        """Return the net of a fold, or its logits in place of pixels."""
        wanted = set(fitted.ids)
        fold = next(f for f in self.folds if {self.store.ids[k] for k in f.fitted} == wanted)
        found = read(self.run, fold.name)
        if tuple(found["rows"]) != fold.held_out:
            raise SystemExit(f"{self.run.name}: fold '{fold.name}' is of other patches.")
        if self.plan == "taught" and self.part in {None, *JOINED}:
            whole = rounded(join(found["nets"], fitted, left_out))
            return self._part_of(whole), lambda some: some
        shares = {self.part: 1.0} if self.part else BEFORE
        if not set(shares) <= set(found["logits"]):
            known = ", ".join(sorted({*found["logits"], *found["nets"]}))
            raise SystemExit(f"{self.run.name} has no such part: its parts are {known}.")
        logits = torch.stack([w * found["logits"][k][0].float() for k, w in shares.items()]).sum(0)
        net: nn.Module = Under(nn.Identity()) if self.label_sets or not self.part else nn.Identity()
        return net, lambda some: Answered(some.ids, some.targets, logits)

    def _part_of(self, whole: nn.Module) -> nn.Module:
        if self.part is None:
            return whole
        assert isinstance(whole, Mosaic)
        net = [*whole.taught, *whole.lites][JOINED.index(self.part)]
        return Under(net) if self.label_sets else net


class Under(nn.Module):
    """A net under the label sets, as the mosaic is."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        joining = mosaic_parts.settings(Order()).joining
        self.net, self.scale = net, joining["scale"]
        self.prior = load_packaged(strength=joining["strength"])

    def forward(self, pixels: Tensor) -> Tensor:
        """Compute logits ``(n, class)``."""
        logits: Tensor = self.prior(self.scale * self.net(pixels))
        return logits


@dataclass(frozen=True)
class Answered:
    """Patches whose pixels are the logits that a net has predicted for them."""

    ids: Sequence[str]
    targets: Tensor
    logits: Tensor

    def __len__(self) -> int:
        return len(self.ids)

    def pixels(self, indices: Sequence[int]) -> Tensor:
        """Logits ``(len(indices), class)``."""
        return self.logits[list(indices)]


def read(run: Path, fold: str) -> dict[str, Any]:
    """Read what was fitted in a fold."""
    found: dict[str, Any] = torch.load(file_of(run, fold), map_location="cpu", weights_only=True)
    return found


def join(nets: Mapping[str, State], fitted: NativeStore, left_out: Collection[str]) -> Mosaic:
    """Join the nets of the plan ``taught``, and fit the head on the pre-trained trunk.

    Args:
        nets: the weights of each part.
        fitted: the patches that they were fitted to.
        left_out: countries whose labels must not be known.
    """
    parts = mosaic_parts.settings(Order())
    state = {
        name: {k: v.float() if v.is_floating_point() else v for k, v in nets[name].items()}
        for name in JOINED
    }
    net = TaughtNet(**parts.pretraining.net_options)
    net.load_state_dict(state["pre-trained"])
    frozen = mean_head(net, fitted)
    trained = mosaic.Trained(frozen=frozen, taught=state["tuned"], lite=state["lite"])
    return mosaic.assemble(parts, trained, fitted.targets, left_out)


def mean_head(net: TaughtNet, fitted: NativeStore) -> State:
    """Fit a head for each of :data:`FREEDOMS`; the weights with the mean of the heads."""
    device = torch.device("cpu")
    values = statistics(net, fitted, device)
    heads = []
    for freedom in FREEDOMS:
        fit_head(net, fitted, freedom=freedom, device=device, values=values)
        heads.append([net.head.weight.detach().clone(), net.head.bias.detach().clone()])
    weight, bias = (torch.stack(each).mean(dim=0) for each in zip(*heads, strict=True))
    return {**net.state_dict(), "head.weight": weight, "head.bias": bias}


def write_model(run: Path, labelled: Pool, store: NativeStore, out: Path) -> None:
    """Write the model that was fitted to all patches."""
    net = join(read(run, ALL)["nets"], store, ())
    parts = mosaic_parts.settings(Order())
    sets = len(net.prior.get_buffer("members"))
    mean, std = band_statistics([store])
    start = registry.default().card(mosaic.INITIAL_MODEL).hash
    card = Card(
        name=mosaic_parts.NAME,
        title=mosaic.TITLE,
        summary=mosaic.SUMMARY,
        net="mosaic",
        net_options=parts.options(sets=sets),
        bands=BAND_NAMES,
        mean=mean,
        std=std,
        thresholds=dict.fromkeys(CLASS_NAMES, 0.5),
        threshold_rule="one half",
        training={
            "dataset": labelled.datasets[0].title,
            "splits": list(SPLITS),
            **store.origin(),
            "steps": {"pretraining": PRE_TRAINING},
            "epochs": {"taught": parts.taught.epochs, "lite": parts.lite.epochs},
            "taught_by": dynamic_world.ATTRIBUTION,
            "start": f"{mosaic.INITIAL_MODEL} ({start}) for the SpectralLite",
            "label_sets": f"{sets} of BigEarthNet v2's training split",
            "class_frequencies": (
                f"the mean of {len(class_frequencies.load())} countries in BigEarthNet v2's "
                "training split"
            ),
            "date": datetime.now(UTC).date().isoformat(),
            "command": "python -m tools.gpu.mosaic_fit; python -m tools.gpu.mosaic_build",
        },
        weights_sha256="",
        parameters=sum(value.numel() for value in net.parameters()),
        explainable=True,
    )
    write(card, rounded(net), out, labelled.datasets[0], half=True)


if __name__ == "__main__":
    sys.exit(main())
