"""The structure of a model's net, from its card alone: no weights are read."""

from __future__ import annotations

from landcover.core.errors import CorruptModel
from landcover.models.card import Card
from landcover.models.model import untrained
from landcover.nets.anatomy import Anatomy, anatomy_of, blank

__all__ = ["structure"]


def structure(card: Card) -> Anatomy:
    """Describe the blocks of a model's net for a window of the card's size.

    Raises:
        CorruptModel: the card's options do not fit its architecture.
        LandcoverError: the net needs a package that is not installed.
    """
    net = blank(untrained(card))
    try:
        return anatomy_of(net, (len(card.bands), card.pixels, card.pixels), card.pixel_m)
    # Options that fit a constructor can still make a net that cannot run.
    except (RuntimeError, ValueError, TypeError, IndexError, ArithmeticError):
        raise CorruptModel(
            f"The net of '{card.name}' cannot be run on a window of its card's size: train the "
            "model again."
        ) from None
