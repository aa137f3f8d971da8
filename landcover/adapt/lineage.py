"""What the card of an adapted model says of where it comes from; light to import."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from landcover.models.card import Card

if TYPE_CHECKING:  # this module is light to import
    from landcover.models.registry import Registry

__all__ = ["ADAPTATION", "lineage", "logged_name", "parent", "window_name", "windows"]

ADAPTATION: Final = "adaptation"
"""Key of a card's ``training`` that holds parent, corrections and figures."""


def lineage(card: Card) -> dict[str, Any] | None:
    """Return what the card of an adapted model says of its adaptation; None for other models."""
    found = card.training.get(ADAPTATION)
    return found if isinstance(found, dict) else None


def parent(card: Card, models: Registry | None = None) -> str | None:
    """Return the name of the model that an adapted model comes from; None for others.

    Args:
        card: of the adapted model.
        models: where the other model is; if given, it is found by its card, and the name is the
            present one if it was renamed.
    """
    found = lineage(card)
    if found is None:
        return None
    now = None if models is None else models.by_hash(str(found.get("parent_card")))
    return now or str(found.get("parent"))


def logged_name(card: Card) -> str:
    """Return the name of a model for a log: users choose the names of adapted models."""
    return parent(card) or card.name


def windows(card: Card) -> set[str]:
    """Return the names of the windows that a model, or one that it comes from, is adapted to."""
    found = (lineage(card) or {}).get("windows")
    return {*map(str, found)} if isinstance(found, list) else set()


def window_name(pixels_sha256: str, correction: str = "") -> str:
    """Return the name of a window in a card.

    Args:
        pixels_sha256: of its pixels; empty if unknown.
        correction: id of its correction, which names it if the pixels are unknown.
    """
    return pixels_sha256[:12] or correction
