"""Augmentation of training patches that keeps their labels valid.

Everything works on batches in memory: pixels are float32 reflectance
``(n, 12, y, x)``, targets float32 ``(n, class)`` between 0 and 1. All random numbers come
from the generator that is passed in.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from landcover.core.bands import RGB_BANDS
from landcover.core.errors import BadInput
from landcover.nets.symmetry import symmetry
from landcover.train.few_bands import estimate_others

__all__ = [
    "ALIGNMENT",
    "Augmentation",
    "Box",
    "blend",
    "gamma_curve",
    "haze",
    "illumination",
    "paste",
    "random_symmetries",
    "rectangles",
    "saturation",
    "zoomed",
]

ALIGNMENT = 6
"""Rectangles lie on multiples of this many 10 m pixels, so that no 60 m pixel is cut."""

_DARKEST = 1e-3
"""Reflectance or brightness to which darker pixels are raised before a power is taken."""

Box = tuple[int, int, int, int]
"""``(top, bottom, left, right)`` in pixels; bottom and right are the first outside."""


def random_symmetries(pixels: Tensor, generator: Generator) -> Tensor:
    """Rotate and mirror each patch at random, independently of the others."""
    chosen = torch.randint(0, 8, (len(pixels),), generator=generator).tolist()
    out = torch.empty_like(pixels)
    # One patch fits into the processor's cache; a group of patches would not.
    for row, which in enumerate(chosen):
        out[row] = symmetry(pixels[row], which)
    return out


def rectangles(
    count: int, side: int, share: tuple[float, float], generator: Generator
) -> list[Box]:
    """Draw random rectangles: about half of them squares, the others full-width strips.

    Their areas, as a share of the patch, are uniform between the two bounds in ``share``,
    apart from rounding to the 60 m grid.

    Returns:
        One rectangle a patch.
    """
    cells = side // ALIGNMENT
    drawn = torch.rand(count, 4, generator=generator).tolist()
    found = []
    for kind, size, down, across in drawn:
        area = share[0] + (share[1] - share[0]) * size
        length = min(cells, max(1, round(cells * (area if kind < 0.5 else math.sqrt(area)))))
        width = cells if kind < 0.5 else length
        top = int(down * (cells - length + 1))
        left = int(across * (cells - width + 1))
        found.append(
            (
                top * ALIGNMENT,
                (top + length) * ALIGNMENT,
                left * ALIGNMENT,
                (left + width) * ALIGNMENT,
            )
        )
    return found


def paste(
    pixels: Tensor,
    targets: Tensor,
    generator: Generator,
    *,
    share: tuple[float, float] = (0.15, 0.85),
    certainty: float = 1.6,
) -> tuple[Tensor, Tensor]:
    """Replace a rectangle of each patch by the same rectangle of another (CutMix, Yun et al. 2019).

    The labels are a union, not an average: a patch that is half forest and half lake
    has both classes. A class may lie entirely in the part that was cut away, so it is kept
    with probability ``certainty`` times the area of the remaining part, at most 1.
    """
    count, _, height, side = pixels.shape
    partner = torch.randperm(count, generator=generator).tolist()
    boxes = rectangles(count, side, share, generator)
    mixed = pixels.clone()
    areas = torch.empty(count, 1)
    for row, (other, (top, bottom, left, right)) in enumerate(zip(partner, boxes, strict=True)):
        mixed[row, :, top:bottom, left:right] = pixels[other, :, top:bottom, left:right]
        areas[row] = (bottom - top) * (right - left) / (height * side)
    kept = (certainty * (1.0 - areas)).clamp(max=1.0)
    pasted = (certainty * areas).clamp(max=1.0)
    union = 1.0 - (1.0 - kept * targets) * (1.0 - pasted * targets[partner])
    return mixed, union


def blend(
    pixels: Tensor, targets: Tensor, generator: Generator, *, alpha: float = 0.4
) -> tuple[Tensor, Tensor]:
    """Mix the pixels and targets of each patch with those of another (mixup, Zhang et al. 2018).

    Reflectance mixes linearly, as land covers do within one pixel. The shares are drawn
    from the beta distribution with both parameters ``alpha``.
    """
    count = len(pixels)
    partner = torch.randperm(count, generator=generator)
    share = _beta(alpha, count, generator)
    mixed = torch.lerp(pixels[partner], pixels, share.view(-1, 1, 1, 1))
    return mixed, torch.lerp(targets[partner], targets, share.view(-1, 1))


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


def zoomed(pixels: Tensor, generator: Generator, *, zoom: float, turn: float) -> Tensor:
    """Show each picture larger or smaller and rotated; what is beyond its border is mirrored.

    Fields are of other sizes elsewhere. The class must be that of the entire picture: a patch
    with several may lose one.

    Args:
        pixels: of pictures, ``(n, 3, y, x)``.
        generator: of random numbers.
        zoom: the logarithm of the scale is uniform between −zoom and zoom.
        turn: the angle is uniform between −turn and turn, in degrees.

    Raises:
        BadInput: they are not pictures, whose bands all have the same resolution.
    """
    if pixels.shape[1] != len(RGB_BANDS):
        raise BadInput(
            "Augmentation: zoom and turn are for pictures of red, green and blue, since pixels "
            "of coarser bands would be cut: set both to 0."
        )
    draw = 2 * torch.rand(4, len(pixels), generator=generator) - 1
    scale, angle = torch.exp(-zoom * draw[0]), math.radians(turn) * draw[1]
    across, down = scale * angle.cos(), scale * angle.sin()
    free = (1 - scale).clamp(min=0.0)
    rows = (
        torch.stack([across, -down, free * draw[2]], dim=1),
        torch.stack([down, across, free * draw[3]], dim=1),
    )
    grid = F.affine_grid(torch.stack(rows, dim=1), list(pixels.shape), align_corners=False)
    return F.grid_sample(
        pixels, grid, mode="bilinear", padding_mode="reflection", align_corners=False
    )


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """The augmentations of a training batch; calling the object applies them in order.

    Mixing patches is off by default: on a few hundred BigEarthNet patches it lowered the
    micro average precision of nets that are averaged anyway.

    Attributes:
        symmetries: rotate and mirror each patch at random.
        paste: share of batches whose patches get a rectangle of another patch.
        blend: share of batches whose patches are mixed with another; ``paste`` and
            ``blend`` exclude each other, so their sum is at most 1.
        paste_from, paste_to: bounds of the rectangle's area, as a share of the patch.
        certainty: see :func:`paste`.
        alpha: see :func:`blend`.
        brightness, band_gain: see :func:`illumination`.
        gamma, haze, saturation: spreads; see :func:`gamma_curve`, :func:`haze` and
            :func:`saturation`. With them, a net for pictures cannot tell classes by the shade of
            the places that it was fitted to.
        zoom, turn: see :func:`zoomed`; for pictures only.
        few_bands: share of batches in which most bands are estimated from a few; see
            :mod:`landcover.train.few_bands`. It needs all twelve bands.

    Raises:
        BadInput: a number is outside its range.
    """

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
        pixels, targets = self.arranged(pixels, targets, generator)
        return self.measured(pixels, generator), targets

    def arranged(
        self, pixels: Tensor, targets: Tensor, generator: Generator
    ) -> tuple[Tensor, Tensor]:
        """Rotate, mirror and mix patches: the part that changes what is to be seen where."""
        if self.symmetries:
            pixels = random_symmetries(pixels, generator)
        # An augmentation that is off draws no number, so that those of the others stay the same.
        if self.zoom or self.turn:
            pixels = zoomed(pixels, generator, zoom=self.zoom, turn=self.turn)
        draw = float(torch.rand(1, generator=generator))
        if draw < self.paste:
            bounds = (self.paste_from, self.paste_to)
            pixels, targets = paste(
                pixels, targets, generator, share=bounds, certainty=self.certainty
            )
        elif draw < self.paste + self.blend:
            pixels, targets = blend(pixels, targets, generator, alpha=self.alpha)
        return pixels, targets

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
