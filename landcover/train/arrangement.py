"""What is to be seen where in a batch: how its patches are cut out, turned and mixed.

An arrangement is drawn once and applied to everything that is known of the patches: their pixels,
their labels, and what a teacher answered for each pixel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from landcover.core.bands import RGB_BANDS
from landcover.core.errors import BadInput
from landcover.nets.symmetry import symmetry

__all__ = ["ALIGNMENT", "Arrangement", "Box", "corners", "frames", "rectangles"]

ALIGNMENT: Final = 6
"""Rectangles lie on multiples of this many 10 m pixels, so that no 60 m pixel is cut."""

Box = tuple[int, int, int, int]
"""``(top, bottom, left, right)`` in pixels; bottom and right are the first outside."""


@dataclass(frozen=True, kw_only=True)
class Arrangement:
    """What is done to the patches of a batch, in this order; None for nothing.

    Attributes:
        side: pixels along the parts, or along the patches if they stay whole.
        cuts: the part of each patch that is used.
        turns: the symmetry of each part, 0 to 7.
        frames: see :func:`frames`; for pictures only.
        partner: the patch that each one is mixed with, by ``boxes`` or by ``shares``.
        boxes: the rectangle of each that its partner replaces.
        shares: how much of a blend with the partner each patch itself is, ``(n,)``.
        certainty: factor from the area of a part to the probability that a class is in it.
    """

    side: int
    cuts: Sequence[Box] | None = None
    turns: Sequence[int] | None = None
    frames: Tensor | None = None
    partner: Sequence[int] | None = None
    boxes: Sequence[Box] | None = None
    shares: Tensor | None = None
    certainty: float = 1.6

    def of(self, maps: Tensor, pixel: int = 1) -> Tensor:
        """Apply it to maps of the patches, which are not modified.

        Args:
            maps: ``(n, channel, y, x)``.
            pixel: side of their pixels in 10 m pixels, a divisor of :data:`ALIGNMENT`.

        Raises:
            BadInput: there are frames, and the maps are not pictures.
        """
        maps = self._framed(self._turned(maps, pixel))
        if self.boxes is not None and self.partner is not None:
            mixed = maps.clone()
            for row, (other, box) in enumerate(zip(self.partner, self.boxes, strict=True)):
                top, bottom, left, right = (edge // pixel for edge in box)
                mixed[row, :, top:bottom, left:right] = maps[other, :, top:bottom, left:right]
            return mixed
        if self.shares is not None and self.partner is not None:
            shares = self.shares.view(-1, 1, 1, 1).to(maps.dtype)
            return torch.lerp(maps[list(self.partner)], maps, shares)
        return maps

    def labels(self, targets: Tensor) -> Tensor:
        """Apply it to the targets ``(n, class)`` of patches that stay whole.

        After pasting, labels are a union, not an average: a patch that is half forest and half
        lake has both classes. A class may lie entirely in the part that was cut away, so it is
        kept with probability ``certainty`` times the area of the remaining part, at most 1.
        """
        if self.partner is None:
            return targets
        theirs = targets[list(self.partner)]
        if self.shares is not None:
            return torch.lerp(theirs, targets, self.shares.view(-1, 1))
        pixels = [(box[1] - box[0]) * (box[3] - box[2]) for box in self.boxes or ()]
        areas = torch.tensor(pixels).view(-1, 1) / self.side**2
        kept = (self.certainty * (1.0 - areas)).clamp(max=1.0)
        pasted = (self.certainty * areas).clamp(max=1.0)
        return 1.0 - (1.0 - kept * targets) * (1.0 - pasted * theirs)

    def _turned(self, maps: Tensor, pixel: int) -> Tensor:
        if self.cuts is None and self.turns is None:
            return maps
        parts = list(maps)
        if self.cuts is not None:
            boxes = (tuple(edge // pixel for edge in box) for box in self.cuts)
            parts = [
                part[:, top:bottom, left:right]
                for part, (top, bottom, left, right) in zip(parts, boxes, strict=True)
            ]
        turns = self.turns or [0] * len(parts)
        out = maps.new_empty(len(parts), *parts[0].shape)
        # One patch fits into the processor's cache; a group of patches would not.
        for row, (part, which) in enumerate(zip(parts, turns, strict=True)):
            out[row] = symmetry(part, which)
        return out

    def _framed(self, maps: Tensor) -> Tensor:
        if self.frames is None:
            return maps
        if maps.shape[1] != len(RGB_BANDS):
            raise BadInput(
                "Augmentation: zoom and turn are for pictures of red, green and blue, since pixels "
                "of coarser bands would be cut: set both to 0."
            )
        grid = F.affine_grid(self.frames, list(maps.shape), align_corners=False)
        return F.grid_sample(
            maps, grid, mode="bilinear", padding_mode="reflection", align_corners=False
        )


def frames(count: int, generator: Generator, *, zoom: float, turn: float) -> Tensor:
    """Draw how each picture is shown larger or smaller and rotated.

    What is beyond its border is mirrored. Fields are of other sizes elsewhere. The class must be
    that of the entire picture: a patch with several may lose one.

    Args:
        count: of pictures.
        generator: of random numbers.
        zoom: the logarithm of the scale is uniform between −zoom and zoom.
        turn: the angle is uniform between −turn and turn, in degrees.

    Returns:
        An affine map of each, ``(n, 2, 3)``.
    """
    draw = 2 * torch.rand(4, count, generator=generator) - 1
    scale, angle = torch.exp(-zoom * draw[0]), math.radians(turn) * draw[1]
    across, down = scale * angle.cos(), scale * angle.sin()
    free = (1 - scale).clamp(min=0.0)
    rows = (
        torch.stack([across, -down, free * draw[2]], dim=1),
        torch.stack([down, across, free * draw[3]], dim=1),
    )
    return torch.stack(rows, dim=1)


def corners(count: int, side: int, crop: int, generator: Generator) -> list[Box]:
    """Draw a square of ``crop`` pixels for each of ``count`` patches of ``side`` pixels."""
    places = (side - crop) // ALIGNMENT + 1
    drawn = (torch.randint(places, (count, 2), generator=generator) * ALIGNMENT).tolist()
    return [(top, top + crop, left, left + crop) for top, left in drawn]


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
