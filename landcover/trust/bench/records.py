"""What ``landcover trust measure`` counted of one model's verdicts, as it is kept in a file.

``trust/verdict.json`` beside a card may come from anybody, so it is checked as it is read:
whoever holds a :class:`TrustMeasurement` can draw it. Nothing here needs a net;
:mod:`landcover.trust.bench.measure` does the counting.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal, Self, get_args

from pydantic import model_validator

from landcover.core.schema import Interval, Schema, requires_keys
from landcover.metrics.intervals import wilson
from landcover.trust import files
from landcover.trust.verdict import DECISION_LABELS, Decision

__all__ = [
    "CAUGHT",
    "FALSE_ALARMS",
    "FILE",
    "MIXTURES",
    "ORDERS",
    "OTHER_CHECKS",
    "PIXEL_CHECKS",
    "CaughtRate",
    "CellRates",
    "DecisionLoss",
    "Decisions",
    "GoodPatches",
    "Kind",
    "Mixture",
    "Order",
    "Origin",
    "Rate",
    "RiskCurve",
    "SelectiveRisk",
    "TrustGroup",
    "TrustMeasurement",
    "load",
    "save",
    "title_of",
]

FILE: Final = "verdict"
Kind = Literal["bad", "elsewhere", "good"]
"""Of a group of patches: to be caught; sound, but of a land that the model does not know; sound."""

FALSE_ALARMS: Final = 0.05
"""Aim: at most this share of good patches is doubted for its pixels."""
CAUGHT: Final = 0.95
"""Aim: at least this share of bad patches is doubted for its pixels."""

PIXEL_CHECKS: Final = {
    "unlike": "unlike anything learnt from",
    "haze": "haze or cloud",
    "cloud": "cloud or shadow in the scene's own mask",
    "bright": "as bright as cloud or snow",
    "snow": "snow",
    "shade": "plants in the shadow of cloud or mountain",
    "vapour": "water vapour taken away wrongly",
    "level": "Level-1C rather than Level-2A",
    "offset": "an offset left in",
    "negative": "an offset taken away twice",
    "scale": "a wrong scale",
    "saturated": "saturated pixels",
    "nodata": "pixels without data",
    "constant": "one value everywhere",
    "missing-bands": "bands that are missing or empty",
    "same-bands": "bands that hold the same pixels",
    "order": "bands in another order",
    "noise": "noise",
}
"""Each check of the pixels (``quality.Finding``) → what it finds, in words."""
OTHER_CHECKS: Final = {
    "place": "outside the ten countries",
    "season": "out of season",
    "undecided": "every cover that is named stands at its threshold",
}
"""Checks of place and answer, which are no alarms, likewise."""


Mixture = Literal["good", "mixed"]
"""Good patches alone, or among those made bad."""
Origin = Literal["all", "real", "made"]
"""Bad patches: all, those that a satellite saw so, and those made from good ones."""
Order = Literal["confidence", "novelty", "verdict"]
"""What patches are sorted by."""
ORDERS: Final[dict[Order, str]] = {
    "confidence": "confidence alone",
    "novelty": "novelty alone",
    "verdict": "the verdict",
}
MIXTURES: Final[dict[Mixture, str]] = {
    "good": "good patches",
    "mixed": "good patches among spoilt ones",
}

Decisions = Annotated[dict[Decision, int], requires_keys(*DECISION_LABELS)]
"""How many patches end in each decision."""


class Rate(Schema):
    """A share of patches.

    ``hits`` of ``n`` patches; ``share`` is their quotient, None where nothing was counted, and
    ``interval`` holds it with 95 % (Wilson 1927), as if patches were independent.
    """

    n: int
    hits: int
    share: float | None
    interval: Interval

    @classmethod
    def of(cls, hits: int, count: int) -> Rate:
        """The rate of a count, rounded to six digits."""
        low, high = wilson(hits, count)
        return cls(
            n=count,
            hits=hits,
            share=round(hits / count, 6) if count else None,
            interval=(round(low, 6), round(high, 6)),
        )


class CaughtRate(Rate):
    """A rate over several groups, and the mean of the groups' shares."""

    groups: int
    mean_of_groups: float | None


class TrustGroup(Schema):
    """Patches that are alike in what is wrong with them, or that nothing is wrong with.

    ``real`` patches are as a satellite saw them, others are made from good ones. ``pixels``
    are doubted for their pixels, ``warned`` for anything; ``checks`` counts how many each check
    speaks of. ``only``: the checks that were run, where not all were.
    """

    name: str
    title: str
    kind: Kind
    real: bool
    made_of: str
    only: tuple[str, ...] = ()
    pixels: Rate
    warned: Rate
    decisions: Decisions
    checks: dict[str, int]


class RiskCurve(Schema):
    """Risk against coverage in one order of the patches.

    ``coverage`` is the share that is answered, the most believed first, rising to 1; ``risk``
    the mean loss of those, 0 to 1. ``area`` lies below the curve (lower is better),
    ``area_interval`` holds it with 95 % (bootstrap over patches) and ``chance`` holds 95 % of
    the areas that random orders give.
    """

    area: float
    area_interval: Interval
    chance: Interval
    coverage: tuple[float, ...]
    risk: tuple[float, ...]

    @model_validator(mode="after")
    def _of_one_length(self) -> Self:
        if not self.coverage or len(self.coverage) != len(self.risk):
            raise ValueError("a curve needs as many risks as coverages")
        return self

    @property
    def beats_chance(self) -> bool:
        """Whether fewer errors remain than where patches are left out at random."""
        return self.area < self.chance[0]

    def at(self, coverage: float) -> float:
        """The risk where that share is answered, or the next greater one that was kept."""
        return next(
            (risk for own, risk in zip(self.coverage, self.risk, strict=True) if own >= coverage),
            self.risk[-1],
        )


class DecisionLoss(Schema):
    """Patches of a decision and their mean loss, None where there are none."""

    n: int
    loss: float | None


class SelectiveRisk(Schema):
    """How many errors remain among some patches where the least believed are left out.

    ``everything`` is the mean ``loss`` where all are answered; there is a curve for each of
    :data:`ORDERS`.
    """

    n: int
    loss: str
    confidence: RiskCurve
    everything: float
    novelty: RiskCurve
    verdict: RiskCurve
    decisions: Annotated[dict[Decision, DecisionLoss], requires_keys(*DECISION_LABELS)]

    @property
    def orders(self) -> dict[Order, RiskCurve]:
        """The curves by what patches are sorted by."""
        return {
            "confidence": self.confidence,
            "novelty": self.novelty,
            "verdict": self.verdict,
        }


class GoodPatches(Schema):
    """How often patches that nothing is wrong with are doubted.

    ``n`` patches of ``places`` Sentinel-2 products: ``alarms`` are doubted for their pixels,
    ``cannot_tell`` get no answer. ``checks`` has the false alarms of each check of the pixels
    that spoke, ``not_alarms`` the same of the checks of place and answer.
    """

    n: int
    places: int
    alarms: Rate
    cannot_tell: Rate
    checks: dict[str, Rate]
    not_alarms: dict[str, Rate]
    decisions: Decisions

    @property
    def every_check(self) -> dict[str, Rate]:
        """``checks`` with those that never spoke, the most frequent first."""
        silent = Rate.of(0, self.n)
        found = {**self.checks, **{n: silent for n in PIXEL_CHECKS if n not in self.checks}}
        return dict(sorted(found.items(), key=lambda item: -item[1].hits))


class CellRates(Schema):
    """How a check finds single cells of 60 m of clouds or shadows."""

    recall: Rate
    precision: Rate


class TrustMeasurement(Schema):
    """What was counted of one model's verdicts: the values of ``trust/verdict.json``.

    ``good`` are the good patches of ``split``, ``good_test`` those of the test split, on which
    no bound was chosen, where it was read. ``groups`` are all other patches, and ``bad`` sums up
    the bad ones among them.
    """

    version: Literal[1] = 1
    dataset: str
    split: str
    learnt_from: tuple[str, ...]
    """Splits that the model was trained on."""
    detector: str
    detectors: dict[str, dict[str, float]]
    bounds: dict[str, float]
    good: GoodPatches
    good_test: GoodPatches | None = None
    groups: tuple[TrustGroup, ...]
    sky_cells: dict[str, CellRates] | None = None
    bad: Annotated[dict[Origin, CaughtRate], requires_keys(*get_args(Origin))]
    selective: Annotated[dict[Mixture, SelectiveRisk], requires_keys(*get_args(Mixture))]
    note: str

    @property
    def learnt(self) -> bool:
        """Whether the model was trained on the split that the good patches are from."""
        return self.split in self.learnt_from


def title_of(check: str) -> str:
    """What a check finds, in words; its name where it has none here."""
    return PIXEL_CHECKS.get(check) or OTHER_CHECKS.get(check) or check


def save(found: TrustMeasurement, folder: Path, card_hash: str) -> Path:
    """Keep a measurement as ``trust/verdict.json`` of a model folder."""
    return files.write_json(folder, FILE, card_hash, found.as_dict())


def load(folder: Path, card_hash: str) -> TrustMeasurement | None:
    """The measurement in a model folder; None where there is none.

    Raises:
        CorruptModel: the file is damaged, incomplete, or of another card.
    """
    return files.read_record(folder, FILE, card_hash, TrustMeasurement, "landcover trust measure")
