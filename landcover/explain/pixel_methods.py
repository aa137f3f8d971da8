"""Methods that attribute scores to pixels and bands: by gradients, and by occlusion.

**Integrated Gradients** (Sundararajan et al. 2017) sums gradients along the straight path
from the baseline to the patch. With a flat baseline the score is not smooth along this path:
all pixels cross the same kink of the net at once, and captum's rule needs about fifty steps until
its sum is within 1 % of the score's change. The sum is computed differently here. The score is
known at each step, and so is its change from step to step; the two gradients at the ends of
each part of the path are weighted so that they add up to this change. By the mean value theorem,
such weights between 0 and 1 exist wherever the slope runs from one to the other, and
with any weights in that range the result is a Riemann sum that converges to the same integral.
A part whose sum is still wrong is halved; 13 to 15 steps are enough. An accurate sum does not
prove an accurate map: :data:`FIRST_PARTS` has the measured accuracy.

**GradientSHAP** (Lundberg and Lee 2017; Erion et al. 2021, "expected gradients") takes
gradients at random points of the paths from several baselines, here darker and brighter
ones, so that the result depends less on one of them. It is a random sample, so its sum is right
only on average. captum draws each point from the entire path; here each is drawn from a different
sixteenth of the path, and classes share the forward passes of the net.

**Occlusion** (Zeiler and Fergus 2014) measures by how much a score falls when a square
is replaced by the baseline.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist
from typing import Final

import numpy as np
import torch
from scipy.ndimage import correlate1d
from torch import Tensor

from landcover.core.raster import FloatArray
from landcover.explain.feature_map_methods import (
    AT_ONCE,
    TOLERANCE,
    Attribution,
    AttributionTask,
    relative_error,
)
from landcover.models.card import RGB

__all__ = [
    "BASELINE_COUNT",
    "CELL_PIXELS",
    "FIRST_PARTS",
    "MAX_STEPS",
    "NOISE",
    "SAMPLES",
    "SAMPLES_AT_ONCE",
    "SMOOTHING",
    "SPLIT_AT_ONCE",
    "gradient_shap",
    "integrated_gradients",
    "occlusion",
    "smooth",
]

FIRST_PARTS: Final = 12
"""Parts of the path from baseline to patch, before any is halved. With 4 parts the sum is already
accurate, but the map is not: on four classes of three samples it correlated by 0.91 to 0.92 with
that of captum's 192 steps (same smoothing, landcover-mosaic), with 8 parts by 0.94 to 0.97,
with 12 by 0.97 to 0.98, with 24 by 0.99."""
MAX_STEPS: Final = 65
SPLIT_AT_ONCE: Final = 2
"""Parts halved at once: the two with the largest errors, since two patches fit one pass well."""
_FLAT: Final = 1e-9

SAMPLES: Final = 16
SAMPLES_AT_ONCE: Final = 8
"""Samples of GradientSHAP: one at a random point of each sixteenth of the path."""
BASELINE_COUNT: Final = 8
"""Baselines of GradientSHAP: as dark and bright as the eighths of the training pixels."""
_STRIDE: Final = 3
"""Step from one sample's baseline to the next, so that each baseline covers the entire path."""
NOISE: Final = 0.01
"""Standard deviation of the noise that GradientSHAP adds: that of dark water in Level-2A."""

SMOOTHING: Final = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
"""Binomial weights over 5 pixels that smooth gradients on both axes.

Gradients through strided convolutions have a checkerboard pattern of 20 and 40 m (Odena et al.
2016, "Deconvolution and checkerboard artifacts") that is unrelated to the land. These
weights remove a period of two pixels completely and of four pixels by three quarters; with
mirrored edges, they preserve the sum.
"""

CELL_PIXELS: Final = 24
"""Side of the squares that occlusion replaces: 240 m, a small field; 25 squares per patch."""


@dataclass
class _Step:
    """A score and its gradient at one point of the path."""

    place: float
    score: float
    slope: float
    """Slope of the score along the path."""
    parts: Tensor
    """``(band, y, x)``: gradient times the difference between patch and baseline."""


def integrated_gradients(task: AttributionTask) -> Iterator[Attribution]:
    """Compute Integrated Gradients, with more steps where the sum is not yet accurate."""
    done = 0
    for target in task.targets:
        steps = _steps(task, target, [k / FIRST_PARTS for k in range(FIRST_PARTS + 1)])
        while True:
            task.step(done + len(steps))
            ends = [_weight(a, b) for a, b in pairwise(steps)]
            wrong = np.array([error for _, error in ends])
            change = steps[-1].score - steps[0].score
            if abs(wrong.sum()) <= TOLERANCE * max(abs(change), 1.0) or len(steps) >= MAX_STEPS:
                break
            worst = np.argsort(-np.abs(wrong))[:SPLIT_AT_ONCE].tolist()
            places = [(steps[k].place + steps[k + 1].place) / 2 for k in worst]
            steps = sorted([*steps, *_steps(task, target, places)], key=lambda s: s.place)
        done += len(steps)
        total = torch.zeros_like(steps[0].parts, dtype=torch.float64)
        for (first, second), (weight, _) in zip(pairwise(steps), ends, strict=True):
            length = second.place - first.place
            total += length * ((1 - weight) * first.parts + weight * second.parts).double()
        yield _by_pixel(total.numpy(), change, len(steps))


def _steps(task: AttributionTask, target: int, places: list[float]) -> list[_Step]:
    path, found = task.pixels - task.start, list[_Step]()
    for first in range(0, len(places), AT_ONCE):
        some = places[first : first + AT_ONCE]
        # The last step is exactly the patch, without rounding.
        at = [task.pixels if p == 1.0 else task.start + p * path for p in some]
        task.step(first, len(places))
        scores, (slopes,) = _slopes(task, torch.cat(at), (target,))
        found += [
            _Step(place, float(score), float(parts.sum(dtype=torch.float64)), parts)
            for place, score, parts in zip(some, scores[:, 0], slopes * path, strict=True)
        ]
    return found


def _weight(first: _Step, second: _Step) -> tuple[float, float]:
    """Compute the weight of a part's second end, 0 to 1, and the remaining error of its sum."""
    length = second.place - first.place
    change, bend = second.score - first.score, (second.slope - first.slope) * length
    weight = (change - first.slope * length) / bend if abs(bend) > _FLAT else 0.5
    weight = min(max(weight, 0.0), 1.0)
    return weight, first.slope * length + weight * bend - change


def _by_pixel(values: FloatArray, change: float, passes: int) -> Attribution:
    """Make an attribution from ``(band, y, x)`` and the change that the values should sum to."""
    return Attribution(
        pixels=smooth(values.sum(axis=0)),
        bands=np.abs(values).sum(axis=(1, 2), dtype=np.float64).astype(np.float32),
        delta=relative_error(float(values.sum(dtype=np.float64)), change),
        passes=passes,
    )


def gradient_shap(task: AttributionTask) -> list[Attribution]:
    """Compute GradientSHAP over darker and brighter baselines."""
    starts, draw = _baselines(task), torch.Generator().manual_seed(0)
    with torch.no_grad():
        before = task.scores(starts).double().mean(dim=0).cpu()
        after = task.scores(task.pixels).double()[0].cpu()
    changes = (after - before)[list(task.targets)].tolist()
    totals = torch.zeros(len(task.targets), *task.pixels.shape[1:], dtype=torch.float64)
    for first in range(0, SAMPLES, SAMPLES_AT_ONCE):
        task.step(first, SAMPLES)
        rows = range(first, min(first + SAMPLES_AT_ONCE, SAMPLES))
        count = len(rows)
        noise = NOISE * torch.randn(count, *task.pixels.shape[1:], generator=draw)
        inside = torch.rand(count, generator=draw)
        places = ((torch.tensor(rows) + inside) / SAMPLES).view(-1, 1, 1, 1)
        start = starts[[row * _STRIDE % BASELINE_COUNT for row in rows]]
        path = task.pixels + noise - start
        for row, parts in enumerate(_slopes(task, start + places * path, task.targets)[1]):
            totals[row] += (parts * path).double().sum(dim=0) / SAMPLES
    passes = SAMPLES + BASELINE_COUNT + 1
    return [
        _by_pixel(total.numpy(), change, passes)
        for total, change in zip(totals, changes, strict=True)
    ]


def _baselines(task: AttributionTask) -> Tensor:
    """Make the baseline as dark and bright as the training pixels are, ``(n, band, y, x)``.

    All bands change together, as with the brightness of the light.
    """
    card = task.model.card
    quantiles = [NormalDist().inv_cdf((k + 0.5) / BASELINE_COUNT) for k in range(BASELINE_COUNT)]
    std = torch.tensor(card.std, dtype=task.pixels.dtype).view(1, -1, 1, 1)
    moved = torch.cat([task.start + z * std for z in quantiles])
    return moved.clamp(0.0, 1.0 if card.level == RGB else None)


def _slopes(
    task: AttributionTask, pixels: Tensor, targets: Sequence[int]
) -> tuple[Tensor, list[Tensor]]:
    """Compute scores, float64 ``(n, class)``, and each class's gradients ``(n, band, y, x)``."""
    inputs = pixels.to(task.model.device).requires_grad_()
    with torch.enable_grad():
        scores = task.scores(inputs)[:, list(targets)]
    grads = [
        torch.autograd.grad(scores[:, row].sum(), inputs, retain_graph=True)[0].cpu()
        for row in range(len(targets))
    ]
    return scores.detach().double().cpu(), grads


def occlusion(task: AttributionTask) -> list[Attribution]:
    """Measure by how much each score falls when a square is replaced by the baseline."""
    from captum.attr import Occlusion  # noqa: PLC0415 - slow to import

    square = (task.pixels.shape[1], CELL_PIXELS, CELL_PIXELS)
    rows, columns = (-(-side // CELL_PIXELS) for side in task.size)
    squares = rows * columns
    kept: list[Tensor] = []
    used = 0

    def scores(pixels: Tensor) -> Tensor:
        """Compute each pass once: the next classes have the same inputs in the same order."""
        nonlocal used
        if used == len(kept):
            kept.append(task.scores(pixels))
            task.step(min(len(kept) * AT_ONCE, squares + 1), squares + 1)
        used += 1
        return kept[used - 1]

    found = []
    for target in task.targets:
        used = 0
        with torch.no_grad():
            parts = Occlusion(scores).attribute(
                task.pixels,
                sliding_window_shapes=square,
                strides=square,
                baselines=task.start,
                target=target,
                perturbations_per_eval=AT_ONCE,
            )
        # All bands of a square have the same value, since they were replaced together.
        values = parts[0, 0].detach().float().cpu().numpy().copy()
        found.append(Attribution(pixels=values, passes=squares + 1))
    return found


def smooth(values: FloatArray) -> FloatArray:
    """Smooth values ``(y, x)`` with :data:`SMOOTHING`; the sum stays the same."""
    rows = correlate1d(values, SMOOTHING, axis=0, output=np.float64, mode="reflect")
    both: FloatArray = correlate1d(rows, SMOOTHING, axis=1, mode="reflect").astype(np.float32)
    return both
