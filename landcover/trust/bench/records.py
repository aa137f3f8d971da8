"""The measured error rates of one model's verdicts, as stored in ``trust/verdict.json``.

The file may come from an untrusted model folder, so it is validated when read: every
:class:`TrustMeasurement` can be plotted. Nothing here needs a net;
:mod:`landcover.trust.bench.measure` does the measurement.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal, Self, get_args

from pydantic import model_validator

from landcover.core.schema import Interval, Schema, requires_keys
from landcover.metrics.intervals import wilson
from landcover.trust import files
from landcover.trust.verdict import CHECKED_DECISIONS, Decision

__all__ = [
    "FILE",
    "MIXTURES",
    "ORDERS",
    "OTHER_CHECKS",
    "PIXEL_CHECKS",
    "TARGET_CAUGHT",
    "TARGET_FALSE_ALARMS",
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
"""Kind of a group of patches: to be detected; good, but of a place unlike the training data; or
good."""

TARGET_FALSE_ALARMS: Final = 0.05
"""Target: at most this share of good patches is flagged for its pixels."""
TARGET_CAUGHT: Final = 0.95
"""Target: at least this share of bad patches is flagged for its pixels."""

PIXEL_CHECKS: Final = {
    "unlike": "unlike the training data",
    "haze": "haze or cloud",
    "cloud": "cloud or shadow in the scene's own mask",
    "bright": "as bright as cloud or snow",
    "snow": "snow",
    "shade": "vegetation in the shadow of cloud or mountain",
    "vapour": "wrong correction of water vapour",
    "level": "Level-1C rather than Level-2A",
    "offset": "an offset not removed",
    "negative": "an offset removed twice",
    "scale": "a wrong scale",
    "saturated": "saturated pixels",
    "nodata": "pixels without data",
    "constant": "one value everywhere",
    "missing-bands": "bands that are missing or empty",
    "same-bands": "bands with the same pixels",
    "order": "bands in another order",
    "noise": "noise",
}
"""Check of the pixels → what it detects, in words."""
OTHER_CHECKS: Final = {
    "place": "outside the ten countries",
    "season": "out of season",
    "undecided": "every predicted land cover is close to its threshold",
}
"""Check of place or answer, which does not count as an alarm → what it detects, in words."""


Mixture = Literal["good", "mixed"]
"""Only good patches, or good patches mixed with corrupted ones."""
Origin = Literal["all", "real", "made"]
"""Bad patches: all, real ones as acquired by a satellite, or made from good ones."""
Order = Literal["confidence", "novelty", "verdict"]
"""Score by which patches are sorted."""
ORDERS: Final[dict[Order, str]] = {
    "confidence": "confidence alone",
    "novelty": "novelty alone",
    "verdict": "the verdict",
}
MIXTURES: Final[dict[Mixture, str]] = {
    "good": "good patches",
    "mixed": "good patches mixed with corrupted ones",
}

Decisions = Annotated[dict[Decision, int], requires_keys(*CHECKED_DECISIONS)]
"""Number of patches with each decision."""


class Rate(Schema):
    """A share of patches.

    ``hits`` of ``n`` patches; ``share`` is their quotient, None if ``n`` is 0, and
    ``interval`` its 95 % interval (Wilson 1927), as if patches were independent.
    """

    n: int
    hits: int
    share: float | None
    interval: Interval

    @classmethod
    def of(cls, hits: int, count: int) -> Rate:
        """Build the rate of a count, rounded to six digits."""
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
    """A group of patches with the same problem, or of good patches.

    ``real`` patches are as acquired by a satellite, others are made from good ones. ``pixels`` is
    the rate of patches flagged for their pixels, ``warned`` of patches with any finding;
    ``checks`` counts the findings of each check. ``only`` lists the checks that were run, if not
    all were.
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
    """Risk-coverage curve for one order of the patches.

    ``coverage`` is the share of patches that are kept, the most reliable first, rising to 1;
    ``risk`` is their mean loss, 0 to 1. ``area`` is the area under the curve (lower is better),
    ``area_interval`` its 95 % interval (bootstrap over patches), and ``chance`` contains 95 % of
    the areas of random orders.
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
        """Whether fewer errors remain than if patches are left out at random."""
        return self.area < self.chance[0]

    def at(self, coverage: float) -> float:
        """Return the risk at that coverage, or at the next higher one of the curve."""
        return next(
            (risk for own, risk in zip(self.coverage, self.risk, strict=True) if own >= coverage),
            self.risk[-1],
        )


class DecisionLoss(Schema):
    """Number of patches with a decision and their mean loss, None if there are none."""

    n: int
    loss: float | None


class SelectiveRisk(Schema):
    """Errors that remain if the least reliable patches are left out.

    ``everything`` is the mean ``loss`` of all patches; there is a curve for each of
    :data:`ORDERS`.
    """

    n: int
    loss: str
    confidence: RiskCurve
    everything: float
    novelty: RiskCurve
    verdict: RiskCurve
    decisions: Annotated[dict[Decision, DecisionLoss], requires_keys(*CHECKED_DECISIONS)]

    @property
    def orders(self) -> dict[Order, RiskCurve]:
        """The curve for each order."""
        return {
            "confidence": self.confidence,
            "novelty": self.novelty,
            "verdict": self.verdict,
        }


class GoodPatches(Schema):
    """How often good patches are flagged.

    ``n`` patches of ``places`` Sentinel-2 products: ``alarms`` are flagged for their pixels,
    ``cannot_tell`` get no labels. ``checks`` has the false alarms of each pixel check
    with at least one, ``not_alarms`` the same for the checks of place and answer.
    """

    n: int
    places: int
    alarms: Rate
    cannot_tell: Rate
    checks: dict[str, Rate]
    not_alarms: dict[str, Rate]
    decisions: Decisions

    @property
    def all_checks(self) -> dict[str, Rate]:
        """``checks`` including those without a false alarm, the most frequent first."""
        silent = Rate.of(0, self.n)
        found = {**self.checks, **{n: silent for n in PIXEL_CHECKS if n not in self.checks}}
        return dict(sorted(found.items(), key=lambda item: -item[1].hits))


class CellRates(Schema):
    """Recall and precision of a check for single 60 m cells of clouds or shadows."""

    recall: Rate
    precision: Rate


class TrustMeasurement(Schema):
    """Measured error rates of one model's verdicts: the values of ``trust/verdict.json``.

    ``good`` are the good patches of ``split``, ``good_test`` those of the test split, on which
    no bound was chosen, if it was read. ``groups`` are all other patches, and ``bad`` summarises
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
    def trained_on_split(self) -> bool:
        """Whether the model was trained on the split that the good patches are from."""
        return self.split in self.learnt_from


def title_of(check: str) -> str:
    """Describe what a check detects; returns its name if there is no description."""
    return PIXEL_CHECKS.get(check) or OTHER_CHECKS.get(check) or check


def save(found: TrustMeasurement, folder: Path, card_hash: str) -> Path:
    """Write a measurement to ``trust/verdict.json`` of a model folder."""
    return files.write_json(folder, FILE, card_hash, found.as_dict())


def load(folder: Path, card_hash: str) -> TrustMeasurement | None:
    """Load the measurement of a model folder; None if there is none.

    Raises:
        CorruptModel: the file is damaged, incomplete, or of another card.
    """
    return files.read_record(folder, FILE, card_hash, TrustMeasurement, "landcover trust measure")
