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
from landcover.evaluate.decision_scores import DecisionScores, Estimate
from landcover.evaluate.report import LabelSetCoverage, Share
from landcover.trust import files

__all__ = [
    "FILE",
    "WAYS",
    "NoveltyByPlace",
    "NoveltyRates",
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


class NoveltyRates(Schema):
    """How many good patches are called unlike the training data.

    ``unlike``: those that get a warning or no labels; ``cannot_tell``: those beyond twice the
    bound, which get no labels; ``cannot_tell_by_place``: those beyond the multiple that was
    measured in the other countries, which get none if the fit knows it.
    """

    n: int
    unlike: Share
    cannot_tell: Share
    cannot_tell_by_place: Share


class NoveltyByPlace(Schema):
    """How unlike the training data left-out countries are, and whether errors are more frequent.

    Attributes:
        distances: those that were measured.
        overall, per_country: false alarms.
        wrong_unlike, wrong_others: share of classes decided wrongly in the patches that are
            called unlike, and in the others; ``difference`` is the first minus the second.
        severe: distance → multiple of its bound beyond which labels are withheld.
    """

    distances: tuple[str, ...]
    overall: NoveltyRates
    per_country: dict[str, NoveltyRates]
    wrong_unlike: float | None
    wrong_others: float | None
    difference: Estimate
    severe: dict[str, float]


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
        novelty: how unlike the training data the countries are; None if it was not measured.
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
    novelty: NoveltyByPlace | None = None
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
