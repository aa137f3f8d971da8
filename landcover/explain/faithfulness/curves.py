"""Deletion and insertion: whether the probability changes as a map predicts.

Petsiuk et al. 2018 ("RISE", BMVC): if the places with the strongest evidence for a class are
replaced first, the probability should fall fast (*deletion*); if they are inserted first into an
empty patch, it should rise fast (*insertion*). The area between the two curves summarises both:
it is large if the map ranks the places correctly, and about 0 if it does not.

Places are cells of 80 m (225 per patch). They are replaced by average land, a flat patch
with the mean spectrum of the training data. Since flat patches are unlike the training data,
the curves are also measured with the blurred patch as replacement
(:mod:`~landcover.explain.baselines`).

A map is compared with orders that do not depend on the net (:data:`REFERENCES`): cells
in random order; random patches of land, which are connected like maps and so make fewer
edges; strong edges first; bright places first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from landcover.core.raster import FloatArray
from landcover.explain.faithfulness.similarity import CELL_PIXELS, Doubles, cells

__all__ = [
    "BLOB_CELLS",
    "FRACTIONS",
    "REFERENCES",
    "REPLACEMENTS",
    "SHARES",
    "Order",
    "Score",
    "area",
    "curves",
    "order_of",
    "reference_orders",
]

FRACTIONS: Final = (0.05, 0.1, 0.2, 0.35, 0.5, 0.75)
"""Shares of the cells at which both curves are measured: 12 patches, one forward pass.

They are denser at the start, where the curves bend. Both ends are the patch and the replacement.
"""
SHARES: Final = (0.0, *FRACTIONS, 1.0)
REPLACEMENTS: Final = ("mean", "blurred")
"""Replacements of cells: keys of :data:`landcover.explain.baselines.BASELINES`."""
BLOB_CELLS: Final = 3
"""Random patches of land are interpolated from random values on a grid of this many cells."""
REFERENCES: Final = ("random", "random patches", "edges", "brightness")

Score = Callable[[Tensor], Tensor]
"""Computes probabilities ``(n, class)`` of pixels ``(n, band, y, x)``."""
Order = npt.NDArray[np.intp]
"""Numbers of all cells, in the order of their replacement."""


def area(curve: Doubles) -> float:
    """Compute the mean of a curve over all shares from 0 to 1."""
    return float(np.trapezoid(curve, SHARES))


def order_of(attribution: FloatArray, random: np.random.Generator) -> Order:
    """Order cells from the strongest evidence for the class to the strongest against it.

    Cells with equal values, which are common in occlusion maps, come in random order.
    """
    values = cells(attribution).ravel()
    found: Order = np.lexsort((random.random(values.size), -values))
    return found


def reference_orders(pixels: Tensor, random: np.random.Generator) -> dict[str, Order]:
    """Make the orders of :data:`REFERENCES` for one patch.

    Args:
        pixels: of the patch, ``(1, band, y, x)``.
        random: generator for the random orders.
    """
    bright = pixels[0].mean(dim=0).numpy()
    down, across = np.gradient(bright)
    side = (pixels.shape[2] // CELL_PIXELS, pixels.shape[3] // CELL_PIXELS)
    return {
        "random": random.permutation(side[0] * side[1]),
        "random patches": _blobs(side, random),
        "edges": order_of(np.hypot(down, across), random),
        "brightness": order_of(bright, random),
    }


def _blobs(side: tuple[int, int], random: np.random.Generator) -> Order:
    coarse = torch.from_numpy(random.normal(size=(1, 1, *(-(-s // BLOB_CELLS) for s in side))))
    fine = interpolate(coarse, size=side, mode="bilinear").numpy().ravel()
    order: Order = np.argsort(-fine)
    return order


def curves(
    score: Score, pixels: Tensor, filled: Tensor, order: Order, ends: tuple[Doubles, Doubles]
) -> tuple[Doubles, Doubles]:
    """Compute deletion and insertion curves of all classes for one order.

    Args:
        score: computes probabilities of pixels.
        pixels: of the patch, ``(1, band, y, x)``; its sides are multiples of the cell size.
        filled: the replacement, in the same shape.
        order: of the cells.
        ends: probabilities ``(class,)`` of the patch and of ``filled``, which are the same for
            all orders.

    Returns:
        the deletion and the insertion curve, each ``(share, class)``.
    """
    rank = np.empty(order.size)
    rank[order] = np.arange(order.size)
    rows = pixels.shape[2] // CELL_PIXELS
    grid = np.kron(rank.reshape(rows, -1), np.ones((CELL_PIXELS, CELL_PIXELS)))
    counts = [round(share * order.size) for share in FRACTIONS]
    first = torch.from_numpy(np.stack([grid < count for count in counts]))[:, None]
    batch = torch.cat([torch.where(first, filled, pixels), torch.where(first, pixels, filled)])
    found = score(batch).double().numpy()
    full, empty = ends
    deletion = np.vstack([full, found[: len(counts)], empty])
    insertion = np.vstack([empty, found[len(counts) :], full])
    return deletion, insertion
