"""A result in words: one headline, one word for each class, and what to do next.

The command line, the report and the pages all use these, so that they never contradict each
other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from landcover.core.classes import EUROSAT_CLASSES
from landcover.core.text import listed
from landcover.models.card import EXCLUSIVE_THRESHOLD
from landcover.trust.verdict import Verdict

if TYPE_CHECKING:  # at run time it would load torch before the map is drawn
    from landcover.models.model import LabelScore, Prediction

__all__ = ["NEXT_STEPS", "OUTCOMES", "PHRASES", "Outcome", "headline", "next_step", "outcome"]

Outcome = Literal["certain", "found", "possible", "not found"]
OUTCOMES: Final[dict[Outcome, str]] = {
    "certain": "found, and in the range where nine in ten were right in left-out places",
    "found": "the probability reaches the threshold",
    "possible": "not found, but it cannot be ruled out",
    "not found": "the probability is below the threshold",
}
"""The one word that a class gets → its meaning."""

PHRASES: Final[dict[str, str]] = {
    "Urban fabric": "built-up land",
    "Industrial or commercial units": "industrial or commercial sites",
    "Arable land": "arable land",
    "Permanent crops": "permanent crops",
    "Pastures": "pastures",
    "Complex cultivation patterns": "complex cultivation patterns",
    "Land principally occupied by agriculture, with significant areas of natural vegetation": (
        "farmland mixed with natural vegetation"
    ),
    "Agro-forestry areas": "agro-forestry",
    "Broad-leaved forest": "broad-leaved forest",
    "Coniferous forest": "coniferous forest",
    "Mixed forest": "mixed forest",
    "Natural grassland and sparsely vegetated areas": "natural grassland or sparse vegetation",
    "Moors, heathland and sclerophyllous vegetation": "moors or heathland",
    "Transitional woodland, shrub": "transitional woodland",
    "Beaches, dunes, sands": "beaches or dunes",
    "Inland wetlands": "inland wetlands",
    "Coastal wetlands": "coastal wetlands",
    "Inland waters": "a lake or river",
    "Marine waters": "the sea",
    "AnnualCrop": "annual crops",
    "Forest": "forest",
    "HerbaceousVegetation": "herbaceous vegetation",
    "Highway": "a highway",
    "Industrial": "industrial buildings",
    "Pasture": "pasture",
    "PermanentCrop": "permanent crops",
    "Residential": "residential buildings",
    "River": "a river",
    "SeaLake": "a lake or the sea",
}
"""Class → its name within a sentence."""

NEXT_STEPS: Final[dict[str, str]] = {
    "cloud": "Choose another date.",
    "nodata": "Choose another window or date.",
    "bright": "Choose another date.",
    "padded": "Give a file that covers 1200 × 1200 m around the place.",
    "detail": "Export the bands of 10 m without resampling them.",
    "shade": "Choose another date, around midday and midsummer if there is one.",
    "vapour": "Choose another date.",
    "unlike": "Choose another date, or compare with another model.",
    "offset": "Read the original Level-2A product, or remove the offset from the file.",
    "negative": "Read the original Level-2A product, or add the offset again.",
    "saturated": "Choose another date, or declare the file's fill value.",
    "place": "Compare with another model and with a map of the place.",
    "season": "Choose a date between spring and autumn.",
    "undecided": "Choose another date or window, or compare with another model.",
    "unstable": "Move the window, and keep what all positions agree on.",
    "estimated-bands": "Give all twelve bands of Level-2A, if the product has them.",
    "quality": "Choose another picture, or a Sentinel-2 patch with all twelve bands.",
}
"""Check → what to do about its finding, for those whose sentence does not say it."""

_WATER: Final = frozenset({"Inland waters", "Marine waters"})
_NAMED: Final = 4
"""Most classes that the headline names; of more, one fewer is named and the rest are counted."""


def headline(prediction: Prediction, verdict: Verdict) -> str:
    """State which land covers are there and whether to rely on it.

    The classes of a patch do not exclude each other, and a probability is not a share of the
    area, so the headline names them without saying which covers most. A picture has exactly one
    class, which covers most of it.

    Returns:
        For example "Coniferous forest with a lake or river. Looks reliable." If the verdict is
        "cannot tell", no land cover is named.
    """
    if verdict.decision == "cannot tell":
        return f"{verdict.label} which land cover is here."
    covers = _covers(prediction)
    return f"{covers[:1].upper()}{covers[1:]}. {verdict.label}."


def outcome(score: LabelScore) -> Outcome:
    """Return the one word for a class: its decision and its certainty together."""
    if score.predicted:
        return "certain" if score.certainty == "certain" else "found"
    # Classes that are too rare for their own bounds cannot be ruled out at any probability.
    if score.certainty in (None, "absent") or f"{score.probability:.0%}" == "0%":
        return "not found"
    return "possible"


def next_step(verdict: Verdict) -> str:
    """Say what to do about the most severe finding; empty if its sentence already says it."""
    if not verdict.findings:
        return ""
    check = verdict.findings[0].check
    # A picture has no other date, and the sentence says what to give instead.
    return "" if check == "unlike" and "picture" in verdict.distances else NEXT_STEPS.get(check, "")


def _covers(prediction: Prediction) -> str:
    """Name the predicted classes, water last."""
    named = [score.label for score in prediction.predicted]
    if not named:
        return "no land cover is found"
    if all(score.label in EUROSAT_CLASSES for score in prediction.labels):
        sure = prediction.predicted[0].probability >= EXCLUSIVE_THRESHOLD
        return f"{'mostly' if sure else 'perhaps'} {PHRASES[named[0]]}"
    shown = named if len(named) <= _NAMED else named[: _NAMED - 1]
    land = [PHRASES.get(label, label) for label in shown if label not in _WATER]
    water = [PHRASES[label] for label in shown if label in _WATER]
    rest = len(named) - len(shown)
    if rest:
        land.append(f"{rest} other land covers")
    if not land or not water:
        return listed([*land, *water])
    return f"{listed(land)} with {listed(water)}"
