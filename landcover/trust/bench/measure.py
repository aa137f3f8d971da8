"""How often good patches are doubted, and how many bad ones are caught.

A *false alarm* is a finding about the pixels (:attr:`landcover.trust.verdict.Verdict.alarmed`)
of a good validation patch. That a patch lies outside the ten countries or out of season is no
fault of its pixels, and that a cover stands at its threshold concerns that cover: both are
counted, apart. The bounds of novelty are chosen on validation patches, so for this count
they are chosen anew without each place, whose patches are then judged
(:mod:`landcover.metrics.crossfit`). The constants of the physical checks were set by looking at
these patches, and the model may have learnt from them; clear scenes of other places, which
had no part in any choice, are counted beside them.

A bad patch is *caught* where its pixels are doubted or no answer is given: its place and
date do not help. Windows of a scene of six bands are judged by three checks alone
(:mod:`landcover.trust.bench.cloud_scene`), and their records say so.

The test split is read only where it is asked for: its patches had no part in any bound, and
stay so as long as no bound is changed for what is found there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Any, Final

import numpy as np
import torch

from landcover.core import progress
from landcover.core.raster import BoolArray, Raster
from landcover.datasets import Dataset
from landcover.metrics.crossfit import held_out, places
from landcover.metrics.selective_risk import RiskCoverage, risk_coverage
from landcover.models.features import features_and_scores
from landcover.models.model import Model, Prediction
from landcover.trust import judge, pixel_checks
from landcover.trust.bench import cloud_scene
from landcover.trust.bench.fit import MOST_GOOD, Watch, spread_out
from landcover.trust.bench.real_scenes import scene_groups
from landcover.trust.bench.records import (
    CaughtRate,
    CellRates,
    DecisionLoss,
    GoodPatches,
    Order,
    Origin,
    Rate,
    RiskCurve,
    SelectiveRisk,
    TrustGroup,
    TrustMeasurement,
)
from landcover.trust.bench.synthetic import SPOILERS, Group, made_groups
from landcover.trust.novelty import Novelty, bound_of
from landcover.trust.verdict import DECISION_LABELS, Decision, Finding, Verdict

__all__ = ["NOTE", "POINTS", "SPOILT", "Judged", "measure", "score"]

SPOILT: Final = 20
"""Good patches that each spoiler spoils."""
POINTS: Final = 50
"""Of a curve in the file."""
NOTE: Final = (
    "intervals are Wilson's, 95 %, as if patches were independent; neighbours are alike, so "
    "they are narrow"
)


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What was found in one patch."""

    verdict: Verdict
    prediction: Prediction
    truth: frozenset[str] = frozenset()


def measure(
    model: Model,
    known: Novelty,
    dataset: Dataset,
    *,
    scenes: Path | None = None,
    sky: Path | None = None,
    test: bool = False,
    report: progress.Report = progress.ignore,
    cancel: Event | None = None,
) -> TrustMeasurement:
    """All rates of one model: what ``trust/verdict.json`` holds.

    Args:
        model: whose answers are judged.
        known: what was fitted for it.
        dataset: with the split validation.
        scenes: folder of the real bad scenes (:mod:`landcover.trust.bench.real_scenes`), where it
            is at hand.
        sky: file of the real scene of clouds (:mod:`landcover.trust.bench.cloud_scene`), where it
            is at hand.
        test: judge the good patches of the test split too (``good_test``), with the bounds as
            they are.
        report: called with what was done.
        cancel: set to stop.

    Raises:
        BadInput: the split has no patch here, or a patch cannot be read.
        Cancelled: ``cancel`` was set.
    """
    records = spread_out(dataset.records("validation"), MOST_GOOD)
    spoilt = spread_out(records, SPOILT)
    originals = [record.patch() for record in spoilt]
    groups = [*(scene_groups(scenes) if scenes else ()), *made_groups(originals)]
    unseen = spread_out(dataset.records("test"), MOST_GOOD) if test else ()
    clouds = None if sky is None else cloud_scene.read(sky)
    watch = Watch(report, cancel, len(records) + len(unseen) + len(groups) * SPOILT)
    good = [
        _judged(model, known, record.patch(), watch, "good patches", truth=record.labels)
        for record in records
    ]
    found, risky = [], list(good)
    for group in groups:
        judged = [_judged(model, known, patch, watch, group.title) for patch in group.patches()]
        found.append(_group_record(group, judged))
        if group.name in SPOILERS:  # what is there is still known
            risky += [
                replace(one, truth=record.labels)
                for one, record in zip(judged, spoilt, strict=True)
            ]
    if clouds is not None:
        found += [_sky_record(group) for group in cloud_scene.groups(clouds)]
    last = [
        _judged(model, known, record.patch(), watch, "test patches", truth=record.labels)
        for record in unseen
    ]
    return TrustMeasurement(
        version=1,
        dataset=dataset.title,
        split="validation",
        learnt_from=tuple(map(str, model.card.training.get("splits", ()))),
        detector=known.detector,
        detectors=known.made.get("detectors", {}),
        bounds=known.bounds,
        good=_good_record(good, known, [record.patch_id for record in records]),
        good_test=_unseen_record(last, known, [record.patch_id for record in unseen])
        if last
        else None,
        groups=tuple(found),
        sky_cells=None if clouds is None else _cell_rates(clouds),
        bad=_total(found),
        selective={
            "good": _selective(model, known, good),
            "mixed": _selective(model, known, risky),
        },
        note=NOTE,
    )


def score(verdict: Verdict, prediction: Prediction, known: Novelty) -> float:
    """How far to believe an answer, to sort answers by; higher is better.

    The mean distance to the thresholds, 0 to 1, which falls to minus one and below where the
    pixels are doubted, and further the stranger they are.
    """
    sure = float(np.mean(list(judge.sureness(prediction).values())))
    graver = sum(finding.level == "grave" for finding in verdict.findings)
    doubt = int(verdict.alarmed) + graver
    return sure - doubt - max(0.0, min(known.beyond(verdict.distances), 10.0) - 1) / 10


def _judged(
    model: Model,
    known: Novelty,
    patch: Raster,
    watch: Watch,
    what: str,
    *,
    truth: frozenset[str] = frozenset(),
) -> Judged:
    """All of it from one pass of the net."""
    pixels = model.tensor(patch)[None]
    features: dict[str, float] = {}
    if known.space is None:
        with torch.no_grad():
            scores = model.scores(pixels).float().cpu()
    else:
        seen, scores = features_and_scores(model, pixels)
        features = known.of_seen(seen, scores)
    prediction = model.predictions(scores)[0]
    verdict = judge.judge(model, patch, prediction, known=known, features=features)
    watch.step(what)
    return Judged(verdict=verdict, prediction=prediction, truth=truth)


def _checks(judged: Iterable[Judged]) -> Counter[str]:
    return Counter(
        check for one in judged for check in {finding.check for finding in one.verdict.findings}
    )


def _decisions(judged: Sequence[Judged]) -> dict[Decision, int]:
    counts = Counter(one.verdict.decision for one in judged)
    return {decision: counts[decision] for decision in DECISION_LABELS}


def _group_record(group: Group, judged: Sequence[Judged]) -> TrustGroup:
    alarms = [one.verdict.alarmed for one in judged]
    warned = [one.verdict.decision != "answer" for one in judged]
    return TrustGroup(
        name=group.name,
        title=group.title,
        kind=group.kind,
        real=group.real,
        made_of=group.made_of,
        pixels=Rate.of(sum(alarms), len(judged)),
        warned=Rate.of(sum(warned), len(judged)),
        decisions=_decisions(judged),
        checks=dict(_checks(judged).most_common()),
    )


def _sky_record(group: cloud_scene.SkyGroup) -> TrustGroup:
    """As :func:`_group_record` has it, from the few checks that six bands allow."""
    found = [pixel_checks.of_sky(window) for window in group.windows]
    decisions = Counter[str](
        "cannot tell" if any(f.level == "grave" for f in one) else "warn" if one else "answer"
        for one in found
    )
    caught = Rate.of(len(found) - decisions["answer"], len(found))
    return TrustGroup(
        name=group.name,
        title=group.title,
        kind=group.kind,
        real=True,
        made_of="windows of the test scene of ukis-csmask; of six bands, so only the checks "
        f"{', '.join(cloud_scene.CHECKS)} are run",
        only=tuple(cloud_scene.CHECKS),
        pixels=caught,
        warned=caught,
        decisions={decision: decisions[decision] for decision in DECISION_LABELS},
        checks=dict(Counter(f.check for one in found for f in one).most_common()),
    )


def _cell_rates(sky: cloud_scene.Sky) -> dict[str, CellRates]:
    """Check → recall and precision of single cells of 60 m."""
    return {
        name: CellRates(
            recall=Rate.of(count["both"], count["there"]),
            precision=Rate.of(count["both"], count["found"]),
        )
        for name, count in cloud_scene.cell_counts(sky).items()
    }


def _total(found: Sequence[TrustGroup]) -> dict[Origin, CaughtRate]:
    """Of all bad groups: patches together, and the mean over groups."""
    bad = [one for one in found if one.kind == "bad"]
    return {
        "all": _together(bad),
        "real": _together([one for one in bad if one.real]),
        "made": _together([one for one in bad if not one.real]),
    }


def _together(groups: Sequence[TrustGroup]) -> CaughtRate:
    shares = [one.pixels.share for one in groups if one.pixels.share is not None]
    whole = Rate.of(sum(one.pixels.hits for one in groups), sum(one.pixels.n for one in groups))
    return CaughtRate(
        **whole.given_fields(),
        groups=len(groups),
        mean_of_groups=float(np.mean(shares)) if shares else None,
    )


def _good_record(good: Sequence[Judged], known: Novelty, ids: Sequence[str]) -> GoodPatches:
    """Of patches that the bounds of novelty were chosen on: they are chosen anew without them."""
    groups = places(ids)
    fresh = [_unlike(one, known) for one in good]  # where there is one place only
    for out in held_out(groups):
        kept = [one for one, held in zip(good, out, strict=True) if not held]
        bounds = _bounds(kept, known)
        for index in np.flatnonzero(out).tolist():
            fresh[index] = _unlike(good[index], replace(known, bounds=bounds))
    return _alarm_record(good, fresh, ids)


def _unseen_record(good: Sequence[Judged], known: Novelty, ids: Sequence[str]) -> GoodPatches:
    """Of patches that no bound was chosen on."""
    return _alarm_record(good, [_unlike(one, known) for one in good], ids)


def _alarm_record(
    good: Sequence[Judged], fresh: Sequence[Finding | None], ids: Sequence[str]
) -> GoodPatches:
    physical = [
        {f.check for f in one.verdict.findings if f.about == "pixels" and f.check != "unlike"}
        for one in good
    ]
    alarms = [bool(own or new) for own, new in zip(physical, fresh, strict=True)]
    grave = [
        bool(new and new.level == "grave")
        or any(f.level == "grave" and f.check != "unlike" for f in one.verdict.findings)
        for one, new in zip(good, fresh, strict=True)
    ]
    counts = Counter(check for own in physical for check in own)
    others = _checks(good)
    n = len(good)
    return GoodPatches(
        n=n,
        places=len(np.unique(places(ids))),
        alarms=Rate.of(sum(alarms), n),
        cannot_tell=Rate.of(sum(grave), n),
        checks={
            "unlike": Rate.of(sum(map(bool, fresh)), n),
            **{check: Rate.of(count, n) for check, count in counts.most_common()},
        },
        not_alarms={check: Rate.of(others[check], n) for check in ("place", "season", "undecided")},
        decisions=_decisions(good),
    )


def _unlike(one: Judged, known: Novelty) -> Finding | None:
    return next(judge.unlike(one.verdict.distances, known), None)


def _bounds(judged: Sequence[Judged], known: Novelty) -> dict[str, float]:
    values: dict[str, list[float]] = {name: [] for name in known.bounds}
    for one in judged:
        for name, value in one.verdict.distances.items():
            values[name].append(value)
    return {name: bound_of(some) if some else known.bounds[name] for name, some in values.items()}


def _selective(model: Model, known: Novelty, judged: Sequence[Judged]) -> SelectiveRisk:
    """Risk against coverage where the least believed answers are left out first."""
    loss = np.array([_wrong(one, model.card.classes).mean() for one in judged])
    orders: dict[Order, list[float]] = {
        "confidence": [_mean_sure(one) for one in judged],
        "novelty": [-known.beyond(one.verdict.distances) for one in judged],
        "verdict": [score(one.verdict, one.prediction, known) for one in judged],
    }
    answered = np.array([one.verdict.decision != "cannot tell" for one in judged])
    plain = np.array([one.verdict.decision == "answer" for one in judged])
    curves = {name: risk_coverage(np.array(sure), loss) for name, sure in orders.items()}
    return SelectiveRisk(
        n=len(judged),
        loss="share of classes decided wrongly",
        confidence=_curve(curves["confidence"]),
        everything=curves["verdict"].mean_loss,
        novelty=_curve(curves["novelty"]),
        verdict=_curve(curves["verdict"]),
        decisions={
            "cannot tell": _mean_loss(loss, ~answered),
            "warn": _mean_loss(loss, answered & ~plain),
            "answer": _mean_loss(loss, plain),
        },
    )


def _curve(curve: RiskCoverage) -> RiskCurve:
    """At most :data:`POINTS` of a curve, rounded."""
    rows = np.unique(np.linspace(0, len(curve.risk) - 1, POINTS).round().astype(int))
    return RiskCurve(
        area=curve.area,
        area_interval=curve.area_interval,
        chance=curve.chance,
        coverage=tuple(round(float(curve.coverage[row]), 4) for row in rows),
        risk=tuple(round(float(curve.risk[row]), 5) for row in rows),
    )


def _mean_loss(loss: np.ndarray[Any, Any], which: BoolArray) -> DecisionLoss:
    mean = float(loss[which].mean()) if which.any() else None
    return DecisionLoss(n=int(which.sum()), loss=mean)


def _mean_sure(one: Judged) -> float:
    return float(np.mean(list(judge.sureness(one.prediction).values())))


def _wrong(one: Judged, classes: Sequence[str]) -> BoolArray:
    called = {item.label for item in one.prediction.labels if item.predicted}
    return np.array([(label in called) != (label in one.truth) for label in classes])
