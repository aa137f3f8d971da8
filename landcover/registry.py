"""The models that come with the package: one folder each under ``landcover/zoo``."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from landcover.card import CARD_FILE, Card, read_card
from landcover.errors import UnknownName
from landcover.model import Model, load_model

ZOO: Final[Path] = Path(__file__).parent / "zoo"
DEFAULT_MODEL: Final = "landcover-cnn"
"""The custom CNN: what every command uses unless told otherwise."""
BASELINES: Final[tuple[str, ...]] = ("class-prior", "band-statistics")
"""What a net has to beat: printed beside every evaluation."""


def names() -> tuple[str, ...]:
    """Names of the registered models, the default one first."""
    found = sorted(path.parent.name for path in ZOO.glob(f"*/{CARD_FILE}"))
    return tuple(sorted(found, key=lambda name: name != DEFAULT_MODEL))


def folder(name: str) -> Path:
    """The folder of a registered model.

    Raises:
        UnknownName: no registered model has that name.
    """
    if name not in names():
        raise UnknownName("model", name, names())
    return ZOO / name


@cache
def card(name: str) -> Card:
    """The card of a registered model.

    Raises:
        UnknownName: no registered model has that name.
        CorruptModel: the card cannot be trusted.
    """
    return read_card(folder(name))


def load(name: str = DEFAULT_MODEL, device: str = "auto") -> Model:
    """Load a registered model.

    Raises:
        UnknownName: no registered model has that name.
        CorruptModel: card or weights cannot be trusted.
        BadInput: there is no such device here.
    """
    return load_model(folder(name), device)
