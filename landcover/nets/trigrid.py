"""TriGrid: a small convolutional net that uses each band on its native grid.

Reasons for its design:

- **Three native grids.** Sentinel-2 measures four bands at 10 m, six at 20 m and two at
  60 m. Patches come on one 10 m grid, where the pixels of the coarser bands are repeated.
  Convolving repeated pixels takes 4 or 36 times the work without a gain, so block averages
  bring each band back to its own grid, and all are combined at 20 m. Averages are used instead
  of every n-th pixel, so that stacks resampled by other methods also work.
- **Logarithms.** The reflectances of water, forest and bare soil differ by orders of magnitude,
  and illumination acts as a factor. In the logarithm a factor is an offset and ratios of bands
  are differences, which one linear layer can compute.
- **Colours, shapes and layout.** 1 × 1 convolutions use each 20 m pixel's spectrum and the
  contrast within it, without any neighbours: a trained spectral signature. In addition,
  3 × 3 convolutions use shapes (hedges, streets) at 40 m, and from these the layout of a place
  (fields, settlements) at 80 m. The scores depend on all three.
- **Distributions, not only means.** A patch of 1200 m contains several classes. Mean *and*
  standard deviation of each feature over the patch distinguish "half water, half forest" from
  "swamp everywhere"; a mean alone cannot.
- **One map.** Both are computed from the features' means and mean squares per 80 m cell. A patch
  is the average of its 15 × 15 cells, and a window of a large area is the average of its cells,
  so an area is convolved once for any number of windows, and Grad-CAM at this map covers
  everything that the scores depend on.
- **Several members.** With a few hundred training patches, the random initialisation changes
  the result more than any choice of layers. Averaging the logits of several independent small
  members is more stable than one net of the same total size. In training each member gets its
  own share of the batch, so the members stay independent within one training loop.
- **Batch normalisation**, because its statistics are fixed in evaluation mode: the scores of a
  patch never depend on the other patches of the batch, and the convolutions can run over areas
  of any size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from landcover.core.bands import BAND_NAMES, PATCH_PIXELS
from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import BadInput
from landcover.nets.grids import (
    GRID_PIXELS,
    VARIANCE_FLOOR,
    Columns,
    Grids,
    native_grids,
    spectra_at_20m,
    to_20m,
)
from landcover.nets.outputs import FeatureMap, NetOutput, View
from landcover.nets.reflectance import log_reflectance, standardised
from landcover.nets.windows import CELL_PIXELS, check_windows, over_windows

__all__ = ["ConvUnit", "Member", "Residual", "TriGrid"]

_COARSE_STEM: Final = 8
"""Channels of the stem of the 60 m bands, which respond to haze more than to land."""


def _random_quarter() -> tuple[int, int]:
    row, column = torch.randint(0, 2, (2,)).tolist()
    return row, column


class ConvUnit(nn.Sequential):
    """Convolution, batch normalisation, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        )


class Residual(nn.Module):
    """Two 3 × 3 convolutions with a skip connection; starts as the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = ConvUnit(width, width)
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        nn.init.zeros_(self.norm.weight)

    def forward(self, features: Tensor) -> Tensor:
        """``(n, width, y, x)`` to the same shape."""
        return torch.relu(features + self.norm(self.second(self.first(features))))


class Member(nn.Module):
    """One small net of the ensemble; see the module's docstring."""

    def __init__(
        self,
        *,
        columns: Columns,
        classes: int,
        width: int,
        stem: int,
        spectral: int,
        dropout: float,
    ) -> None:
        super().__init__()
        fine, middle, coarse = (len(c) for c in (columns.fine, columns.middle, columns.coarse))
        self.fine = ConvUnit(fine, stem, stride=2)
        self.middle = ConvUnit(middle, stem) if middle else None
        self.coarse = ConvUnit(coarse, _COARSE_STEM, kernel=1) if coarse else None
        stems = stem * (1 + bool(middle)) + _COARSE_STEM * bool(coarse)
        self.shapes = nn.Sequential(ConvUnit(stems, width, stride=2), Residual(width))
        self.layout = nn.Sequential(ConvUnit(width, 2 * width, stride=2), Residual(2 * width))
        self.spectrum = nn.Sequential(
            ConvUnit(2 * fine + middle + coarse, spectral, kernel=1),
            ConvUnit(spectral, spectral, kernel=1),
        )
        statistics = 2 * (width + 2 * width + spectral)
        self.norm = nn.BatchNorm1d(statistics)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(statistics, classes)

    def colours(self, spectra: Tensor) -> Tensor:
        """Compute features of each pixel's spectrum, ``(n, spectral, y, x)`` like the spectra."""
        features: Tensor = self.spectrum(spectra)
        return features

    def features(self, grids: Grids, spectra: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Compute shapes at 40 m, layout at 80 m and colours at 20 m, ``(n, channel, y, x)``."""
        fine, middle, coarse = grids
        stems = [self.fine(fine)]
        if self.middle is not None:
            stems.append(self.middle(middle))
        if self.coarse is not None:
            stems.append(to_20m(self.coarse(coarse)))
        shapes = self.shapes(torch.cat(stems, dim=1))
        return shapes, self.layout(shapes), self.colours(spectra)

    def cells(self, grids: Grids, spectra: Tensor) -> Tensor:
        """Compute moments of all features per cell of 80 m, float32 ``(n, channel, y/8, x/8)``.

        The first half of the channels are means, the second half mean squares. The scores
        depend on this map only. The spectra are those of :func:`spectra_at_20m`, which are the
        same for all members.
        """
        features = [f.float() for f in self.features(grids, spectra)]
        side = grids[0].shape[2] // CELL_PIXELS
        means = [_to_cells(f, side) for f in features]
        squares = [_to_cells(f.square(), side) for f in features]
        return torch.cat(means + squares, dim=1)

    def classify(self, moments: Tensor) -> Tensor:
        """Compute logits ``(n, class)`` from moments over a patch, ``(n, channel)``."""
        logits: Tensor = self.head(self.statistics(moments))
        return logits

    def statistics(self, moments: Tensor) -> Tensor:
        """Compute the head's input: normalised means and standard deviations ``(n, channel)``."""
        mean, square = moments.chunk(2, dim=1)
        std = ((square - mean.square()).clamp(min=0.0) + VARIANCE_FLOOR).sqrt()
        found: Tensor = self.dropout(self.norm(torch.cat((mean, std), dim=1)))
        return found

    def forward(self, grids: Grids) -> Tensor:
        """Compute logits ``(n, class)`` of normalised log-reflectance on its three grids.

        Training needs no map: the moments over the patch are computed directly and equal the
        average of those of its cells. In training a random quarter of the spectra is used:
        their statistics are the same in a quarter of the time.
        """
        spectra = spectra_at_20m(grids, quarter=_random_quarter() if self.training else None)
        features = [f.float().flatten(2) for f in self.features(grids, spectra)]
        means = [f.mean(dim=2) for f in features]
        squares = [f.square().mean(dim=2) for f in features]
        return self.classify(torch.cat(means + squares, dim=1))


class TriGrid(nn.Module):
    """An ensemble of small nets over the three native grids of Sentinel-2.

    Attributes:
        members: the independent nets whose logits are averaged.
        cam_layer: returns the moments per cell of all members, ``(n, channel, y/8, x/8)``,
            unchanged; the layer for Grad-CAM.
        log_mean, log_std: ``(band,)`` statistics of :func:`log_reflectance` per band,
            stored with the weights.
    """

    log_mean: Tensor
    log_std: Tensor

    def __init__(
        self,
        *,
        bands: Sequence[str] = BAND_NAMES,
        classes: int = len(CLASS_NAMES),
        members: int = 4,
        width: int = 48,
        stem: int = 24,
        spectral: int = 64,
        dropout: float = 0.3,
    ) -> None:
        """Make the net.

        Args:
            bands: names along the input's band axis; at least one is measured at 10 m, and
                grids without bands are left out.
            classes: number of outputs.
            members: number of independent nets.
            width: channels of the convolutions at 40 m; twice as many at 80 m.
            stem: channels of the stems of the 10 m and the 20 m bands.
            spectral: channels of the pixel-wise branch.
            dropout: share of the pooled statistics that is dropped in training.

        Raises:
            ValueError: a band is unknown or given twice, or none is measured at 10 m.
        """
        super().__init__()
        self.columns = Columns.of(bands)
        self.register_buffer("log_mean", torch.full((len(bands),), -2.0))
        self.register_buffer("log_std", torch.ones(len(bands)))
        self.cam_layer = nn.Identity()
        self.members = nn.ModuleList(
            Member(
                columns=self.columns,
                classes=classes,
                width=width,
                stem=stem,
                spectral=spectral,
                dropout=dropout,
            )
            for _ in range(members)
        )

    def initialise(self, pixels: Tensor, targets: Tensor) -> None:
        """Set the normalisation, and the first scores to the frequencies of the classes.

        Args:
            pixels: reflectance ``(n, band, y, x)`` of training patches.
            targets: 0 or 1, ``(n, class)``, of training patches.
        """
        logs = log_reflectance(pixels)
        self.log_mean.copy_(logs.mean(dim=(0, 2, 3)))
        self.log_std.copy_(logs.std(dim=(0, 2, 3)).clamp(min=1e-3))
        share = targets.mean(dim=0).clamp(0.003, 0.9)
        for member in self._all():
            member.head.bias.data.copy_(torch.logit(share))

    def forward(self, pixels: Tensor) -> Tensor:
        """Compute logits ``(n, class)`` of reflectance ``(n, band, y, x)``.

        The sides are multiples of 24.
        """
        if self.training:
            return self._logits_by_share(pixels)
        return self.read(pixels).scores

    def read(self, pixels: Tensor) -> NetOutput:
        """Compute logits and the statistics of all members that they depend on."""
        grids = self.grids(pixels)
        spectra = spectra_at_20m(grids)
        cells = self.cam_layer(torch.cat([m.cells(grids, spectra) for m in self._all()], dim=1))
        return self._output(cells.mean(dim=(2, 3)))

    def views(self, pixels: Tensor) -> list[View]:
        """Compute the maps of all members, one group per member."""
        grids = self.grids(pixels)
        spectra = spectra_at_20m(grids)
        groups = [m.features(grids, spectra) for m in self._all()]
        return [View(tuple(tuple(FeatureMap.whole(f.float()) for f in maps) for maps in groups))]

    def scores_from(self, moments: Sequence[Tensor]) -> Tensor:
        """Compute logits ``(n, class)`` from the moments of the only view."""
        (only,) = moments
        return self._output(only).scores

    def _output(self, moments: Tensor) -> NetOutput:
        """Compute mean logits and statistics from the moments of all members, ``(n, channel)``."""
        parts = moments.chunk(len(self.members), dim=1)
        features = [m.statistics(part) for m, part in zip(self._all(), parts, strict=True)]
        logits = [m.head(own) for m, own in zip(self._all(), features, strict=True)]
        return NetOutput(torch.stack(logits).mean(dim=0), torch.cat(features, dim=1))

    def dense(self, pixels: Tensor, step: int = CELL_PIXELS) -> Tensor:
        """Compute logits of every 1200 m window of an area; each pixel is convolved once.

        The result differs from that of windows cut out first, since the convolutions also
        use the pixels beyond a window's edge, where a cut-out window has zeros.

        Args:
            pixels: reflectance ``(n, band, y, x)``, sides multiples of 24, at least 120.
            step: pixels from one window to the next, a multiple of 8.

        Returns:
            ``(n, class, (y - 120) // step + 1, (x - 120) // step + 1)``.

        Raises:
            BadInput: the step is not a multiple of 8, or the area is smaller than one window.
        """
        check_windows(pixels, step)
        grids = self.grids(pixels)
        spectra = spectra_at_20m(grids)
        cells = torch.cat([m.cells(grids, spectra) for m in self._all()], dim=1)
        moments = over_windows(cells, step).permute(0, 2, 3, 1)
        logits = self._output(moments.flatten(0, 2)).scores
        return logits.view(*moments.shape[:3], -1).permute(0, 3, 1, 2)

    def grids(self, pixels: Tensor) -> Grids:
        """Compute normalised log-reflectance on the three native grids.

        Raises:
            BadInput: the pixels have other bands, or sides that are not multiples of 24.
        """
        if pixels.dim() != 4 or pixels.shape[1] != len(self.log_mean):
            raise BadInput(
                f"The net needs pixels of shape (n, {len(self.log_mean)}, y, x), not "
                f"{tuple(pixels.shape)}: pass the bands that its card names, in their order."
            )
        if any(side == 0 or side % GRID_PIXELS for side in pixels.shape[2:]):
            raise BadInput(
                f"The net needs sides that are multiples of {GRID_PIXELS} pixels, not "
                f"{pixels.shape[2]} × {pixels.shape[3]}: crop the window, for instance to "
                f"{PATCH_PIXELS} × {PATCH_PIXELS}."
            )
        fine, middle, coarse = native_grids(pixels, self.columns)
        return (
            self._normalise(fine, self.columns.fine),
            self._normalise(middle, self.columns.middle),
            self._normalise(coarse, self.columns.coarse),
        )

    def _normalise(self, reflectance: Tensor, bands: tuple[int, ...]) -> Tensor:
        columns = list(bands)
        return standardised(reflectance, self.log_mean[columns], self.log_std[columns])

    def _all(self) -> list[Member]:
        return [member for member in self.members if isinstance(member, Member)]

    def _logits_by_share(self, pixels: Tensor) -> Tensor:
        """Compute the logits of each member for its own share of the batch, in its order.

        Raises:
            BadInput: a share would be too small for batch statistics.
        """
        if len(pixels) < 2 * len(self.members):
            raise BadInput(
                f"A batch of {len(pixels)} patches is too small for {len(self.members)} "
                f"members: choose a batch of {2 * len(self.members)} or more."
            )
        shares = pixels.tensor_split(len(self.members))
        logits = [
            member(self.grids(share)) for member, share in zip(self._all(), shares, strict=True)
        ]
        return torch.cat(logits)


def _to_cells(features: Tensor, side: int) -> Tensor:
    """Average over cells, of which ``side`` cover the height."""
    factor = features.shape[2] // side
    return features if factor == 1 else F.avg_pool2d(features, factor)
