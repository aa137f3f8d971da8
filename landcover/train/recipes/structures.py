"""The structure of nets before they are trained."""

from __future__ import annotations

from typing import Final

import torch

from landcover import nets
from landcover.core.bands import BAND_NAMES, PATCH_PIXELS
from landcover.nets.anatomy import Anatomy, anatomy_of, blank
from landcover.train.configuration import TrainConfig
from landcover.train.recipes import bigearthnet
from landcover.train.recipes.order import Order

__all__ = ["TIMM", "names", "of_config", "structure"]

TIMM: Final = bigearthnet.TIMM


def names() -> tuple[str, ...]:
    """The models that are one net with a configuration."""
    return tuple(name for name, recipe in bigearthnet.RECIPES.items() if recipe.config)


def structure(name: str) -> Anatomy:
    """Describe the net of a model that can be trained.

    Args:
        name: one of :func:`names`, or ``timm:`` followed by the name of a timm trunk.

    Raises:
        UnknownName: there is no such model.
        BadInput: it needs a package that is not installed.
    """
    return of_config(bigearthnet.configuration(name, Order()))


def of_config(config: TrainConfig) -> Anatomy:
    """Describe the net of a configuration for patches."""
    with torch.device("meta"):
        net = nets.build(config.net, **config.net_options)
    bands = config.net_options.get("bands", BAND_NAMES)
    return anatomy_of(blank(net), (len(bands), PATCH_PIXELS, PATCH_PIXELS))
