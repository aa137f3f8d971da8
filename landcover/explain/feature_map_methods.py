"""Attribution by feature maps (Grad-CAM and Fine CAM), and the types that all methods share.

A method handles an :class:`AttributionTask` with several classes at once, since the classes share
most of the computation. The methods on pixels are in :mod:`landcover.explain.pixel_methods`.

- **Grad-CAM** (Selvaraju et al. 2017, without their ReLU, which would hide the evidence
  against a class) weights each channel of the last feature maps by the score's gradient.
- **Fine CAM** extends it in three ways. It weights every map on its own grid, like
  HiRes-CAM (Draelos and Carin 2020); it averages the gradient along the path from the
  baseline's features to the patch's, like Integrated Grad-CAM (Sattarzadeh et al.
  2021); and it multiplies by the features' difference from the baseline. So all values
  add up to the score's change, like those of Integrated Gradients. The equivalent in captum is
  ``LayerIntegratedGradients``, which handles one layer and runs the entire net at every step.

For nets that compute their scores from pooled maps (:mod:`landcover.models.readout`), both methods
need one forward pass of the patch and Fine CAM also one of the baseline, for any number of
classes: only the layers after the pooling run many times.
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
    "relative_error",
    "with_own_modules",
]

AT_ONCE: Final = 8
"""Patches in one forward pass, to limit memory."""
TOLERANCE: Final = 0.01
"""Accepted error of an attribution's sum, relative to the score's change."""
LAYER_STEPS: Final = (8, 16, 32)
"""Gauss-Legendre steps of Fine CAM through a layer, increased until the sum is accurate."""
_PANELS: Final = (16, 64, 256)
"""Parts of the path between moments, with four Gauss-Legendre points each, increased until the
sum is accurate: a prior of label sets can change sharply within a small part of the path.

On the six samples and all 19 classes, the sum of landcover-mosaic was then off by at most 0.8 %
with average land as baseline, and by 4 % with the dark one, where 4 of 114 sums were off by more
than 1 %. Its probabilities are within 1e-6 of 0 or 1 there, so rounding in float32 is a possible
cause, which was not verified."""
_FINE_LAYERS: Final = ("trunk.layer2", "trunk.stages.2")
"""Maps of 80 m in a ResNet and in EfficientNet-Lite0; finer maps hardly separate the classes."""


@dataclass(frozen=True, kw_only=True)
class Attribution:
    """The result of a method, before it is scaled.

    Attributes:
        pixels: float32 ``(y, x)``, above 0 where a pixel is evidence for the class.
        bands: per band, the sum of the absolute attribution; None if the method does not
            separate bands.
        delta: error of the sum, relative to the score's change (or to one logit if the change
            is smaller); None for methods without such a sum.
        passes: forward passes of the net, counted per patch; several classes share them.
    """

    pixels: FloatArray
    bands: FloatArray | None = None
    delta: float | None = None
    passes: int = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class AttributionTask:
    """The scores to attribute: a model, a patch, a baseline and some classes.

    Attributes:
        model: the model to explain.
        pixels: input from :meth:`Model.tensor`, ``(1, band, y, x)``.
        start: the baseline, in the same shape.
        targets: columns of the classes.
        what: the method's name in progress reports.
        report: called at each step.
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
        """Report that ``done`` of ``total`` steps are done; None if the total is not known.

        Raises:
            Cancelled: ``cancel`` was set.
        """
        check(self.cancel)
        self.report(Progress(what=self.what, done=done, total=total, unit="steps"))

    @cached_property
    def net(self) -> Readout | None:
        """The net split at the pooling; None if it does not compute scores from pooled maps."""
        return readout.fold_maps(self.model)

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.pixels.shape[2], self.pixels.shape[3]

    def scores(self, pixels: Tensor) -> Tensor:
        """Compute differentiable scores ``(n, class)``, with the faster split net if possible."""
        if self.net is None:
            return self.model.scores(pixels)
        return self.net.scores(pixels.to(self.model.device))


def relative_error(total: float, change: float) -> float:
    """Compute the error of a sum relative to the score's change; see :class:`Attribution`."""
    # Below a change of one logit, the relative error would grow without a worse map.
    return abs(total - change) / max(abs(change), 1.0)


def grad_cam(task: AttributionTask) -> list[Attribution]:
    """Compute Grad-CAM on the maps of 80 m of all parts, or at the net's ``cam_layer``."""
    net = task.net
    if net is None:
        return [_layer_grad_cam(task, target) for target in task.targets]
    with torch.no_grad():
        views = net.views(task.pixels.to(task.model.device))
        moments = [view.moments() for view in views]
    task.step(1, 1)
    weights = _gradients(net, moments, moments, task.targets, points=_end_point())
    values = _pixel_maps(task, readout.contributions(views, weights, None), cells=True)
    # In captum's units: the contribution of a cell, not of a pixel.
    return [Attribution(pixels=each * CELL_PIXELS**2) for each in values]


def fine_cam(task: AttributionTask) -> list[Attribution]:
    """Compute Fine CAM on the grids of all maps, or at one layer that all data passes through."""
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
        weights = _gradients(net, before, after, columns, points=_path_points(panels))
        values = _pixel_maps(task, readout.contributions(views, weights, others), cells=False)
        deltas = [
            relative_error(float(each.sum(dtype=np.float64)), change)
            for each, change in zip(values, changes, strict=True)
        ]
        if max(deltas) <= TOLERANCE:
            break
    return [
        Attribution(pixels=each, delta=delta, passes=2)
        for each, delta in zip(values, deltas, strict=True)
    ]


def _end_point() -> tuple[Tensor, Tensor]:
    """The patch itself, with weight 1."""
    return torch.ones(1), torch.ones(1)


def _path_points(panels: int) -> tuple[Tensor, Tensor]:
    """Choose points between 0 and 1 and their weights.

    Points are squared, which makes them dense near a flat baseline, where standard deviations
    grow from 0 and their gradients change fastest.
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
    """Average each score's gradient between two sets of moments: ``(target, channel)`` a view."""
    places, shares = (part.to(after[0].device) for part in points)
    paths = [
        (a + places[:, None] * (b - a)).detach().requires_grad_()
        for a, b in zip(before, after, strict=True)
    ]
    with torch.enable_grad():
        scores = net.answer(paths)
    rows = [
        torch.autograd.grad((scores[:, k] * shares).sum(), paths, retain_graph=True)
        for k in targets
    ]
    return [torch.stack([row[view].sum(dim=0) for row in rows]) for view in range(len(paths))]


def _pixel_maps(
    task: AttributionTask, parts: Sequence[tuple[Tensor, int]], *, cells: bool
) -> list[FloatArray]:
    total = sum(readout.to_pixels(values, turn, task.size, cells=cells) for values, turn in parts)
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
    """Compute Fine CAM at one layer, separately for each view of the net."""
    net = with_own_modules(task.model)
    turns = [0]
    if isinstance(net.net, RgbNet):
        # Its score is the mean over its views, since the layers after the maps are linear.
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
        delta = relative_error(float(total.double().sum()), float(after - before))
        if delta <= TOLERANCE:
            break
    return Attribution(pixels=total[0, 0].numpy(), delta=delta, passes=passes)


def _fine_layer(net: nn.Module) -> nn.Module:
    """Find the finest useful layer that all data passes through."""
    if isinstance(net, PooledNet | RgbNet):
        names = {name for name, _ in net.named_modules()}
        for name in _FINE_LAYERS:
            if name in names:
                return net.get_submodule(name)
    layer: nn.Module = net.cam_layer  # type: ignore[assignment]
    return layer


def with_own_modules(model: Model) -> Model:
    """Copy the model's modules; the copies share the weights.

    captum registers a hook on the layer. On the original modules, this hook would interfere with
    predictions in other threads.
    """
    shared = {id(t): t for t in (*model.net.parameters(), *model.net.buffers())}
    return Model(model.card, copy.deepcopy(model.net, shared), model.device)
