"""How the models for pictures are fitted once, without validation, to be judged by place."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from torch import nn

from landcover.core.errors import BadInput, UnknownName
from landcover.core.progress import Report
from landcover.datasets.eurosat_store import RgbStore
from landcover.train.recipes import eurosat
from landcover.train.recipes.eurosat_folder import BASELINE_RECIPES, NAME, finished
from landcover.train.recipes.order import Order

__all__ = ["NAMES", "PictureFit", "picture_fit"]

NAMES: Final[tuple[str, ...]] = (NAME, *BASELINE_RECIPES)


@dataclass(frozen=True, kw_only=True)
class PictureFit:
    """How a model is fitted to pictures once, with fixed settings.

    Attributes:
        name: of the recipe.
        settings: JSON of all that decides the result besides the pictures; not the device.
        run: fits; its arguments are pictures, a folder for the run, from which the same call
            resumes, and a progress callback.
    """

    name: str
    settings: str
    run: Callable[[RgbStore, Path, Report | None], nn.Module]

    def trained(
        self, fitted: RgbStore, runs: Path, report: Report | None, left_out: Collection[str]
    ) -> tuple[nn.Module, Callable[[RgbStore], RgbStore]]:
        """Fit; returns the net, and that it takes pictures as they are."""
        del left_out  # pictures are of no stated country
        return self.run(fitted, runs, report), lambda pictures: pictures


def picture_fit(name: str, order: Order) -> PictureFit:
    """Return how a model is fitted to pictures once.

    Args:
        name: one of :data:`NAMES`.
        order: settings that differ from the configuration.

    Raises:
        UnknownName: there is no such model.
        BadInput: a setting cannot be used, or the ImageNet weights are not installed.
    """
    if name == NAME:
        return _net(order)
    if name not in BASELINE_RECIPES:
        raise UnknownName("model for pictures", name, NAMES)
    if order.config_file is not None or order.epochs is not None:
        raise BadInput(
            f"The model '{name}' is fitted without a configuration and epochs: leave them out."
        )
    fit = BASELINE_RECIPES[name].fit
    return PictureFit(name=name, settings="{}", run=lambda store, _, __: fit(store)[2])


def _net(order: Order) -> PictureFit:
    settings = eurosat.plan(order)
    start = eurosat.first_weights(settings)

    def run(store: RgbStore, runs: Path, report: Report | None) -> nn.Module:
        on_epoch = eurosat.phase_reporter(report, 0, settings.epochs)
        found = eurosat.fit(settings, store, None, start, runs, on_epoch=on_epoch)
        return finished(found.state, settings.net_options)

    anywhere = tuple(replace(phase, device="auto") for phase in settings.phases)
    text = replace(settings, phases=anywhere).to_json()
    return PictureFit(name=NAME, settings=text, run=run)
