"""Deletion and insertion: whether the score follows what a map says of it.

Petsiuk et al. 2018 ("RISE", BMVC): replace the places that speak most for a class first,
and the probability should fall fast (*deletion*); bring them into an empty patch first, and
it should rise fast (*insertion*). The area between the two curves sums both up: it is large
where the map knows which places matter, and about 0 where it does not.

Places are cells of 80 m (225 a patch). What is replaced becomes average land, a flat patch
with the mean spectrum of the training data; because a flat patch is nothing that a net has
seen, the same is measured with the patch's own blur in its place
(:mod:`~landcover.explain.baselines`).

An order that knows nothing of the net is what a map has to beat (:data:`REFERENCES`): cells
in random order; random patches of land, which like maps are connected and so make fewer
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
"""Shares of the cells at which both curves are measured: 12 patches, one pass of the net.

Closer at the start, where the curves bend; both ends are the patch and the replacement.
"""
SHARES: Final = (0.0, *FRACTIONS, 1.0)
REPLACEMENTS: Final = ("mean", "blurred")
"""What takes the place of cells: keys of :data:`landcover.explain.baselines.BASELINES`."""
BLOB_CELLS: Final = 3
"""Random patches of land are random values on a grid of cells this size, interpolated."""
REFERENCES: Final = ("random", "random patches", "edges", "brightness")

Score = Callable[[Tensor], Tensor]
"""Probabilities ``(n, class)`` of pixels ``(n, band, y, x)``."""
Order = npt.NDArray[np.intp]
"""Cells in the order in which they are replaced, each once."""


def area(curve: Doubles) -> float:
    """Mean of a curve over all shares from 0 to 1."""
    return float(np.trapezoid(curve, SHARES))


def order_of(attribution: FloatArray, random: np.random.Generator) -> Order:
    """Cells from those that speak most for the class to those that speak most against it.

    Cells of equal value, as occlusion has many, come in random order.
    """
    values = cells(attribution).ravel()
    found: Order = np.lexsort((random.random(values.size), -values))
    return found


def reference_orders(pixels: Tensor, random: np.random.Generator) -> dict[str, Order]:
    """The orders of :data:`REFERENCES` for one patch ``(1, band, y, x)``.

    Args:
        pixels: of the patch.
        random: decides the random ones.
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
    """Deletion and insertion of all classes along one order, each ``(share, class)``.

    Args:
        score: probabilities of pixels.
        pixels: of the patch, ``(1, band, y, x)``, sides multiples of the cells'.
        filled: what takes the place of cells, in that shape.
        order: of the cells.
        ends: probabilities ``(class,)`` of the whole patch and of ``filled``, which are
            the same for all orders.
    """
    rank = np.empty(order.size)
    rank[order] = np.arange(order.size)
    rows = pixels.shape[2] // CELL_PIXELS
    grid = np.kron(rank.reshape(rows, -1), np.ones((CELL_PIXELS, CELL_PIXELS)))
    counts = [round(share * order.size) for share in FRACTIONS]
    first = torch.from_numpy(np.stack([grid < count for count in counts]))[:, None]
    batch = torch.cat([torch.where(first, filled, pixels), torch.where(first, pixels, filled)])
    found = score(batch).double().numpy()
    whole, empty = ends
    deletion = np.vstack([whole, found[: len(counts)], empty])
    insertion = np.vstack([empty, found[len(counts) :], whole])
    return deletion, insertion
