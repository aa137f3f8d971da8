"""Augmentation of training patches that keeps their labels valid.

Everything works on batches in memory: pixels are float32 reflectance
``(n, 12, y, x)``, targets float32 ``(n, class)`` between 0 and 1. All random numbers come
from the generator that is passed in.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import torch
from torch import Generator, Tensor

from landcover.core.bands import PATCH_PIXELS
from landcover.core.errors import BadInput
from landcover.train.arrangement import Arrangement, corners, frames, rectangles
from landcover.train.few_bands import estimate_others

__all__ = ["Augmentation", "gamma_curve", "haze", "illumination", "saturation"]

_DARKEST: Final = 1e-3
"""Reflectance or brightness to which darker pixels are raised before a power is taken."""

_CROP: Final = 24
"""Sides of a crop are multiples of it: whole 60 m pixels, and whole cells of our nets."""


def illumination(
    pixels: Tensor, generator: Generator, *, brightness: float = 0.06, band_gain: float = 0.03
) -> Tensor:
    """Multiply each patch by one factor, and each of its bands by another.

    This approximates sun angle, slope and haze. Both arguments are standard deviations of
    the factors' logarithms.
    """
    count, bands = pixels.shape[:2]
    common = brightness * torch.randn(count, 1, 1, 1, generator=generator)
    single = band_gain * torch.randn(count, bands, 1, 1, generator=generator)
    return pixels * torch.exp(common + single)


def gamma_curve(pixels: Tensor, generator: Generator, spread: float) -> Tensor:
    """Raise each patch to a power, which makes dark ground darker or lighter, and white stays.

    Args:
        pixels: of the patches.
        generator: of random numbers.
        spread: standard deviation of the logarithm of the power.
    """
    power = torch.exp(spread * torch.randn(len(pixels), 1, 1, 1, generator=generator))
    return pixels.clamp(min=_DARKEST) ** power


def haze(pixels: Tensor, generator: Generator, spread: float) -> Tensor:
    """Add one offset to each patch, and another to each of its bands, as air between does.

    Args:
        pixels: of the patches.
        generator: of random numbers.
        spread: standard deviation of the common offset, in the unit of the pixels; that of each
            band's own is half of it.
    """
    count, bands = pixels.shape[:2]
    common = torch.randn(count, 1, 1, 1, generator=generator)
    single = torch.randn(count, bands, 1, 1, generator=generator)
    return pixels + spread * (common + 0.5 * single)


def saturation(pixels: Tensor, generator: Generator, spread: float) -> Tensor:
    """Multiply the differences between the bands of each patch by one factor.

    Args:
        pixels: of the patches.
        generator: of random numbers.
        spread: standard deviation of the factor's logarithm.
    """
    factor = torch.exp(spread * torch.randn(len(pixels), 1, 1, 1, generator=generator))
    return torch.lerp(pixels.mean(dim=1, keepdim=True), pixels, factor)


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """The augmentations of a training batch; calling the object applies them in order.

    Mixing patches is off by default: on a few hundred BigEarthNet patches it lowered the
    micro average precision of nets that are averaged anyway.

    Attributes:
        crop: side in pixels of a square that is cut out of each patch at random, a multiple of
            24; 0: the patch stays whole. Labels of patches do not hold for their parts, but a
            teacher's answers for each pixel do.
        symmetries: rotate and mirror each patch at random.
        paste: share of batches in which a rectangle of each patch is replaced by the same
            rectangle of another (CutMix, Yun et al. 2019).
        blend: share of batches whose patches are mixed with another (mixup, Zhang et al. 2018):
            reflectance mixes linearly, as land covers do within one pixel. ``paste`` and
            ``blend`` exclude each other, so their sum is at most 1.
        paste_from, paste_to: bounds of the rectangle's area, as a share of the patch.
        certainty: see :meth:`~landcover.train.arrangement.Arrangement.labels`.
        alpha: both parameters of the beta distribution that shares of a blend are drawn from.
        brightness, band_gain: see :func:`illumination`.
        gamma, haze, saturation: spreads; see :func:`gamma_curve`, :func:`haze` and
            :func:`saturation`. With them, a net for pictures relies less on the shade of the
            places that it was fitted to, but also on hue, which tells dry land covers apart.
        zoom, turn: see :func:`~landcover.train.arrangement.frames`; for pictures only.
        few_bands: share of batches in which most bands are estimated from a few; see
            :mod:`landcover.train.few_bands`. It needs all twelve bands.

    Raises:
        BadInput: a number is outside its range.
    """

    crop: int = 0
    symmetries: bool = True
    paste: float = 0.0
    blend: float = 0.0
    paste_from: float = 0.15
    paste_to: float = 0.85
    certainty: float = 1.6
    alpha: float = 0.4
    brightness: float = 0.06
    band_gain: float = 0.03
    gamma: float = 0.0
    haze: float = 0.0
    saturation: float = 0.0
    zoom: float = 0.0
    turn: float = 0.0
    few_bands: float = 0.0

    def __post_init__(self) -> None:
        shares = min(self.paste, self.blend) >= 0 and self.paste + self.blend <= 1
        if not shares:
            raise BadInput("Augmentation: paste and blend are shares whose sum is at most 1.")
        if not 0 < self.paste_from <= self.paste_to < 1:
            raise BadInput("Augmentation: paste_from and paste_to must rise, between 0 and 1.")
        whole = isinstance(self.crop, int) and self.crop % _CROP == 0
        if not whole or not 0 <= self.crop <= PATCH_PIXELS:
            raise BadInput(
                f"Augmentation: crop is 0 or a multiple of {_CROP} up to {PATCH_PIXELS}."
            )
        if not 0 <= self.few_bands <= 1:
            raise BadInput("Augmentation: few_bands is a share between 0 and 1.")
        spreads = (self.brightness, self.band_gain, self.gamma, self.haze, self.saturation)
        if (
            self.alpha <= 0
            or self.certainty <= 0
            or not all(math.isfinite(v) and v >= 0 for v in spreads)
        ):
            raise BadInput("Augmentation: alpha and certainty are above 0, spreads at least 0.")
        if not (0 <= self.zoom <= 1 and 0 <= self.turn <= 180):
            raise BadInput("Augmentation: zoom is at most 1 and turn at most 180, both at least 0.")

    def __call__(
        self, pixels: Tensor, targets: Tensor, generator: Generator
    ) -> tuple[Tensor, Tensor]:
        """Return augmented pixels and targets; the originals are not modified."""
        arrangement = self.drawn(len(pixels), pixels.shape[-1], generator)
        found = arrangement.labels(targets)
        return self.measured(arrangement.of(pixels), generator), found

    def drawn(self, count: int, patch: int, generator: Generator) -> Arrangement:
        """Draw how patches of ``patch`` pixels are cut out, turned and mixed.

        This is the part that changes what is to be seen where.
        """
        side = self.crop or patch
        found = Arrangement(side=side, certainty=self.certainty)
        # An augmentation that is off draws no number, so that those of the others stay the same.
        if self.crop:
            found = replace(found, cuts=corners(count, patch, side, generator))
        if self.symmetries:
            turns = torch.randint(0, 8, (count,), generator=generator).tolist()
            found = replace(found, turns=turns)
        if self.zoom or self.turn:
            drawn = frames(count, generator, zoom=self.zoom, turn=self.turn)
            found = replace(found, frames=drawn)
        draw = float(torch.rand(1, generator=generator))
        if draw >= self.paste + self.blend:
            return found
        found = replace(found, partner=torch.randperm(count, generator=generator).tolist())
        if draw < self.paste:
            bounds = (self.paste_from, self.paste_to)
            return replace(found, boxes=rectangles(count, side, bounds, generator))
        return replace(found, shares=_beta(self.alpha, count, generator))

    def measured(self, pixels: Tensor, generator: Generator) -> Tensor:
        """Change what is measured of the same ground: the bands there are, and the light."""
        if self.few_bands and float(torch.rand(1, generator=generator)) < self.few_bands:
            pixels = estimate_others(pixels, generator)
        if self.gamma:
            pixels = gamma_curve(pixels, generator, self.gamma)
        if self.brightness or self.band_gain:
            pixels = illumination(
                pixels, generator, brightness=self.brightness, band_gain=self.band_gain
            )
        if self.haze:
            pixels = haze(pixels, generator, self.haze)
        if self.saturation:
            pixels = saturation(pixels, generator, self.saturation)
        return pixels


def _beta(alpha: float, count: int, generator: Generator) -> Tensor:
    """Draw from the beta distribution with equal parameters, ``(count,)``.

    A beta draw is the share of the first of two gamma draws. torch's own beta sampler takes no
    generator, and without one a run could not be resumed exactly.
    """
    shape = torch.full((2, count), alpha)
    draws: Tensor = torch._standard_gamma(shape, generator=generator)  # noqa: SLF001
    draws = draws.clamp(min=torch.finfo(draws.dtype).tiny)
    return draws[0] / draws.sum(dim=0)
