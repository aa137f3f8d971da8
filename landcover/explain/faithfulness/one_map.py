"""Whether one map marks the places that matter, compared with chance, on its own patch.

The ratings of a method (:mod:`~landcover.explain.faithfulness.ratings`) are averages over patches.
A single map can be worse, so it is measured in the same way: the places that it marks are replaced
by average land and inserted into average land (:mod:`~landcover.explain.faithfulness.curves`), and
the change of the probability is compared with that for random orders of the same cells.
"""

from __future__ import annotations

from threading import Event
from typing import Final

import numpy as np
import torch
from torch import Tensor

from landcover.core.progress import check
from landcover.core.raster import Raster
from landcover.core.schema import Schema
from landcover.explain import baselines
from landcover.explain.explanation import Explanation
from landcover.explain.faithfulness.curves import (
    Order,
    area,
    curves,
    order_of,
    reference_orders,
)
from landcover.explain.faithfulness.similarity import CELL_PIXELS
from landcover.models.model import Model

__all__ = ["LITTLE", "ROUNDS", "MapCheck", "check_map"]

ROUNDS: Final = 4
"""Number of draws of random orders: each draws single cells and connected patches of land."""
LITTLE: Final = 0.05
"""Change of the probability between the patch and average land below which no map can be
measured."""
_RANDOM: Final = ("random", "random patches")


class MapCheck(Schema):
    """How much better a map orders the places of its patch than chance.

    Attributes:
        gain: area between the insertion and the deletion curve, in probability.
        chance: the same for each random order, ascending.
        change: by how much the probability falls from the patch to average land.
        beats_chance: whether the gain is larger than that of every random order.
        sentence: the result, to show next to the map.
    """

    gain: float
    chance: tuple[float, ...]
    change: float
    beats_chance: bool
    sentence: str


def check_map(
    model: Model,
    patch: Raster,
    explanation: Explanation,
    *,
    seed: int = 0,
    cancel: Event | None = None,
) -> MapCheck:
    """Measure a map on its own patch; this takes about nine forward passes of 12 patches.

    Args:
        model: the model that was explained.
        patch: the patch that was explained.
        explanation: of that patch by that model.
        seed: of the random orders.
        cancel: set to stop.

    Raises:
        Cancelled: the user stopped it.
    """
    random = np.random.default_rng(seed)
    target = model.card.classes.index(explanation.label)
    pixels = _whole_cells(model.tensor(patch)[None])
    filled = baselines.baseline(model.card, pixels)
    values = explanation.attribution[: pixels.shape[2], : pixels.shape[3]]

    def score(batch: Tensor) -> Tensor:
        return model.probabilities(model.scores(batch))

    full, empty = score(torch.cat([pixels, filled])).double().numpy()

    def gain(order: Order) -> float:
        check(cancel)
        deletion, insertion = curves(score, pixels, filled, order, (full, empty))
        return round(area(insertion[:, target]) - area(deletion[:, target]), 4)

    own = gain(order_of(values, random))
    drawn = [reference_orders(pixels, random) for _ in range(ROUNDS)]
    chance = tuple(sorted(gain(orders[name]) for orders in drawn for name in _RANDOM))
    change = float(full[target] - empty[target])
    beats = own > chance[-1]
    return MapCheck(
        gain=own,
        chance=chance,
        change=round(change, 4),
        beats_chance=beats,
        sentence=_sentence(own, chance, change, beats=beats),
    )


def _sentence(own: float, chance: tuple[float, ...], change: float, *, beats: bool) -> str:
    if abs(change) < LITTLE:
        return (
            "On this patch the map cannot be checked: replacing the entire patch by average land "
            f"changes the probability by only {change:+.2f}."
        )
    span = f"{own:+.2f}; {len(chance)} random orders: {chance[0]:+.2f} to {chance[-1]:+.2f}"
    if beats:
        return f"On this patch the marked places matter more than random ones ({span})."
    return f"On this patch the marked places matter no more than random ones ({span})."


def _whole_cells(pixels: Tensor) -> Tensor:
    """Leave out rows and columns that do not fill a cell."""
    height, width = (side // CELL_PIXELS * CELL_PIXELS for side in pixels.shape[2:])
    return pixels[..., :height, :width]
