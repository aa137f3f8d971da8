"""Fit a cover head to the labels of patches, which say of no cell what it is.

Each cell of a patch is of one of its labels (:mod:`landcover.train.cover_labels`). Expectation
maximisation alternates between saying which one, and fitting the head to that:

- At first the classes of a patch get the areas that are expected. The head then learns which cells
  are typical of patches with a class, since cells of other kinds occur without it as well.
- From then on each cell belongs to the class of its patch that the head holds for likely, as far
  as the areas remain plausible.
- The covers that the net has learned from its teacher keep water, trees and buildings in place:
  where the teacher sees no water, water is unlikely, whatever the labels allow. For water they are
  also an input of the head.

In the end covers are shifted so that the map has as many cells of each as the patches have.

The head is linear and sees the statistics of cells through their main components alone. With a few
hundred patches, anything larger learned the look of single countries.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

from landcover.core.classes import CLASS_NAMES
from landcover.core.covers import cover_of
from landcover.core.errors import BadInput
from landcover.core.progress import Progress, Report, ignore
from landcover.nets.cover_head import CoverHead, WaterMap, gathered, statistics
from landcover.train.cover_cells import PatchCells
from landcover.train.cover_labels import as_covers, evened, expected_shares, levelled, patch_weights
from landcover.train.dynamic_world import COVERS

__all__ = ["Basis", "Settings", "agreement", "expected_of", "fit"]

_LEAST_PATCHES: Final = 20
_LEAST_DEVIATION: Final = 1e-3
_SPREAD: Final = 0.3
"""Root mean square of the components, which with the rate decides how far a fit gets."""
_SOME: Final = 32
_SAY: Final = 25
_ALIKE: Final[dict[str, dict[float, tuple[int, ...]]]] = {
    "water": {0.5: (15, 16)},
    "trees": {1.0: (8, 9, 10), 0.6: (7, 13), 0.4: (3, 6, 12)},
    "grass": {1.0: (4, 11), 0.6: (2, 5, 6, 12, 13, 15)},
    "flooded vegetation": {1.0: (15, 16)},
    "crops": {1.0: (2, 3, 4, 5, 6), 0.7: (7,)},
    "shrub and scrub": {1.0: (11, 12, 13), 0.6: (3, 6, 7, 15)},
    "built": {1.0: (0, 1), 0.3: (5,)},
    "bare": {1.0: (2, 3, 11, 14), 0.5: (1,)},
    "snow and ice": {},
}
"""The teacher's cover → how likely it is in a cell of each class of land, by the numbers of the
classes."""
_WATER: Final = COVERS.index("water")
_UNLIKE: Final = 0.15
_LEAST_WATER: Final = 0.02
_LANDS: Final = 17
"""Number of classes before those of water."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a head is fitted.

    Attributes:
        sides: of the squares of cells that the head averages over.
        components: main components of the statistics that it sees.
        clip: bound of the standardised statistics.
        steps: of 32 patches each.
        trust: weight of the expected shares against what the head says (see
            :func:`~landcover.train.cover_labels.evened`).
        settled: share of the steps in which the expected shares alone count, 0 to 1.
        teacher: exponent of how well a class fits the teacher's covers, in saying of which class
            a cell is; 0 leaves them out.
        water: factor on the log-odds of the teacher's share of water, in the head.
        shore: subtracted from the logits of water after the fit. A patch with water has all cells
            of its shore shared out among its labels, and water gets more of them than is wet.
        rate, decay: of AdamW.
        dropout: share of the components that a step does not see.
        seed: of the order of the patches and the dropout.
    """

    sides: tuple[int, ...] = (3,)
    components: int = 96
    clip: float = 2.5
    steps: int = 450
    trust: float = 0.05
    settled: float = 0.15
    teacher: float = 1.25
    water: float = 3.0
    shore: float = 0.5
    rate: float = 0.03
    decay: float = 0.05
    dropout: float = 0.1
    seed: int = 0


def fit(
    cells: PatchCells,
    rows: Sequence[int],
    settings: Settings | None = None,
    *,
    basis: Basis | None = None,
    left_out: Collection[str] = (),
    report: Report | None = None,
) -> CoverHead:
    """Fit a head.

    Args:
        cells: of patches.
        rows: the patches to fit to.
        settings: the defaults if None.
        basis: of these cells and settings, if it is known from another fit.
        left_out: countries whose labels must not be known.
        report: called after every 25 steps.

    Returns:
        The head on the CPU, in evaluation mode.

    Raises:
        BadInput: there are fewer than 20 patches.
    """
    if len(rows) < _LEAST_PATCHES:
        raise BadInput(
            f"A cover head needs at least {_LEAST_PATCHES} patches, not {len(rows)}: give a larger "
            "data set."
        )
    how = settings or Settings()
    some = torch.as_tensor(rows)
    basis = basis or Basis.of(cells, how)
    labels = cells.labels[some]
    weights = patch_weights(labels, left_out)
    covers = cells.covers(some)
    water = None if cells.first is None else WaterMap(cells.first + _WATER, how.water, cells.index)
    lessons = _Lessons(
        known=basis.known[some],
        added=None if water is None else water.classes(cells.moments[some], cells.water[some]),
        labels=labels,
        expected=expected_of(cells, some),
        weights=weights,
        alike=None if covers is None else agreement(covers) ** how.teacher,
    )
    inner = _Inner(how, basis.vectors.shape[1], cells.moments.shape[2:])
    mean = (weights[:, None] * lessons.expected).mean(dim=0)
    inner.bias.data.copy_(mean.clamp(min=1e-3).log())
    _maximise(inner, lessons, how, report or ignore)
    return basis.head(inner, _shifts(inner, lessons, how), how, water)


def expected_of(cells: PatchCells, rows: Tensor) -> Tensor:
    """The expected share of each class in patches, ``(patch, class)``."""
    covers = cells.covers(rows)
    water = None if covers is None else covers[:, _WATER].mean(dim=(1, 2))
    return expected_shares(cells.labels[rows], water)


def agreement(covers: Tensor) -> Tensor:
    """How well each class fits what the teacher sees of cells.

    Water fits as far as there is water, and the best of the other classes as far as there is land.

    Args:
        covers: the teacher's covers ``(patch, cover, y, x)``.

    Returns:
        ``(patch, class, y, x)``, 0 to 1.
    """
    table = torch.full((len(COVERS), len(CLASS_NAMES)), _UNLIKE)
    for name, alike in _ALIKE.items():
        for value, classes in alike.items():
            table[COVERS.index(name), list(classes)] = value
    water = covers[:, _WATER].clamp(_LEAST_WATER, 1 - _LEAST_WATER)[:, None]
    found = torch.einsum("nkyx,kc->ncyx", covers, table)
    found = found / found[:, :_LANDS].amax(dim=1, keepdim=True) * (1 - water)
    found[:, _LANDS:] = water
    return found


class _Inner(nn.Module):
    """The head on components of the statistics, ``(patch, cell, component)``."""

    def __init__(self, how: Settings, components: int, shape: Sequence[int]) -> None:
        super().__init__()
        self.sides, self.shape = how.sides, tuple(shape)
        outputs = len(how.sides) * len(CLASS_NAMES)
        self.weight = nn.Parameter(torch.zeros(components, outputs))
        self.bias = nn.Parameter(torch.zeros(len(CLASS_NAMES)))

    def forward(self, known: Tensor) -> Tensor:
        """Compute logits ``(patch, class, y, x)``."""
        sums = (known @ self.weight).transpose(1, 2).reshape(len(known), -1, *self.shape)
        return gathered(sums, self.sides) + self.bias.view(1, -1, 1, 1)


@dataclass(frozen=True, kw_only=True)
class Basis:
    """Standardised statistics and their main components, which no label enters.

    Attributes:
        mean, std: of the statistics.
        vectors: of the components, scaled, ``(statistic, component)``.
        known: components of all patches, float16 ``(patch, cell, component)``.
    """

    mean: Tensor
    std: Tensor
    vectors: Tensor
    known: Tensor

    @classmethod
    def of(cls, cells: PatchCells, how: Settings) -> Basis:
        """The basis of all cells; the components are those of every seventh one."""
        groups = torch.split(cells.moments, _SOME)
        values = torch.cat(
            [_flat(each.flatten(2)[:, :, ::7, None]).flatten(0, 1) for each in groups]
        )
        mean, std = values.mean(dim=0), values.std(dim=0) + _LEAST_DEVIATION
        values = values.sub_(mean).div_(std).clamp_(-how.clip, how.clip)
        variances, vectors = torch.linalg.eigh(values.T @ values / len(values))
        scale = _SPREAD / variances[-how.components :].mean().clamp(min=1e-6).sqrt()
        kept = vectors[:, -how.components :] * scale
        known = []
        for each in groups:
            values = _flat(each).sub_(mean).div_(std).clamp_(-how.clip, how.clip)
            known.append((values @ kept).half())
        return cls(mean=mean, std=std, vectors=kept, known=torch.cat(known))

    def head(
        self, inner: _Inner, shifts: Tensor, how: Settings, water: WaterMap | None
    ) -> CoverHead:
        """The head on the statistics themselves."""
        head = CoverHead(len(self.mean), sides=how.sides, clip=how.clip, water=water)
        head.mean.copy_(self.mean)
        head.std.copy_(self.std)
        head.weight.copy_((self.vectors @ inner.weight.detach()).T)
        head.bias.copy_(inner.bias.detach() + shifts)
        return head.eval()


def _flat(moments: Tensor) -> Tensor:
    """Statistics ``(patch, cell, statistic)``."""
    return torch.cat(statistics(moments), dim=1).flatten(2).transpose(1, 2).contiguous()


@dataclass(frozen=True, kw_only=True)
class _Lessons:
    """What is learned of patches.

    Attributes:
        known: components ``(patch, cell, component)``.
        labels, expected: labels, and expected shares, ``(patch, class)``.
        weights: of the patches.
        added: to the logits of the classes, ``(patch, class, y, x)``.
        alike: how well each class fits what the teacher sees, in the same shape.
    """

    known: Tensor
    labels: Tensor
    expected: Tensor
    weights: Tensor
    added: Tensor | None
    alike: Tensor | None


def _maximise(inner: _Inner, lessons: _Lessons, how: Settings, report: Report) -> None:
    """Fit by expectation maximisation over batches."""
    random = torch.Generator().manual_seed(how.seed)
    best = torch.optim.AdamW(inner.parameters(), how.rate, weight_decay=how.decay)
    known, weights, added, alike = lessons.known, lessons.weights, lessons.added, lessons.alike
    rest = torch.empty(0, dtype=torch.long)
    for step in range(how.steps):
        if not len(rest):
            rest = torch.randperm(len(known), generator=random)
        rows, rest = rest[:_SOME], rest[_SOME:]
        kept = torch.rand(known.shape[2], generator=random) >= how.dropout
        logits = inner(known[rows].float() * kept / (1 - how.dropout))
        logits = logits if added is None else logits + added[rows]
        logits = logits.log_softmax(dim=1)
        trust = 1.0 if step < how.settled * how.steps else how.trust
        with torch.no_grad():
            chances = logits.exp() if alike is None else logits.exp() * alike[rows]
            wanted = evened(chances, lessons.labels[rows], lessons.expected[rows], trust)
        loss = -(wanted * logits).sum(dim=1).mean(dim=(1, 2))
        loss = (loss * weights[rows]).sum() / weights[rows].sum()
        for group in best.param_groups:
            group["lr"] = how.rate * 0.5 * (1 + math.cos(math.pi * step / how.steps))
        best.zero_grad()
        loss.backward()
        best.step()
        if step % _SAY == _SAY - 1 or step == how.steps - 1:
            report(Progress(what="Cover head", done=step + 1, total=how.steps, unit="steps"))


def _shifts(inner: _Inner, lessons: _Lessons, how: Settings) -> Tensor:
    """What is added to the bias of each class after the fit, ``(class,)``."""
    mapped, truth = [], []
    with torch.inference_mode():
        for rows in torch.split(torch.arange(len(lessons.labels)), _SOME):
            logits = inner(lessons.known[rows].float())
            logits = logits if lessons.added is None else logits + lessons.added[rows]
            chances = logits.softmax(dim=1)
            mapped.append(as_covers(chances))
            chances = chances if lessons.alike is None else chances * lessons.alike[rows]
            known = evened(chances, lessons.labels[rows], lessons.expected[rows], how.trust)
            truth.append(as_covers(known))
    found = levelled(torch.cat(mapped), torch.cat(truth), lessons.weights)[list(cover_of())].clone()
    found[_LANDS:] = -how.shore
    return found
