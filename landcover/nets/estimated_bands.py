"""Estimate the bands that a source lacks, in front of a net that needs them.

The estimate is the mean of the missing bands given the present ones under a mixture of
Gaussians of log-reflectance (Ghahramani and Jordan 1994), which is fitted once for all twelve
bands and then holds for any subset of them. Each component is a linear regression; the present
bands decide how much each component counts. One Gaussian alone fits water badly, since it is a
straight line through land and water.

A missing band is estimated on its own grid: the present bands are first averaged to its 20 or
60 m pixels, and the estimate is repeated to 10 m, as measured bands are. The estimate is
differentiable, so that the evidence for a class can be attributed to the present bands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from landcover.core.bands import BAND_NAMES, BANDS, PIXEL_M
from landcover.nets.outputs import FeatureNet, MappedNet, NetOutput, View
from landcover.nets.reflectance import DARKEST, log_reflectance

__all__ = ["BandEstimate", "EstimatedBands", "Mixture", "with_estimated_bands"]

_FACTORS: Final = {band.name: band.resolution_m // PIXEL_M for band in BANDS}
"""Band → 10 m pixels along a pixel of its native grid."""


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """A mixture of Gaussians of the log-reflectance of the twelve bands, float64.

    Attributes:
        weights: ``(component,)``, adding up to 1.
        means: ``(component, 12)``.
        covariances: ``(component, 12, 12)``.
    """

    weights: Tensor
    means: Tensor
    covariances: Tensor


class BandEstimate(nn.Module):
    """All twelve bands from some of them.

    Args:
        bands: names of the present bands, in the order of the input's band axis.
        components: number of Gaussians.

    Raises:
        ValueError: a band is unknown or given twice, or no band is given.
    """

    slope: Tensor
    present_mean: Tensor
    missing_mean: Tensor
    precision: Tensor
    log_weight: Tensor

    def __init__(self, bands: Sequence[str], components: int) -> None:
        super().__init__()
        if not bands or len(set(bands)) < len(bands) or not set(bands) <= set(BAND_NAMES):
            raise ValueError(f"these are not bands of Level-2A: {', '.join(bands)}")
        self.bands = tuple(bands)
        self.missing = tuple(name for name in BAND_NAMES if name not in bands)
        count, lost = len(self.bands), len(self.missing)
        self.register_buffer("slope", torch.zeros(components, lost, count))
        self.register_buffer("present_mean", torch.zeros(components, count))
        self.register_buffer("missing_mean", torch.zeros(components, lost))
        self.register_buffer("precision", torch.zeros(components, count, count))
        self.register_buffer("log_weight", torch.zeros(components))

    def fit(self, mixture: Mixture) -> None:
        """Set the regressions to the conditional means of a mixture."""
        present = [BAND_NAMES.index(name) for name in self.bands]
        missing = [BAND_NAMES.index(name) for name in self.missing]
        covariance = mixture.covariances
        own = covariance[:, present][:, :, present]
        cross = covariance[:, present][:, :, missing]
        self.slope.copy_(torch.linalg.solve(own, cross).transpose(1, 2))
        self.present_mean.copy_(mixture.means[:, present])
        self.missing_mean.copy_(mixture.means[:, missing])
        self.precision.copy_(torch.linalg.inv(own))
        self.log_weight.copy_(mixture.weights.log() - 0.5 * torch.logdet(own))

    def forward(self, pixels: Tensor) -> Tensor:
        """Return reflectance of all twelve bands, ``(n, 12, y, x)``.

        Args:
            pixels: reflectance ``(n, band, y, x)`` of the present bands, sides multiples of the
                factor of each missing band's grid.
        """
        found = dict(zip(self.bands, torch.split(pixels, 1, dim=1), strict=True))
        # Half precision would round log-reflectance to a few percent.
        with torch.autocast(pixels.device.type, enabled=False):
            for factor in sorted({_FACTORS[name] for name in self.missing}):
                names = [name for name in self.missing if _FACTORS[name] == factor]
                estimate = self._estimate(pixels.float(), names, factor)
                found |= dict(zip(names, torch.split(estimate, 1, dim=1), strict=True))
        return torch.cat([found[name] for name in BAND_NAMES], dim=1)

    def _estimate(self, pixels: Tensor, names: Sequence[str], factor: int) -> Tensor:
        """Estimate bands of one native grid, repeated to the grid of the pixels."""
        own = F.avg_pool2d(pixels, factor) if factor > 1 else pixels
        values = log_reflectance(own).permute(0, 2, 3, 1)
        rows = [self.missing.index(name) for name in names]
        shares = self._shares(values)
        total = torch.zeros(*values.shape[:-1], len(rows), device=values.device)
        for k in range(len(self.log_weight)):
            away = values - self.present_mean[k]
            part = self.missing_mean[k, rows] + away @ self.slope[k, rows].T
            total = total + shares[..., k : k + 1] * part
        estimate = (total.exp() - DARKEST).permute(0, 3, 1, 2)
        if factor > 1:
            estimate = F.interpolate(estimate, scale_factor=float(factor), mode="nearest")
        return estimate

    def _shares(self, values: Tensor) -> Tensor:
        """How much each component counts at each pixel, ``(…, component)``, adding up to 1."""
        logs = []
        for k in range(len(self.log_weight)):
            away = values - self.present_mean[k]
            distance = ((away @ self.precision[k]) * away).sum(dim=-1)
            logs.append(self.log_weight[k] - 0.5 * distance)
        return torch.stack(logs, dim=-1).softmax(dim=-1)


class EstimatedBands(nn.Module):
    """A net behind the estimate of the bands that it needs and that the input lacks.

    Args:
        net: takes the bands of ``needs``.
        bands: names of the present bands, in the order of the input's band axis.
        needs: names of the net's bands, in the order of its band axis.
        components: number of Gaussians of the estimate.
    """

    def __init__(
        self, net: nn.Module, *, bands: Sequence[str], needs: Sequence[str], components: int
    ) -> None:
        super().__init__()
        self.estimate = BandEstimate(bands, components)
        self.net = net
        self.needs = tuple(needs)
        self._columns = [BAND_NAMES.index(name) for name in needs]

    @property
    def cam_layer(self) -> nn.Module:
        """The layer for Grad-CAM of the net, if it has one."""
        return cast("nn.Module", getattr(self.net, "cam_layer"))  # noqa: B009 - a Module's attribute has no type

    def forward(self, pixels: Tensor) -> Tensor:
        """Compute logits ``(n, class)`` of reflectance ``(n, band, y, x)``."""
        logits: Tensor = self.net(self.complete(pixels))
        return logits

    def complete(self, pixels: Tensor) -> Tensor:
        """Return the bands that the net needs, ``(n, needed band, y, x)``."""
        every: Tensor = self.estimate(pixels)
        return every[:, self._columns]


class _WithFeatures(EstimatedBands):
    """The same for a net that also returns its features."""

    def read(self, pixels: Tensor) -> NetOutput:
        """Compute scores and features of reflectance ``(n, band, y, x)``."""
        return cast("FeatureNet", self.net).read(self.complete(pixels))


class _WithMaps(_WithFeatures):
    """The same for a net whose scores depend on moments of its maps."""

    def views(self, pixels: Tensor) -> list[View]:
        """Compute all maps, differentiably, from reflectance ``(n, band, y, x)``."""
        return cast("MappedNet", self.net).views(self.complete(pixels))

    def scores_from(self, moments: Sequence[Tensor]) -> Tensor:
        """Compute logits ``(n, class)`` from the moments of all views."""
        return cast("MappedNet", self.net).scores_from(moments)


def with_estimated_bands(net: nn.Module, **options: Any) -> EstimatedBands:  # noqa: ANN401 - those of EstimatedBands
    """Put the estimate in front of a net; the result returns what the net returns."""
    kind: Callable[..., EstimatedBands] = EstimatedBands
    if isinstance(net, MappedNet):
        kind = _WithMaps
    elif isinstance(net, FeatureNet):
        kind = _WithFeatures
    return kind(net, **options)
