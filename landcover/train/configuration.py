"""The configuration of a training run, read from and written as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, Self, get_args

from landcover.core import untrusted_json
from landcover.core.errors import BadInput, UnknownName
from landcover.train.augment import Augmentation

__all__ = ["Loss", "Metric", "Precision", "Start", "TrainConfig", "all_settings"]

Precision = Literal["auto", "float32", "bfloat16", "float16"]
Metric = Literal["last", "loss", "macro_ap", "micro_ap", "mean_ap", "accuracy"]
Loss = Literal["multilabel", "softmax"]
Start = Literal["recipe", "random"]


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """All settings that determine the result of a run, except the data.

    Attributes:
        net: name of the architecture.
        net_options: its keyword arguments.
        epochs: passes over the training set. A net of k members gives each of them a part of
            every batch, so that it needs k times the epochs.
        batch: approximate number of patches a step: an epoch is cut into equal batches of
            nearly this size, so that no patch is left out.
        shards: pieces of a step, each with its own random numbers and batch statistics. Several
            processes share them; one process computes them in turn (see
            :mod:`landcover.train.distributed`). A batch needs the memory of one shard.
        learning_rate: peak learning rate of AdamW.
        start: ``recipe`` for the weights that the model's recipe starts from, which are random
            for most; ``random`` to train without those of others, where the recipe allows it.
        trunk_rate: factor on the learning rate of the net's part called ``trunk``; below 1,
            pre-trained weights change more slowly. It is 1 if ``start`` is ``random``.
        weight_decay: of weights; biases and normalisation layers have none.
        warm_up: share of the steps in which the learning rate rises; then it falls along
            a half cosine to 0.
        ema: decay of the moving average of weights, per step.
        loss: ``multilabel`` for classes that are present independently (binary cross-entropy),
            ``softmax`` for classes that exclude each other (cross-entropy).
        label_smoothing: share by which targets move towards the classes' frequencies.
        labels: weight of the loss of the labels.
        teach: weight of the distance from a teacher's answers for each pixel (see
            :mod:`landcover.train.teaching`); above 0 it needs a teacher, and a net that predicts
            its answers.
        augmentation: of training batches.
        select: which epoch's weights are kept: the best by a metric on validation
            (``mean_ap`` is the mean of both average precisions), or the ``last``.
        validate_every: epochs from one validation to the next.
        patience: validations without improvement after which training stops; 0: never.
        precision: of automatic mixed precision. ``auto`` is bfloat16 where the device
            computes in it; else float16, with scaled losses, on an NVIDIA GPU; else
            float32.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        seed: of every random draw.

    Raises:
        BadInput: a number is outside its range, or a name is unknown.
    """

    net: str = "trigrid"
    net_options: dict[str, Any] = field(default_factory=dict)
    epochs: int = 40
    batch: int = 32
    shards: int = 1
    learning_rate: float = 3e-3
    start: Start = "recipe"
    trunk_rate: float = 1.0
    weight_decay: float = 0.05
    warm_up: float = 0.075
    ema: float = 0.99
    loss: Loss = "multilabel"
    label_smoothing: float = 0.0
    labels: float = 1.0
    teach: float = 0.0
    augmentation: Augmentation = field(default_factory=Augmentation)
    select: Metric = "last"
    validate_every: int = 5
    patience: int = 0
    precision: Precision = "auto"
    device: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        rules = (
            (self.epochs >= 1, "epochs must be at least 1"),
            (self.batch >= 2, "batch must be at least 2"),
            (self.shards >= 1, "shards must be at least 1"),
            (self.batch >= 2 * self.shards, "batch must hold 2 patches or more a shard"),
            (self.learning_rate > 0, "learning_rate must be above 0"),
            (self.trunk_rate > 0, "trunk_rate must be above 0"),
            (self.weight_decay >= 0, "weight_decay must be at least 0"),
            (0 <= self.warm_up < 1, "warm_up must lie between 0 and 1"),
            (0 <= self.ema < 1, "ema must lie between 0 and 1"),
            (0 <= self.label_smoothing < 1, "label_smoothing must lie between 0 and 1"),
            (min(self.labels, self.teach) >= 0, "labels and teach must be at least 0"),
            (self.labels + self.teach > 0, "labels or teach must be above 0"),
            (
                self.labels == 0 or self.augmentation.crop == 0,
                "crop needs labels at 0, since labels are of whole patches",
            ),
            (self.validate_every >= 1, "validate_every must be at least 1"),
            (self.patience >= 0, "patience must be at least 0"),
            (self.loss in get_args(Loss), f"loss is one of {', '.join(get_args(Loss))}"),
            (self.start in get_args(Start), f"start is one of {', '.join(get_args(Start))}"),
            (self.select in get_args(Metric), f"select is one of {', '.join(get_args(Metric))}"),
            (
                self.precision in get_args(Precision),
                f"precision is one of {', '.join(get_args(Precision))}",
            ),
        )
        for holds, complaint in rules:
            if not holds:
                raise BadInput(f"Training configuration: {complaint}.")

    def to_json(self) -> str:
        """Write as JSON, which :meth:`from_json` reads."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a configuration from JSON; settings that are missing keep their defaults.

        Raises:
            BadInput: it is not JSON, names an unknown setting, or a value is unusable.
        """
        values = _parsed(text)
        if not isinstance(values, dict):
            raise BadInput("The training configuration must be a JSON object of settings.")
        _refuse_unknown(values, cls)
        inner = values.get("augmentation", {})
        if not isinstance(inner, dict):
            raise BadInput("Training configuration: augmentation must be an object.")
        _refuse_unknown(inner, Augmentation)
        try:
            return cls(**{**values, "augmentation": Augmentation(**inner)})
        except TypeError:
            raise BadInput(
                "The training configuration has a value of the wrong kind: numbers are "
                "written without quotes, names with them."
            ) from None


def all_settings(text: str, kind: type[Any], model: str) -> dict[str, Any]:
    """Read the settings of a recipe, all of which must be there; their values are not checked.

    Args:
        text: JSON.
        kind: dataclass whose fields the settings are.
        model: the recipe's model, for messages.

    Raises:
        BadInput: it is not JSON, or a setting is missing.
        UnknownName: it names an unknown setting.
    """
    values = _parsed(text)
    known = [item.name for item in fields(kind)]
    if not isinstance(values, dict) or not set(known) <= set(values):
        raise BadInput(f"The configuration of {model} is a JSON object of {', '.join(known)}.")
    _refuse_unknown(values, kind)
    return values


def _parsed(text: str) -> Any:  # noqa: ANN401 - any JSON
    try:
        return untrusted_json.parse(text)
    except ValueError:
        raise BadInput("The training configuration is not JSON: correct the file.") from None


def _refuse_unknown(values: Mapping[str, Any], kind: type[Any]) -> None:
    known = [item.name for item in fields(kind)]
    for name in values:
        if name not in known:
            raise UnknownName("training setting", name, known)
