"""Class sets: names, themes and colours of BigEarthNet's 19 classes and EuroSAT's ten.

The 19 classes merge 43 CORINE classes. The mapping from 43 to 19 is that of Sumbul et al.,
"BigEarthNet-MM" (2021), table 1. It drops eleven CORINE level-3 classes that cannot be
distinguished in a single Sentinel-2 image.

Colours are the official ones of CORINE Land Cover (Copernicus Land Monitoring Service).
A class that merges several CORINE classes has the colour of the one with the most patches
in BigEarthNet (``colour_of``). Some greens and yellows are hard to distinguish, so pages
always show the name with the colour.

EuroSAT's ten classes (Helber et al. 2019) are simpler, and a picture has exactly one of
them. Each has the colour of the most similar CORINE class; that choice is ours.

Models and data sets can also have classes of one's own (:mod:`landcover.core.own_classes`).
:func:`cover_of` knows the classes of all sets and these.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from landcover.core import own_classes
from landcover.core.errors import UnknownName

__all__ = [
    "BY_NAME",
    "CLASS_NAMES",
    "CLASS_SETS",
    "CORINE_NAMES",
    "CORINE_TO_CLASS",
    "EUROSAT_CLASSES",
    "EUROSAT_LAND_COVERS",
    "EVERYDAY_WORDS",
    "LAND_COVERS",
    "OWN_THEME",
    "THEMES",
    "LandCover",
    "Rgb",
    "cover_of",
    "from_corine",
    "resolve",
]

Rgb = tuple[int, int, int]


@dataclass(frozen=True)
class LandCover:
    """One class of a class set."""

    name: str
    short: str
    theme: str
    corine: tuple[str, ...]
    """Codes of the CORINE level-3 classes that it merges."""
    colour_of: str
    """Code of the CORINE class whose official colour it has."""
    rgb: Rgb
    description: str = ""
    """What belongs to a class of one's own, as its data set says."""

    @property
    def hex(self) -> str:
        """The colour as ``#rrggbb``."""
        return "#{:02x}{:02x}{:02x}".format(*self.rgb)


_ARTIFICIAL = "Artificial surfaces"
_FARMED = "Agricultural areas"
_FOREST = "Forest and seminatural areas"
_WETLAND = "Wetlands"
_WATER = "Water bodies"

THEMES: Final[tuple[str, ...]] = (_ARTIFICIAL, _FARMED, _FOREST, _WETLAND, _WATER)
"""CORINE level-1 themes, in CORINE's order."""
OWN_THEME: Final = "Classes of your own"
"""Theme of classes that are in none of the sets."""

LAND_COVERS: Final[tuple[LandCover, ...]] = (
    LandCover("Urban fabric", "Urban", _ARTIFICIAL, ("111", "112"), "112", (255, 0, 0)),
    LandCover(
        "Industrial or commercial units", "Industrial", _ARTIFICIAL, ("121",), "121", (204, 77, 242)
    ),
    LandCover("Arable land", "Arable", _FARMED, ("211", "212", "213"), "211", (255, 255, 168)),
    LandCover(
        "Permanent crops",
        "Permanent crops",
        _FARMED,
        ("221", "222", "223", "241"),
        "223",
        (230, 166, 0),
    ),
    LandCover("Pastures", "Pastures", _FARMED, ("231",), "231", (230, 230, 77)),
    LandCover(
        "Complex cultivation patterns",
        "Complex cultivation",
        _FARMED,
        ("242",),
        "242",
        (255, 230, 77),
    ),
    LandCover(
        "Land principally occupied by agriculture, with significant areas of natural vegetation",
        "Agriculture with nature",
        _FARMED,
        ("243",),
        "243",
        (230, 204, 77),
    ),
    LandCover("Agro-forestry areas", "Agro-forestry", _FARMED, ("244",), "244", (242, 204, 166)),
    LandCover("Broad-leaved forest", "Broad-leaved", _FOREST, ("311",), "311", (128, 255, 0)),
    LandCover("Coniferous forest", "Coniferous", _FOREST, ("312",), "312", (0, 166, 0)),
    LandCover("Mixed forest", "Mixed forest", _FOREST, ("313",), "313", (77, 255, 0)),
    LandCover(
        "Natural grassland and sparsely vegetated areas",
        "Natural grassland",
        _FOREST,
        ("321", "333"),
        "321",
        (204, 242, 77),
    ),
    LandCover(
        "Moors, heathland and sclerophyllous vegetation",
        "Moors and heath",
        _FOREST,
        ("322", "323"),
        "323",
        (166, 230, 77),
    ),
    LandCover(
        "Transitional woodland, shrub",
        "Transitional woodland",
        _FOREST,
        ("324",),
        "324",
        (166, 242, 0),
    ),
    LandCover("Beaches, dunes, sands", "Beaches", _FOREST, ("331",), "331", (230, 230, 230)),
    LandCover("Inland wetlands", "Inland wetlands", _WETLAND, ("411", "412"), "412", (77, 77, 255)),
    LandCover(
        "Coastal wetlands", "Coastal wetlands", _WETLAND, ("421", "422"), "421", (204, 204, 255)
    ),
    LandCover("Inland waters", "Inland waters", _WATER, ("511", "512"), "512", (128, 242, 230)),
    LandCover(
        "Marine waters", "Marine waters", _WATER, ("521", "522", "523"), "523", (230, 242, 255)
    ),
)

CLASS_NAMES: Final[tuple[str, ...]] = tuple(cover.name for cover in LAND_COVERS)
"""The 19 names, in the order of the class axis of all arrays."""

EUROSAT_LAND_COVERS: Final[tuple[LandCover, ...]] = (
    LandCover("AnnualCrop", "Annual crop", _FARMED, ("211",), "211", (255, 255, 168)),
    LandCover("Forest", "Forest", _FOREST, ("311", "312", "313"), "312", (0, 166, 0)),
    LandCover(
        "HerbaceousVegetation",
        "Herbaceous vegetation",
        _FOREST,
        ("321",),
        "321",
        (204, 242, 77),
    ),
    LandCover("Highway", "Highway", _ARTIFICIAL, ("122",), "122", (204, 0, 0)),
    LandCover("Industrial", "Industrial", _ARTIFICIAL, ("121",), "121", (204, 77, 242)),
    LandCover("Pasture", "Pasture", _FARMED, ("231",), "231", (230, 230, 77)),
    LandCover("PermanentCrop", "Permanent crop", _FARMED, ("221", "222"), "222", (242, 166, 77)),
    LandCover("Residential", "Residential", _ARTIFICIAL, ("111", "112"), "112", (255, 0, 0)),
    LandCover("River", "River", _WATER, ("511",), "511", (0, 204, 242)),
    LandCover("SeaLake", "Sea or lake", _WATER, ("512", "523"), "512", (128, 242, 230)),
)
"""EuroSAT's classes with the data set's own names; CORINE codes name similar classes only."""

EUROSAT_CLASSES: Final[tuple[str, ...]] = tuple(cover.name for cover in EUROSAT_LAND_COVERS)
"""EuroSAT's ten names, in the order of its folders."""

CLASS_SETS: Final[dict[str, tuple[str, ...]]] = {
    "bigearthnet-19": CLASS_NAMES,
    "eurosat-10": EUROSAT_CLASSES,
}
"""Name of a class set in a model card → names of its classes, in order."""

BY_NAME: Final[dict[str, LandCover]] = {
    cover.name: cover for cover in (*LAND_COVERS, *EUROSAT_LAND_COVERS)
}
"""Name → class, for the classes of all sets; no name is in two sets. Use :func:`cover_of` for a
class of any model or data set."""

CORINE_NAMES: Final[dict[str, str]] = {
    "111": "Continuous urban fabric",
    "112": "Discontinuous urban fabric",
    "121": "Industrial or commercial units",
    "122": "Road and rail networks and associated land",
    "123": "Port areas",
    "124": "Airports",
    "131": "Mineral extraction sites",
    "132": "Dump sites",
    "133": "Construction sites",
    "141": "Green urban areas",
    "142": "Sport and leisure facilities",
    "211": "Non-irrigated arable land",
    "212": "Permanently irrigated land",
    "213": "Rice fields",
    "221": "Vineyards",
    "222": "Fruit trees and berry plantations",
    "223": "Olive groves",
    "231": "Pastures",
    "241": "Annual crops associated with permanent crops",
    "242": "Complex cultivation patterns",
    "243": (
        "Land principally occupied by agriculture, with significant areas of natural vegetation"
    ),
    "244": "Agro-forestry areas",
    "311": "Broad-leaved forest",
    "312": "Coniferous forest",
    "313": "Mixed forest",
    "321": "Natural grassland",
    "322": "Moors and heathland",
    "323": "Sclerophyllous vegetation",
    "324": "Transitional woodland/shrub",
    "331": "Beaches, dunes, sands",
    "332": "Bare rock",
    "333": "Sparsely vegetated areas",
    "334": "Burnt areas",
    "411": "Inland marshes",
    "412": "Peatbogs",
    "421": "Salt marshes",
    "422": "Salines",
    "423": "Intertidal flats",
    "511": "Water courses",
    "512": "Water bodies",
    "521": "Coastal lagoons",
    "522": "Estuaries",
    "523": "Sea and ocean",
}
"""Code → name of the 43 CORINE level-3 classes in BigEarthNet, spelt as in its labels."""

_CODE_TO_CLASS: Final[dict[str, str]] = {
    code: cover.name for cover in LAND_COVERS for code in cover.corine
}
CORINE_TO_CLASS: Final[dict[str, str | None]] = {
    name: _CODE_TO_CLASS.get(code) for code, name in CORINE_NAMES.items()
}
"""Name of a CORINE level-3 class → its class among the 19, or None if it is dropped."""


EVERYDAY_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "lake": ("Inland waters", "SeaLake"),
    "pond": ("Inland waters", "SeaLake"),
    "reservoir": ("Inland waters", "SeaLake"),
    "river": ("Inland waters", "River"),
    "sea": ("Marine waters", "SeaLake"),
    "ocean": ("Marine waters", "SeaLake"),
    "water": ("Inland waters", "SeaLake"),
    "city": ("Urban fabric", "Residential"),
    "town": ("Urban fabric", "Residential"),
    "village": ("Urban fabric", "Residential"),
    "house": ("Urban fabric", "Residential"),
    "built": ("Urban fabric", "Residential"),
    "factory": ("Industrial or commercial units", "Industrial"),
    "road": ("Industrial or commercial units", "Highway"),
    "crop": ("Arable land", "AnnualCrop"),
    "field": ("Arable land", "AnnualCrop"),
    "farm": ("Arable land", "AnnualCrop"),
    "vineyard": ("Permanent crops", "PermanentCrop"),
    "orchard": ("Permanent crops", "PermanentCrop"),
    "olive": ("Permanent crops", "PermanentCrop"),
    "meadow": ("Pastures", "Pasture"),
    "grass": ("Pastures", "HerbaceousVegetation"),
    "spruce": ("Coniferous forest", "Forest"),
    "pine": ("Coniferous forest", "Forest"),
    "beech": ("Broad-leaved forest", "Forest"),
    "oak": ("Broad-leaved forest", "Forest"),
    "wood": ("Mixed forest", "Forest"),
    "forest": ("Mixed forest", "Forest"),
    "shrub": ("Transitional woodland, shrub", "HerbaceousVegetation"),
    "bog": ("Inland wetlands",),
    "marsh": ("Inland wetlands",),
    "swamp": ("Inland wetlands",),
    "wetland": ("Inland wetlands",),
    "sand": ("Beaches, dunes, sands",),
}
"""Everyday word → the class of each class set that it probably means, to suggest it. The choice is
ours: a word such as "forest" stands for several classes."""


def from_corine(labels: Iterable[str]) -> frozenset[str]:
    """Convert CORINE level-3 names (the labels of BigEarthNet v1) to the 19 classes.

    The result is empty if all labels are among the eleven dropped classes.

    Raises:
        UnknownName: a label is not one of the 43 CORINE names.
    """
    found: set[str] = set()
    for label in labels:
        if label not in CORINE_TO_CLASS:
            raise UnknownName("CORINE class", label, CORINE_TO_CLASS)
        target = CORINE_TO_CLASS[label]
        if target is not None:
            found.add(target)
    return frozenset(found)


def cover_of(name: str) -> LandCover:
    """Return a class by its full name: one of a class set, or of one's own.

    A class of one's own has the look that its model or data set declared
    (:func:`landcover.core.own_classes.declare`). Any other name gets a colour of its own, so that
    every class of every model can be shown.
    """
    if name in BY_NAME:
        return BY_NAME[name]
    look = own_classes.look_of(name) or own_classes.made_up(name)
    red, green, blue = bytes.fromhex(look.colour[1:])
    return LandCover(
        name=name,
        short=look.short,
        theme=OWN_THEME,
        corine=(),
        colour_of="",
        rgb=(red, green, blue),
        description=look.description,
    )


def resolve(name: str, classes: Sequence[str] = CLASS_NAMES) -> LandCover:
    """Find a class by its full or short name, ignoring case.

    Args:
        name: as the user wrote it.
        classes: full names of the classes to choose from.

    Raises:
        UnknownName: no class has that name; the message suggests the class that an everyday word
            such as "lake" means, or the most similar name.
    """
    wanted = name.strip().lower()
    for cover in map(cover_of, classes):
        if wanted in (cover.name.lower(), cover.short.lower()):
            return cover
    words = [key for key in EVERYDAY_WORDS if key in wanted]
    meant = [each for key in words for each in EVERYDAY_WORDS[key] if each in classes]
    raise UnknownName("class", name, classes, meant[0] if meant else None)
