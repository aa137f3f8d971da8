"""What can be trained, with the facts that a user chooses by: settings, bands, what it starts from.

:func:`trainable` lists it for patches and for pictures; the recipes themselves are in
:mod:`landcover.train.recipes.table`.
"""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import torch

from landcover import nets
from landcover.core.bands import BAND_NAMES, RGB_BANDS
from landcover.core.errors import BadInput, UnknownName
from landcover.nets.efficientnet_lite0 import imagenet_weights
from landcover.train.configuration import TrainConfig
from landcover.train.recipes import area, bigearthnet, eurosat, eurosat_folder, mosaic, mosaic_parts
from landcover.train.recipes.order import Order

__all__ = ["Trainable", "find", "for_size", "parameters", "trainable"]

_IMAGENET: Final = "ImageNet"
_TIMM_EXAMPLE: Final = f"{bigearthnet.TIMM}resnet18"
_LEAST_A_MEMBER: Final = 2
"""Patches that each member of a net needs in a batch, for the batch's statistics."""


@dataclass(frozen=True, kw_only=True)
class Trainable:
    """A model that can be trained.

    Attributes:
        name: as ``landcover train --model`` takes it.
        title: the name that people read.
        summary: what it is and what it is good for.
        config: its packaged settings; None if it is not one net that is trained by gradients.
        phases: epochs of each phase of a model that is trained in phases; empty for others.
        start: the weights that training starts from; empty for random ones.
        optional: whether it can also start from random weights instead.
        bands: that it takes.
        choosable: whether other bands can be chosen.
        lessons: files that it learns from besides the labels: ``teacher``, ``unlabelled``.
        needs: those of them that it cannot do without.
        missing: why it cannot be trained on this computer from ``start``, one sentence; else empty.
    """

    name: str
    title: str
    summary: str
    config: TrainConfig | None = None
    phases: tuple[int, ...] = ()
    start: str = ""
    optional: bool = False
    bands: tuple[str, ...] = BAND_NAMES
    choosable: bool = False
    lessons: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    missing: str = ""


def trainable(*, pictures: bool = False) -> tuple[Trainable, ...]:
    """List what can be trained on patches, the usual one first, or on pictures."""
    if pictures:
        return (_for_pictures(),)
    own = [_single(name) for name in bigearthnet.RECIPES]
    joined = Trainable(
        name=mosaic_parts.NAME,
        title=mosaic.TITLE,
        summary=mosaic.SUMMARY,
        start="the weights of eurosat-rgb and a teacher's answers",
        lessons=("teacher", "unlabelled"),
        needs=("teacher",),
    )
    lean = Trainable(
        name=area.NAME,
        title=area.TITLE,
        summary=area.SUMMARY,
        start=f"the weights of {area.TEACHER}",
        lessons=("unlabelled",),
    )
    timm = [_single(_TIMM_EXAMPLE)] if importlib.util.find_spec("timm") is not None else []
    return (*own, *timm, joined, lean)


def find(name: str) -> Trainable:
    """What can be trained under a name; of timm any trunk.

    Raises:
        UnknownName: no such model can be trained.
        BadInput: timm is not installed.
    """
    if name.startswith(bigearthnet.TIMM):
        return _single(name)
    known = {each.name: each for each in (*trainable(), *trainable(pictures=True))}
    if name not in known:
        raise UnknownName("model", name, known)
    return known[name]


def for_size(config: TrainConfig, patches: int) -> TrainConfig:
    """Return settings that also work with few patches: smaller batches, fewer members.

    Args:
        config: the packaged settings.
        patches: number of training patches.
    """
    batch = max(2, min(config.batch, patches))
    options = dict(config.net_options)
    if "members" in options:
        options["members"] = max(1, min(options["members"], batch // _LEAST_A_MEMBER))
    shards = min(config.shards, batch // 2)
    return replace(config, batch=batch, shards=max(1, shards), net_options=options)


def parameters(net: str, options: Mapping[str, Any]) -> int:
    """Count the parameters of a net without making it.

    Raises:
        UnknownName: there is no such net.
        BadInput: it does not take these options.
    """
    try:
        with torch.device("meta"):
            made = nets.build(net, **options)
    except (TypeError, ValueError, KeyError, RuntimeError) as error:
        raise BadInput(
            f"The net '{net}' cannot be made so ({error}): choose other bands or sizes."
        ) from None
    return sum(parameter.numel() for parameter in made.parameters())


def _single(name: str) -> Trainable:
    recipe = bigearthnet.find(name)
    config = bigearthnet.configuration(name, Order()) if recipe.config else None
    takes = inspect.signature(nets.NETS[config.net]).parameters if config else {}
    return Trainable(
        name=name,
        title=recipe.title,
        summary=recipe.summary,
        config=config,
        start=recipe.start,
        optional=recipe.initial is not None,
        bands=tuple(config.net_options.get("bands", BAND_NAMES)) if config else BAND_NAMES,
        choosable="bands" in takes and "bands" not in recipe.options,
        missing=_missing_weights() if recipe.start == _IMAGENET else "",
    )


def _missing_weights() -> str:
    """Return why the ImageNet weights cannot be used; empty if they can."""
    try:
        imagenet_weights()
    except BadInput as error:
        return str(error)
    return ""


def _for_pictures() -> Trainable:
    plan = eurosat.plan(Order())
    return Trainable(
        name=eurosat_folder.NAME,
        title=eurosat_folder.TITLE,
        summary=eurosat_folder.SUMMARY,
        phases=tuple(phase.epochs for phase in plan.phases),
        start=_IMAGENET,
        optional=True,
        bands=RGB_BANDS,
        missing=_missing_weights(),
    )
