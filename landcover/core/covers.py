"""The covers of a cell of 80 m: groups of the 19 classes that a cell by itself can tell apart.

A class of BigEarthNet describes a patch of 1200 m, and CORINE's classes polygons of at least 25 ha.
A cell has 0.64 ha, so classes that mean a pattern of several covers, or that only their
surroundings tell apart, cannot be told apart there:

- **Mixed farmland**: complex cultivation, agriculture with nature and agro-forestry are mixtures of
  fields, meadows and trees by definition.
- **Forest**: mixed forest is a mixture of the other two.
- **Shrub and grassland**: heath, young forest, natural grassland and sparse vegetation pass into
  each other. Beaches are in it because a single labelled patch has any.
- **Built-up**, **water** and **wetlands**: whether a roof is a home or a hall, and whether water
  is salty, is not in a cell.

Pastures stay apart from cropland, although a green field may be either, because their areas are
asked for separately.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from landcover.core.classes import BY_NAME, CLASS_NAMES, Rgb

__all__ = ["COVERS", "COVER_NAMES", "Cover", "cover_of"]


@dataclass(frozen=True)
class Cover:
    """A group of classes that exclude the other groups in a cell."""

    name: str
    short: str
    classes: tuple[str, ...]
    """Names of classes, in the order of the 19."""
    colour_of: str
    """The class whose colour it has."""

    @property
    def rgb(self) -> Rgb:
        """The colour."""
        return BY_NAME[self.colour_of].rgb


COVERS: Final[tuple[Cover, ...]] = (
    Cover(
        "Built-up", "Built-up", ("Urban fabric", "Industrial or commercial units"), "Urban fabric"
    ),
    Cover("Cropland", "Cropland", ("Arable land", "Permanent crops"), "Arable land"),
    Cover("Pastures", "Pastures", ("Pastures",), "Pastures"),
    Cover(
        "Mixed farmland",
        "Mixed farmland",
        (
            "Complex cultivation patterns",
            (
                "Land principally occupied by agriculture, "
                "with significant areas of natural vegetation"
            ),
            "Agro-forestry areas",
        ),
        "Agro-forestry areas",
    ),
    Cover(
        "Forest",
        "Forest",
        ("Broad-leaved forest", "Coniferous forest", "Mixed forest"),
        "Coniferous forest",
    ),
    Cover(
        "Shrub and grassland",
        "Shrub, grass",
        (
            "Natural grassland and sparsely vegetated areas",
            "Moors, heathland and sclerophyllous vegetation",
            "Transitional woodland, shrub",
            "Beaches, dunes, sands",
        ),
        "Transitional woodland, shrub",
    ),
    Cover("Wetlands", "Wetlands", ("Inland wetlands", "Coastal wetlands"), "Inland wetlands"),
    Cover("Water", "Water", ("Inland waters", "Marine waters"), "Inland waters"),
)
"""All covers; each class is in one of them."""
COVER_NAMES: Final[tuple[str, ...]] = tuple(cover.name for cover in COVERS)
_NUMBER: Final = {name: k for k, cover in enumerate(COVERS) for name in cover.classes}


def cover_of() -> tuple[int, ...]:
    """The number of each class's cover, in the order of the 19 classes."""
    return tuple(_NUMBER[name] for name in CLASS_NAMES)
