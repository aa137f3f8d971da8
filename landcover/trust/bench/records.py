"""The figures of ``bench.measure``, read from a model folder and checked for form.

A file beside a card may come from anybody, so each part that is shown is looked at once,
here: whoever holds a :class:`TrustFigures` can draw it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

from landcover.core.errors import CorruptModel
from landcover.trust.bench import measure
from landcover.trust.bench.measure import wilson
from landcover.trust.bench.verdict_text import MIXTURES, ORDERS
from landcover.trust.verdict import SAID, Decision

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


@dataclass(frozen=True, kw_only=True)
class Rate:
    """A share of patches.

    Attributes:
        n, hits: patches that were counted, and those among them that it holds of.
        share: their quotient, 0 to 1; None where nothing was counted.
        interval: holds the share with 95 % (Wilson 1927), as if patches were independent.
    """

    n: int
    hits: int
    share: float | None
    interval: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class TrustGroup:
    """Patches that are alike in what is wrong with them, or that nothing is wrong with.

    Attributes:
        name, title, made_of: what they are.
        kind: whether they should be caught.
        real: whether they are as a satellite saw them, rather than made from good ones.
        caught: how many are doubted for their pixels.
        decisions: how many end in each decision.
        checks: how many each check speaks of.
    """

    name: str
    title: str
    made_of: str
    kind: Kind
    real: bool
    caught: Rate
    decisions: dict[Decision, int]
    checks: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class RiskCurve:
    """Risk against coverage in one order of the patches.

    Attributes:
        coverage: share that is answered, the most believed first, rising to 1.
        risk: mean loss of those, 0 to 1, of the same length.
        area: below the curve; lower is better.
        area_interval: holds it with 95 % (bootstrap over patches).
        chance: holds 95 % of the areas that random orders give.
    """

    coverage: tuple[float, ...]
    risk: tuple[float, ...]
    area: float
    area_interval: tuple[float, float]
    chance: tuple[float, float]

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


@dataclass(frozen=True, kw_only=True)
class SelectiveRisk:
    """How many errors remain among some patches where the least believed are left out.

    Attributes:
        n: patches.
        loss: what is counted, in words.
        everything: mean loss where all are answered.
        orders: a curve for each of :data:`landcover.trust.bench.verdict_text.ORDERS`.
        decisions: patches of each decision, and their mean loss, None where there are none.
    """

    n: int
    loss: str
    everything: float
    orders: dict[str, RiskCurve]
    decisions: dict[Decision, tuple[int, float | None]]


@dataclass(frozen=True, kw_only=True)
class GoodPatches:
    """How often patches that nothing is wrong with are doubted.

    Attributes:
        n, places: good patches, and Sentinel-2 products that they were cut from.
        alarms: good patches that are doubted for their pixels.
        cannot_tell: good patches that get no answer.
        checks: false alarms of each check of the pixels, the most frequent first; a check
            that never spoke is there too.
        not_alarms: the same of the checks of place and answer, which are no alarms.
    """

    n: int
    places: int
    alarms: Rate
    cannot_tell: Rate
    checks: dict[str, Rate]
    not_alarms: dict[str, Rate]


@dataclass(frozen=True, kw_only=True)
class TrustFigures:
    """What was counted of one model's verdicts.

    Attributes:
        dataset, split: where the good patches are from.
        learnt_from: splits that the model has learnt from.
        good: the good patches of that split.
        held_out: those of the test split, on which no bound was chosen; None where it was
            not read.
        groups: all other patches.
        bad: bad patches that are caught: ``all``, ``real`` and ``made``.
        bad_groups: how many groups each of these has.
        selective: one for each of :data:`landcover.trust.bench.verdict_text.MIXTURES`.
        note: what to keep in mind of the intervals.
    """

    dataset: str
    split: str
    learnt_from: tuple[str, ...]
    good: GoodPatches
    held_out: GoodPatches | None
    groups: tuple[TrustGroup, ...]
    bad: dict[str, Rate]
    bad_groups: dict[str, int]
    selective: dict[str, SelectiveRisk]
    note: str

    @property
    def learnt(self) -> bool:
        """Whether the model has learnt from the split that the good patches are from."""
        return self.split in self.learnt_from


def title_of(check: str) -> str:
    """What a check finds, in words; its name where it has none here."""
    return PIXEL_CHECKS.get(check) or OTHER_CHECKS.get(check) or check


def load(folder: Path, card_hash: str) -> TrustFigures | None:
    """The figures of a model folder; None where they were not measured.

    Raises:
        CorruptModel: the file is damaged, lacks figures, or is of another card.
    """
    raw = measure.read(folder, card_hash)
    if raw is None:
        return None
    try:
        return _figures(raw)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        raise CorruptModel(
            f"{measure.FILE}.json of the model '{folder.name}' cannot be used: figures are "
            "missing; make it anew with `landcover trust measure`."
        ) from None


def _figures(raw: Mapping[str, Any]) -> TrustFigures:
    bad = raw["bad"]
    # Files that were made without the test split have none.
    test = raw.get("good_test")
    return TrustFigures(
        dataset=str(raw["dataset"]),
        split=str(raw["split"]),
        learnt_from=tuple(str(split) for split in raw["learnt_from"]),
        good=_good(raw["good"]),
        held_out=None if test is None else _good(test),
        groups=tuple(_group(one) for one in raw["groups"]),
        bad={name: _rate(bad[name]) for name in ("all", "real", "made")},
        bad_groups={name: int(bad[name]["groups"]) for name in ("all", "real", "made")},
        selective={name: _selective(raw["selective"][name]) for name in MIXTURES},
        note=str(raw["note"]),
    )


def _good(raw: Mapping[str, Any]) -> GoodPatches:
    return GoodPatches(
        n=int(raw["n"]),
        places=int(raw["places"]),
        alarms=_rate(raw["alarms"]),
        cannot_tell=_rate(raw["cannot_tell"]),
        checks=_checks(raw["checks"], int(raw["n"])),
        not_alarms=_named(raw["not_alarms"]),
    )


def _named(raw: Mapping[str, Any]) -> dict[str, Rate]:
    return {str(name): _rate(one) for name, one in raw.items()}


def _checks(found: Mapping[str, Any], n: int) -> dict[str, Rate]:
    """Those of the file, which has only checks that spoke, and the others with none."""
    spoke = _named(found)
    silent = Rate(n=n, hits=0, share=0.0 if n else None, interval=wilson(0, n))
    everything = {**spoke, **{name: silent for name in PIXEL_CHECKS if name not in spoke}}
    return dict(sorted(everything.items(), key=lambda item: -item[1].hits))


def _rate(raw: Mapping[str, Any]) -> Rate:
    share = raw["share"]
    return Rate(
        n=int(raw["n"]),
        hits=int(raw["hits"]),
        share=None if share is None else float(share),
        interval=_pair(raw["interval"]),
    )


def _pair(raw: Sequence[Any]) -> tuple[float, float]:
    low, high = raw
    return float(low), float(high)


def _group(raw: Mapping[str, Any]) -> TrustGroup:
    kind = raw["kind"]
    if kind not in get_args(Kind):
        raise ValueError(kind)
    return TrustGroup(
        name=str(raw["name"]),
        title=str(raw["title"]),
        made_of=str(raw["made_of"]),
        kind=kind,
        real=bool(raw["real"]),
        caught=_rate(raw["pixels"]),
        decisions={decision: int(raw["decisions"][decision]) for decision in SAID},
        checks={str(name): int(count) for name, count in raw["checks"].items()},
    )


def _selective(raw: Mapping[str, Any]) -> SelectiveRisk:
    return SelectiveRisk(
        n=int(raw["n"]),
        loss=str(raw["loss"]),
        everything=float(raw["everything"]),
        orders={order: _curve(raw[order]) for order in ORDERS},
        decisions={decision: _loss(raw["decisions"][decision]) for decision in SAID},
    )


def _loss(raw: Mapping[str, Any]) -> tuple[int, float | None]:
    return int(raw["n"]), None if raw["loss"] is None else float(raw["loss"])


def _curve(raw: Mapping[str, Any]) -> RiskCurve:
    coverage = tuple(float(value) for value in raw["coverage"])
    risk = tuple(float(value) for value in raw["risk"])
    if not coverage or len(coverage) != len(risk):
        raise ValueError("a curve needs as many risks as coverages")
    return RiskCurve(
        coverage=coverage,
        risk=risk,
        area=float(raw["area"]),
        area_interval=_pair(raw["area_interval"]),
        chance=_pair(raw["chance"]),
    )
