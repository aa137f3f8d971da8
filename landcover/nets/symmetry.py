"""The eight symmetries of the square, which leave land cover what it is."""

from __future__ import annotations

from torch import Tensor

__all__ = ["symmetry", "undo_symmetry"]


def symmetry(pixels: Tensor, which: int) -> Tensor:
    """One of the eight symmetries of the square, 0 to 7; 0 changes nothing.

    A satellite looks down: land cover has no up, so a turned or mirrored patch is as
    real as the original. Square patches only.
    """
    if which & 4:
        pixels = pixels.transpose(-2, -1)
    if which & 1:
        pixels = pixels.flip(-1)
    if which & 2:
        pixels = pixels.flip(-2)
    return pixels


def undo_symmetry(maps: Tensor, which: int) -> Tensor:
    """Undo :func:`symmetry`, which turns first and then mirrors."""
    if which & 2:
        maps = maps.flip(-2)
    if which & 1:
        maps = maps.flip(-1)
    return maps.transpose(-2, -1) if which & 4 else maps
