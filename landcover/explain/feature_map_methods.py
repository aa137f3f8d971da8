"""How scores are attributed to places: what all methods share, and the two on feature maps.

A method answers a :class:`AttributionTask` about several classes at once, since they have most of
the work in common. The methods that take pixels are in :mod:`landcover.explain.pixel_methods`.

- **Grad-CAM** (Selvaraju et al. 2017, without their ReLU, which would hide what speaks
  against) weighs each channel of the last maps by the score's gradient.
- **Fine CAM** takes three steps from there. It weighs every map on its own grid, as
  HiRes-CAM does (Draelos and Carin 2020); it averages the gradient on the way from the
  baseline's features to the patch's, as Integrated Grad-CAM does (Sattarzadeh et al.
  2021); and it multiplies by what the features differ from the baseline's. So all values
  add up to the score's change, like those of Integrated Gradients. In captum it is
  ``LayerIntegratedGradients``, for one layer that the whole net has to be run again for.

Where a net answers from pooled maps (:mod:`landcover.models.readout`) both cost one pass over the
patch and, for fine CAM, one at the baseline, whatever the number of classes: only what
follows the pooling is run many times.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from threading import Event
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from landcover.core.progress import Progress, Report, check, ignore
from landcover.core.raster import FloatArray
from landcover.models import readout
from landcover.models.model import Model
from landcover.models.readout import Readout
from landcover.nets.pooled import PooledNet
from landcover.nets.rgb_lite0 import RgbNet
from landcover.nets.symmetry import symmetry, undo_symmetry
from landcover.nets.windows import CELL_PIXELS

__all__ = [
    "AT_ONCE",
    "LAYER_STEPS",
    "TOLERANCE",
    "Attribution",
    "AttributionTask",
    "fine_cam",
    "grad_cam",
    "missed",
    "with_own_modules",
]

AT_ONCE: Final = 8
"""Patches in one pass of the net, which bounds memory."""
TOLERANCE: Final = 0.01
"""What a method that promises a sum may miss of the score's change, relative to it."""
LAYER_STEPS: Final = (8, 16, 32)
"""Gauss-Legendre steps of fine CAM where a layer is stepped through, until the sum is right."""
_PANELS: Final = (16, 64, 256)
"""Parts of the way between moments, with four Gauss-Legendre points each, until the sum is
right: a prior of label sets can turn within a small part of the way.

On the six samples and all 19 classes, the sum of landcover-mosaic then missed 0.8 % at most
against average land, and 4 % against the dark, where 4 of 114 sums missed more than 1 %. Its
probabilities come within 1e-6 of 0 or 1 there, so that rounding in float32 may be the cause;
that was not shown."""
_FINE_LAYERS: Final = ("trunk.layer2", "trunk.stages.2")
"""Maps of 80 m in a ResNet and in EfficientNet-Lite0: finer ones know little of classes."""


@dataclass(frozen=True, kw_only=True)
class Attribution:
    """What a method yields before it is put on a scale.

    Attributes:
        pixels: float32 ``(y, x)``, above 0 where a pixel speaks for the class.
        bands: per band, the summed absolute attribution; None where the method sees none.
        delta: error of the sum, relative to the score's change (or to one logit where the
            change is smaller than that); None where no sum is promised.
        passes: of the net, one a patch in a batch; several classes share them.
    """

    pixels: FloatArray
    bands: FloatArray | None = None
    delta: float | None = None
    passes: int = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class AttributionTask:
    """Why a model gives some classes their scores on one patch.

    Attributes:
        model: which is asked.
        pixels: as :meth:`Model.tensor` makes them, ``(1, band, y, x)``.
        start: the baseline, in that shape.
        targets: columns of the classes.
        what: the method's name in what is reported.
        report: called with each step.
        cancel: set to stop before the next step.
    """

    model: Model
    pixels: Tensor
    start: Tensor
    targets: tuple[int, ...]
    what: str = ""
    report: Report = ignore
    cancel: Event | None = None

    def step(self, done: int, total: int | None = None) -> None:
        """Report that ``done`` of ``total`` steps are done; None: not known.

        Raises:
            Cancelled: ``cancel`` was set.
        """
        check(self.cancel)
        self.report(Progress(what=self.what, done=done, total=total, unit="steps"))

    @cached_property
    def net(self) -> Readout | None:
        """The net in two, where it answers from pooled maps."""
        return readout.split(self.model)

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.pixels.shape[2], self.pixels.shape[3]

    def scores(self, pixels: Tensor) -> Tensor:
        """Scores ``(n, class)`` of pixels, differentiable, by the fastest equal net."""
        if self.net is None:
            return self.model.scores(pixels)
        return self.net.scores(pixels.to(self.model.device))


def missed(total: float, change: float) -> float:
    """What a sum misses of the score's change, relative to it; see :class:`Attribution`."""
    # Below one logit the relative error would blow up without the picture being worse.
    return abs(total - change) / max(abs(change), 1.0)


def grad_cam(task: AttributionTask) -> list[Attribution]:
    """Grad-CAM at the maps of 80 m of all parts, or at the net's ``cam_layer``."""
    net = task.net
    if net is None:
        return [_layer_grad_cam(task, target) for target in task.targets]
    with torch.no_grad():
        views = net.views(task.pixels.to(task.model.device))
        moments = [view.moments() for view in views]
    task.step(1, 1)
    weights = _gradients(net, moments, moments, task.targets, points=_here())
    values = _drawn(task, readout.spread(views, weights, None), cells=True)
    # In captum's units: what a cell adds, not a pixel.
    return [Attribution(pixels=each * CELL_PIXELS**2) for each in values]


def fine_cam(task: AttributionTask) -> list[Attribution]:
    """Fine CAM on the grids of all maps, or at the finest layer that everything passes."""
    net = task.net
    if net is None:
        return _layer_cams(task)
    with torch.no_grad():
        device = task.model.device
        others = net.views(task.start.to(device))
        views = net.views(task.pixels.to(device))
        before = [view.moments() for view in others]
        after = [view.moments() for view in views]
    task.step(2, 2)
    columns = list(task.targets)
    with torch.no_grad():
        changes = (net.answer(after) - net.answer(before))[0, columns].double().cpu().tolist()
    for panels in _PANELS:
        weights = _gradients(net, before, after, columns, points=_way(panels))
        values = _drawn(task, readout.spread(views, weights, others), cells=False)
        deltas = [
            missed(float(each.sum(dtype=np.float64)), change)
            for each, change in zip(values, changes, strict=True)
        ]
        if max(deltas) <= TOLERANCE:
            break
    return [
        Attribution(pixels=each, delta=delta, passes=2)
        for each, delta in zip(values, deltas, strict=True)
    ]


def _here() -> tuple[Tensor, Tensor]:
    return torch.ones(1), torch.ones(1)


def _way(panels: int) -> tuple[Tensor, Tensor]:
    """Points between 0 and 1 and their weights.

    Squared, so that they are dense near a flat baseline, where standard deviations grow
    from 0 and their gradients change fastest.
    """
    nodes, weights = np.polynomial.legendre.leggauss(4)
    part = np.arange(panels)[:, None]
    places = ((part + (nodes + 1) / 2) / panels).ravel()
    shares = np.tile(weights / 2 / panels, panels) * 2 * places
    return torch.tensor(places**2).float(), torch.tensor(shares).float()


def _gradients(
    net: Readout,
    before: Sequence[Tensor],
    after: Sequence[Tensor],
    targets: Sequence[int],
    *,
    points: tuple[Tensor, Tensor],
) -> list[Tensor]:
    """Mean gradient of each score between two sets of moments: ``(target, channel)`` a view."""
    places, shares = (part.to(after[0].device) for part in points)
    ways = [
        (a + places[:, None] * (b - a)).detach().requires_grad_()
        for a, b in zip(before, after, strict=True)
    ]
    with torch.enable_grad():
        scores = net.answer(ways)
    rows = [
        torch.autograd.grad((scores[:, k] * shares).sum(), ways, retain_graph=True) for k in targets
    ]
    return [torch.stack([row[view].sum(dim=0) for row in rows]) for view in range(len(ways))]


def _drawn(
    task: AttributionTask, parts: Sequence[tuple[Tensor, int]], *, cells: bool
) -> list[FloatArray]:
    total = sum(readout.on_pixels(values, turn, task.size, cells=cells) for values, turn in parts)
    assert isinstance(total, Tensor)
    return list(total.float().cpu().numpy())


def _layer_grad_cam(task: AttributionTask, target: int) -> Attribution:
    from captum.attr import LayerAttribution, LayerGradCam  # noqa: PLC0415 - slow to import

    net = with_own_modules(task.model)
    cam = LayerGradCam(net.scores, net.net.cam_layer)
    coarse = cam.attribute(task.pixels.clone().requires_grad_(), target=target).detach()
    fine = LayerAttribution.interpolate(coarse, task.size, "bilinear")
    task.step(1, 1)
    return Attribution(pixels=fine[0, 0].float().cpu().numpy())


def _layer_cams(task: AttributionTask) -> list[Attribution]:
    """Fine CAM through one layer, each view of the net by itself."""
    net = with_own_modules(task.model)
    turns = [0]
    if isinstance(net.net, RgbNet):
        # Its answer is the mean over its views, since what follows the maps is linear.
        turns = [turn * 8 // net.net.symmetries for turn in range(net.net.symmetries)]
        net.net.symmetries = 1
    layer = _fine_layer(net.net)
    return [_layer_cam(task, net, layer, turns, target) for target in task.targets]


def _layer_cam(
    task: AttributionTask, net: Model, layer: nn.Module, turns: Sequence[int], target: int
) -> Attribution:
    from captum.attr import LayerIntegratedGradients  # noqa: PLC0415 - slow to import

    cam, passes = LayerIntegratedGradients(net.scores, layer), 0
    with torch.no_grad():
        before, after = task.scores(torch.cat([task.start, task.pixels]))[:, target]
    for steps in LAYER_STEPS:
        total = torch.zeros(1, 1, *task.size)
        for turn in turns:
            parts = cam.attribute(
                symmetry(task.pixels, turn).contiguous(),
                symmetry(task.start, turn).contiguous(),
                target=target,
                n_steps=steps,
                internal_batch_size=AT_ONCE,
            )
            density = parts.detach().sum(dim=1, keepdim=True).float().cpu()
            share = density[0, 0].numel() / (task.size[0] * task.size[1])
            fine = F.interpolate(density, size=task.size, mode="bilinear") * share
            total += undo_symmetry(fine, turn) / len(turns)
            passes += steps
            task.step(passes)
        delta = missed(float(total.double().sum()), float(after - before))
        if delta <= TOLERANCE:
            break
    return Attribution(pixels=total[0, 0].numpy(), delta=delta, passes=passes)


def _fine_layer(net: nn.Module) -> nn.Module:
    """The finest layer worth weighing that everything passes through."""
    if isinstance(net, PooledNet | RgbNet):
        names = {name for name, _ in net.named_modules()}
        for name in _FINE_LAYERS:
            if name in names:
                return net.get_submodule(name)
    layer: nn.Module = net.cam_layer  # type: ignore[assignment]
    return layer


def with_own_modules(model: Model) -> Model:
    """The model with modules of its own that share the weights.

    captum hangs a hook on the layer. On the shared net, a prediction that another thread
    makes meanwhile would run into it.
    """
    shared = {id(t): t for t in (*model.net.parameters(), *model.net.buffers())}
    return Model(model.card, copy.deepcopy(model.net, shared), model.device)
