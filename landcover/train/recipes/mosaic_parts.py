"""The settings of the mosaic's parts: packaged, or read from a file of the user's."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Self

import torch

from landcover import nets
from landcover.core.errors import BadInput
from landcover.train import distributed
from landcover.train.configuration import TrainConfig, all_settings
from landcover.train.dynamic_world import COVERS, FEATURES
from landcover.train.recipes.order import Order, overrides, settings_text

__all__ = ["NAME", "Parts", "settings"]

NAME: Final = "landcover-mosaic"
_NETS: Final = {"pretraining": "taught", "taught": "taught", "lite": "spectral-lite0"}
_ANSWERS: Final = {"covers": len(COVERS), "features": FEATURES}
_JOINING: Final = ("shares", "symmetries", "strength", "scale")


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The settings of a mosaic.

    Attributes:
        pretraining: how the trunk of the TaughtNets learns from the teacher.
        steps: of the pre-training, whatever the number of patches; 0: its ``epochs`` count.
        freedom: of the first TaughtNet's head (see :mod:`landcover.train.frozen_head`).
        taught: how the second TaughtNet learns from labels and the teacher.
        lite: how the SpectralLite learns from labels.
        joining: options of :class:`~landcover.nets.mosaic.Mosaic` for joining them: shares,
            symmetries, strength and scale.
    """

    pretraining: TrainConfig
    steps: int
    freedom: float
    taught: TrainConfig
    lite: TrainConfig
    joining: dict[str, Any]

    def pretraining_on(self, patches: int) -> TrainConfig:
        """The pre-training on that many patches: the passes that come closest to the steps."""
        if not self.steps:
            return self.pretraining
        per_pass = max(1, round(patches / self.pretraining.batch))
        return replace(self.pretraining, epochs=max(1, round(self.steps / per_pass)))

    def epochs(self, patches: int) -> int:
        """Number of epochs of all parts in one fit, with that many patches to pre-train on."""
        return self.pretraining_on(patches).epochs + self.taught.epochs + self.lite.epochs

    def options(self, sets: int) -> dict[str, Any]:
        """The keyword arguments of the joined net, with that many label sets."""
        return {
            "taught": [self.pretraining.net_options, self.taught.net_options],
            "lites": [self.lite.net_options],
            "sets": sets,
            **self.joining,
        }

    def anywhere(self) -> Self:
        """The same settings without the device."""
        return replace(
            self, **{name: replace(getattr(self, name), device="auto") for name in _NETS}
        )

    def as_dict(self) -> dict[str, Any]:
        """All settings, ready for JSON."""
        return asdict(self)

    def to_json(self) -> str:
        """Write as JSON, which :meth:`from_json` reads."""
        return json.dumps(self.as_dict(), indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read from JSON with all settings; those of the trainings may keep their defaults.

        Raises:
            BadInput: it is not JSON, a setting is missing, or a value is unusable.
            UnknownName: it names an unknown setting.
        """
        values = all_settings(text, cls, NAME)
        trainings = {name: _training(name, values[name]) for name in _NETS}
        found = cls(**{**values, **trainings})
        found._check()
        return found

    def _check(self) -> None:
        joining = self.joining
        good = isinstance(joining, dict) and set(joining) == set(_JOINING)
        good = good and _is_number(joining["strength"]) and _is_number(joining["scale"])
        if not good:
            raise BadInput(f"Configuration of {NAME}: joining has {', '.join(_JOINING)}.")
        if not isinstance(self.steps, int) or isinstance(self.steps, bool) or self.steps < 0:
            raise BadInput(f"Configuration of {NAME}: steps is a whole number from 0.")
        if not _is_number(self.freedom) or self.freedom <= 0:
            raise BadInput(f"Configuration of {NAME}: freedom is a number above 0.")
        for config in (self.pretraining, self.taught):
            sizes = [config.net_options.get(name, count) for name, count in _ANSWERS.items()]
            if sizes != list(_ANSWERS.values()):
                raise BadInput(
                    f"Configuration of {NAME}: the teacher has {len(COVERS)} covers and {FEATURES} "
                    "features, which net_options must have too."
                )
        if any(getattr(self, name).start != "recipe" for name in _NETS):
            raise BadInput(f"Configuration of {NAME}: no part starts from random weights.")
        if not self.pretraining.teach:
            raise BadInput(f"Configuration of {NAME}: teach of the pretraining is above 0.")
        try:
            with torch.device("meta"):
                nets.build("mosaic", **self.options(sets=1))
        except (TypeError, ValueError, KeyError, RuntimeError):
            raise BadInput(
                f"Configuration of {NAME}: net_options or joining do not fit its nets."
            ) from None


def settings(order: Order) -> Parts:
    """The settings of all parts: the packaged ones or a file's, with the user's overrides.

    Raises:
        BadInput: the file cannot be read, or is not a configuration of the mosaic.
        UnknownName: it names an unknown setting.
    """
    parts = Parts.from_json(settings_text(NAME, order))
    changed: dict[str, Any] = {}
    for name in _NETS:
        config: TrainConfig = getattr(parts, name)
        shards = distributed.shards_for(order.shards or config.shards, distributed.current())
        changed[name] = replace(config, shards=shards, **overrides(order))
    steps = parts.steps if order.epochs is None else 0
    return replace(parts, steps=steps, **changed)


def _training(name: str, values: object) -> TrainConfig:
    if not isinstance(values, Mapping):
        raise BadInput(f"Configuration of {NAME}: {name} is an object of training settings.")
    config = TrainConfig.from_json(json.dumps(values))
    if config.net != _NETS[name]:
        raise BadInput(f"Configuration of {NAME}: the net of {name} is '{_NETS[name]}'.")
    return config


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
