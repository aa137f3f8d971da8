"""The models that can be had by name: those of the package, and published ones.

Each model of the package has a folder under ``landcover/zoo``. Names such as
``reben:resnet50-s2-v0.2.0`` fetch a published model (see :mod:`landcover.models.hub`).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from landcover.core.errors import CorruptModel, UnknownName
from landcover.models import hub
from landcover.models.card import CARD_FILE, RGB, Card, read_card
from landcover.models.model import Model, load_model

ZOO: Final[Path] = Path(__file__).parents[1] / "zoo"
DEFAULT_MODEL: Final = "landcover-mosaic"
"""Our best single model: what every command uses unless told otherwise."""
PICTURE_MODEL: Final = "eurosat-rgb"
"""What is used for pictures of red, green and blue."""
BASELINES: Final[tuple[str, ...]] = ("class-prior", "band-statistics", "random-convolution")
"""What a net has to beat: printed beside every evaluation."""


def names() -> tuple[str, ...]:
    """Names of the registered models, the default one first."""
    found = sorted(path.parent.name for path in ZOO.glob(f"*/{CARD_FILE}"))
    return tuple(sorted(found, key=lambda name: name != DEFAULT_MODEL))


def for_pictures() -> tuple[str, ...]:
    """Names of the registered models that look at pictures of red, green and blue."""
    return tuple(name for name in names() if _looks_at(name) == RGB)


def for_patches() -> tuple[str, ...]:
    """Names of the registered models that look at reflectance, the default one first.

    A model whose card is damaged is among them: whoever loads it is told.
    """
    return tuple(name for name in names() if _looks_at(name) != RGB)


def _looks_at(name: str) -> str | None:
    try:
        return card(name).level
    except CorruptModel:
        return None


def folder(name: str) -> Path:
    """The folder of a registered model.

    Raises:
        UnknownName: no registered or published model has that name.
        LandcoverError: a published model cannot be fetched or used; see :func:`hub.folder`.
    """
    if hub.is_published(name):
        return hub.folder(name)
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
