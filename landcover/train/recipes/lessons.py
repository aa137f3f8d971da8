"""What a net learns from besides labelled patches: a teacher, and pictures without labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import BadInput
from landcover.datasets import unlabelled
from landcover.datasets.arrays import PatchSet
from landcover.datasets.unlabelled import Joined, Unlabelled
from landcover.train import dynamic_world
from landcover.train.dynamic_world import DynamicWorld
from landcover.train.recipes.order import Order

__all__ = ["Lessons", "read"]


@dataclass(frozen=True, kw_only=True)
class Lessons:
    """The files to learn from.

    Attributes:
        teacher: answers for each pixel.
        pictures: without labels; None for none.
    """

    teacher: DynamicWorld
    pictures: Unlabelled | None = None

    def patches(self, store: PatchSet) -> PatchSet:
        """The labelled patches and the pictures."""
        return store if self.pictures is None else Joined(first=store, second=self.pictures)

    def count(self, labelled: int) -> int:
        """Number of :meth:`patches`, if that many are labelled."""
        return labelled + (0 if self.pictures is None else len(self.pictures))

    def record(self) -> dict[str, str]:
        """Hashes of the teacher and of the pictures."""
        pictures = {} if self.pictures is None else {"unlabelled": self.pictures.sha256}
        return {"teacher": self.teacher.sha256, **pictures}

    def facts(self) -> dict[str, Any]:
        """The entries of a model's card."""
        pictures = self.pictures
        taught = {"taught_by": f"{dynamic_world.ATTRIBUTION} ({self.teacher.sha256[:12]})"}
        if pictures is None:
            return taught
        return {**taught, "unlabelled": {"n": len(pictures.pictures), "sha256": pictures.sha256}}


def read(name: str, order: Order) -> Lessons:
    """Read the files that the recipe of a model learns from.

    Raises:
        BadInput: the teacher is missing, or a file cannot be used.
    """
    if order.teacher is None:
        raise BadInput(
            f"The model '{name}' learns from Dynamic World's network, which is not "
            "part of landcover: give --teacher FILE, the file dynamicworld.npz with its weights."
        )
    pictures = None
    if order.unlabelled is not None:
        pictures = unlabelled.load(order.unlabelled, len(CLASS_NAMES))
    return Lessons(teacher=dynamic_world.load(order.teacher), pictures=pictures)
