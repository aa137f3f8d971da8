"""What a model's decisions are worth in countries that were left out: ``trust/by-place.json``.

:mod:`landcover.train.place_decisions` measures it. Four ways to decide are compared, each on the
same scores of nets that had not seen the country:

- ``raw``: the net's own probabilities, and one half as the threshold;
- ``near``: what the model's card had chosen near the training places, on patches of which
  the country had some, too;
- ``plain``: label sets of split conformal prediction, chosen on the other countries;
- ``by place``: everything chosen on the other countries, so that it holds in each of them
  when left out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from landcover.core.schema import Schema
from landcover.evaluate.decision_scores import DecisionScores
from landcover.evaluate.report import LabelSetCoverage
from landcover.trust import files

__all__ = [
    "FILE",
    "WAYS",
    "PlaceDecisions",
    "PlaceScores",
    "Way",
    "load",
    "save",
]

FILE: Final = "by-place"
COMMAND: Final = "landcover trust by-place --save"

Way = Literal["raw", "near", "plain", "by place"]
WAYS: Final[dict[Way, str]] = {
    "raw": "uncalibrated, thresholds of one half",
    "near": "chosen near the training places",
    "plain": "chosen in other countries, without regard to places",
    "by place": "chosen in other countries, by place",
}
"""Way → its meaning."""


class PlaceScores(Schema):
    """The scores of the patches of a country, or of all, by way."""

    n: int
    products: int
    ways: dict[Way, DecisionScores]


class PlaceDecisions(Schema):
    """What ``landcover trust by-place --json`` prints.

    Attributes:
        model: name of the recipe, and ``settings`` its settings.
        unit: what was left out at a time.
        overall, per_country: calibration and F1.
        label_sets: coverage of the label sets in left-out countries.
        strictness: side of the label sets → share of the allowed error rate that was aimed at.
        unsaid: class → why it is never called certain.
        said: the classes that can be called certain.
    """

    version: Literal[1] = 1
    model: str
    settings: str
    dataset: str
    unit: Literal["country"] = "country"
    n: int
    products: int
    places: tuple[str, ...]
    wanted_coverage: float
    macro_classes: tuple[str, ...]
    overall: PlaceScores
    per_country: dict[str, PlaceScores]
    label_sets: dict[Way, LabelSetCoverage]
    strictness: dict[str, float]
    said: tuple[str, ...]
    unsaid: dict[str, str]
    command: str = ""
    date: str = ""
    landcover: str = ""
    """Version of the library."""


def save(found: PlaceDecisions, folder: Path, card_hash: str) -> Path:
    """Write ``trust/by-place.json`` into a model folder."""
    return files.write_json(folder, FILE, card_hash, found.as_dict())


def load(folder: Path, card_hash: str) -> PlaceDecisions | None:
    """Read ``trust/by-place.json`` of a model folder; None if there is no such file.

    Raises:
        CorruptModel: the file is damaged, or of another card.
    """
    return files.read_record(folder, FILE, card_hash, PlaceDecisions, COMMAND)
