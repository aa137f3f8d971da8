"""What a run is to do, and its file, which is untrusted when it is read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, Self, get_args

from landcover.core import limits, untrusted_json
from landcover.core.errors import BadInput
from landcover.core.text import plain

__all__ = ["CURVES_FOLDER", "Fit", "Kind", "RunOrder"]

Kind = Literal["train", "test"]
Fit = Literal["train", "train+validation"]
CURVES_FOLDER: Final = "tensorboard"
"""Where a tracker writes in the folder of a run if no other place is named."""


@dataclass(frozen=True, kw_only=True)
class RunOrder:
    """What a run is to do.

    Attributes:
        kind: ``train`` makes a model, ``test`` measures one on labelled data.
        dataset: name of the data set.
        root: its folder.
        model: the model to train, or the name or folder of the model to test.
        name: of the result: of the model among the user's models, or of the report.
        split: that a test measures.
        fit: the splits that a training fits to in the end.
        settings: overrides of the configuration, nested as it is; for a test ``bootstraps`` and
            ``allow_touching`` as for ``landcover evaluate``.
        configuration: takes the place of the packaged configuration; empty for that one.
        epochs, seed, shards: override the configuration; None keeps its value.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        bands: that the net takes; empty for the model's own.
        trackers: name of a tracker → where it writes; empty for the run's own folder.
        teacher, unlabelled: files that only some models learn from.

    Raises:
        BadInput: the kind or the fit is unknown, a number is out of range, or a text is missing or
            too long.
    """

    kind: Kind
    dataset: str
    root: Path
    model: str
    name: str
    split: str = "test"
    fit: Fit = "train"
    settings: Mapping[str, Any] = field(default_factory=dict)
    configuration: Mapping[str, Any] = field(default_factory=dict)
    epochs: int | None = None
    seed: int | None = None
    shards: int | None = None
    device: str = "auto"
    bands: tuple[str, ...] = ()
    trackers: Mapping[str, str] = field(default_factory=dict)
    teacher: Path | None = None
    unlabelled: Path | None = None

    def __post_init__(self) -> None:
        longest = limits.current().text_letters
        for what, text in (("model", self.model), ("name", self.name), ("data set", self.dataset)):
            if not text.strip():
                raise BadInput(f"A run needs a {what}: give one.")
            if len(text) > 20 * longest or (what == "name" and len(text) > longest):
                raise BadInput(f"The {what} of a run is too long: give a shorter one.")
        if plain(self.name) != self.name:
            raise BadInput("The name of a run has characters that cannot be shown: leave them out.")
        if self.kind not in get_args(Kind):
            raise BadInput(f"A run's kind is one of {', '.join(get_args(Kind))}.")
        if self.fit not in get_args(Fit):
            raise BadInput(f"A training's fit is one of {', '.join(get_args(Fit))}.")
        for what, number, least in (
            ("epochs", self.epochs, 1),
            ("seed", self.seed, 0),
            ("shards", self.shards, 1),
        ):
            if number is not None and not least <= number < 2**31:
                raise BadInput(f"A run's {what} is a whole number from {least}.")

    def places(self, run: Path) -> dict[str, str]:
        """Name of each tracker → where it writes, for the folder of a run."""
        return {name: place or str(run / CURVES_FOLDER) for name, place in self.trackers.items()}

    def to_json(self) -> str:
        """Write as JSON, which :meth:`from_json` reads.

        Raises:
            BadInput: a setting is not a value of JSON.
        """
        try:
            return json.dumps(asdict(self), indent=1, default=_path, allow_nan=False) + "\n"
        except (TypeError, ValueError):
            raise BadInput(
                "A setting of the run is no number, text, list or table: correct it."
            ) from None

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read an order from an untrusted file.

        Raises:
            BadInput: it is not the order of a run.
        """
        try:
            values = untrusted_json.parse(text)
            return cls(**{key: _checked(key, value) for key, value in values.items()})
        except (ValueError, TypeError, KeyError, AttributeError):
            raise BadInput("The order of the run is damaged: remove the run.") from None


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _whole(value: object) -> bool:
    return value is None or type(value) is int


def _is_path(value: object) -> bool:
    return isinstance(value, str) and "\0" not in value


_TYPES: Final[dict[str, tuple[Callable[[Any], bool], Callable[[Any], Any]]]] = {
    **dict.fromkeys(
        ("kind", "dataset", "model", "name", "split", "fit", "device"),
        (lambda value: isinstance(value, str), str),
    ),
    **dict.fromkeys(("epochs", "seed", "shards"), (_whole, lambda value: value)),
    "root": (_is_path, Path),
    **dict.fromkeys(
        ("teacher", "unlabelled"),
        (lambda value: value is None or _is_path(value), lambda value: value and Path(value)),
    ),
    "bands": (_texts, tuple),
    **dict.fromkeys(("settings", "configuration"), (lambda value: isinstance(value, dict), dict)),
    "trackers": (
        lambda value: isinstance(value, dict) and _texts(list(value.values())),
        dict,
    ),
}
"""Field → whether a value of JSON is one of it, and what makes the field of it."""


def _checked(key: str, value: object) -> Any:  # noqa: ANN401 - fields have many types
    """The value of a field from JSON.

    Raises:
        TypeError: it has the wrong type.
        KeyError: there is no such field.
    """
    fits, made = _TYPES[key]
    if not fits(value):
        raise TypeError(key)
    return made(value)


def _path(value: object) -> str:
    if isinstance(value, Path):
        return str(value)
    raise TypeError
