"""The eight symmetries of the square, which do not change the land cover."""

from __future__ import annotations

from torch import Tensor

__all__ = ["symmetry", "undo_symmetry"]


def symmetry(pixels: Tensor, which: int) -> Tensor:
    """Apply one of the eight symmetries of the square, 0 to 7; 0 is the identity.

    Seen from above, land cover has no preferred orientation, so a rotated or mirrored patch is
    as realistic as the original. Symmetries 4 to 7 swap height and width.
    """
    if which & 4:
        pixels = pixels.transpose(-2, -1)
    if which & 1:
        pixels = pixels.flip(-1)
    if which & 2:
        pixels = pixels.flip(-2)
    return pixels


def undo_symmetry(maps: Tensor, which: int) -> Tensor:
    """Undo :func:`symmetry`, which transposes first and then mirrors."""
    if which & 2:
        maps = maps.flip(-2)
    if which & 1:
        maps = maps.flip(-1)
    return maps.transpose(-2, -1) if which & 4 else maps
