"""Measure how often good patches are flagged, and how many bad ones are detected.

A *false alarm* is a finding about the pixels
(:attr:`landcover.trust.verdict.Verdict.pixels_flagged`)
of a good validation patch. Findings on place and season do not concern the pixels, and a class
close to its threshold only concerns that class: both are counted separately. The novelty bounds
are chosen on validation patches, so for this count they are chosen again without each place,
whose patches are then assessed (:mod:`landcover.metrics.crossfit`). The constants of the physical
checks were set on these patches, and the model may have been trained on them; clear scenes of
other places, which were not used for any choice, are counted in addition.

A bad patch is *caught* if its pixels are flagged; findings on its place and date do not count.
Windows of a scene of six bands are assessed by only three checks
(:mod:`landcover.trust.bench.cloud_scene`), as their records state.

The test split is read only on request. Its patches were not used for any bound, which holds as
long as no bound is changed because of results on them.
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
from landcover.trust import answer_checks, assessment, pixel_checks
from landcover.trust.bench import cloud_scene
from landcover.trust.bench.fit import MAX_GOOD, LabelledPatch, ProgressCounter, evenly_spaced
from landcover.trust.bench.picture_set import PictureSet
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
from landcover.trust.bench.synthetic import CORRUPTIONS, Group, made_groups
from landcover.trust.bench.synthetic_pictures import ALTERATIONS, bad_pictures
from landcover.trust.novelty import Novelty, bound_of
from landcover.trust.verdict import CHECKED_DECISIONS, Decision, Finding, Verdict

__all__ = ["CORRUPTED_PATCHES", "NOTE", "POINTS", "Assessed", "measure", "score"]

CORRUPTED_PATCHES: Final = 20
"""Number of good patches that each corruption is applied to."""
POINTS: Final = 50
"""Largest number of points of a curve in the file."""
NOTE: Final = (
    "intervals are Wilson's, 95 %, as if patches were independent; neighbours are similar, so "
    "they are too narrow"
)


@dataclass(frozen=True, kw_only=True)
class Assessed:
    """Verdict and prediction of one patch."""

    verdict: Verdict
    prediction: Prediction
    truth: frozenset[str] = frozenset()


def measure(
    model: Model,
    known: Novelty,
    dataset: Dataset | PictureSet,
    *,
    scenes: Path | None = None,
    sky: Path | None = None,
    test: bool = False,
    report: progress.Report = progress.ignore,
    cancel: Event | None = None,
) -> TrustMeasurement:
    """Measure all rates of one model, as stored in ``trust/verdict.json``.

    Args:
        model: the model to assess.
        known: distances fitted for it.
        dataset: a data set with the split validation, of patches or of pictures.
        scenes: folder of the real bad scenes (:mod:`landcover.trust.bench.real_scenes`), if
            available.
        sky: file of the real scene of clouds (:mod:`landcover.trust.bench.cloud_scene`), if
            available.
        test: also assess the good patches of the test split (``good_test``), with unchanged
            bounds.
        report: progress callback.
        cancel: set to stop.

    Raises:
        BadInput: the split has no patch on disk, or a patch cannot be read.
        Cancelled: ``cancel`` was set.
    """
    every: Sequence[LabelledPatch] = dataset.records("validation")
    records = evenly_spaced(every, MAX_GOOD)
    chosen = evenly_spaced(records, CORRUPTED_PATCHES)
    originals = [record.patch() for record in chosen]
    pictures = isinstance(dataset, PictureSet)
    made = bad_pictures(originals) if pictures else made_groups(originals)
    groups = [*(scene_groups(scenes) if scenes else ()), *made]
    still_true = ALTERATIONS if pictures else CORRUPTIONS
    last_of_all: Sequence[LabelledPatch] = dataset.records("test") if test else ()
    unseen = evenly_spaced(last_of_all, MAX_GOOD)
    clouds = None if sky is None else cloud_scene.read(sky)
    counter = ProgressCounter(
        report, cancel, len(records) + len(unseen) + len(groups) * CORRUPTED_PATCHES
    )
    good = [
        _assessed(model, known, record.patch(), counter, "good patches", truth=record.labels)
        for record in records
    ]
    found, risky = [], list(good)
    for group in groups:
        assessed = [
            _assessed(model, known, patch, counter, group.title) for patch in group.patches()
        ]
        found.append(_group_record(group, assessed))
        if group.name in still_true:  # what is there is still known
            risky += [
                replace(one, truth=record.labels)
                for one, record in zip(assessed, chosen, strict=True)
            ]
    if clouds is not None:
        found += [_sky_record(group) for group in cloud_scene.groups(clouds)]
    last = [
        _assessed(model, known, record.patch(), counter, "test patches", truth=record.labels)
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
    """Return a reliability score by which to sort predictions; higher is better.

    It is the mean confidence, 0 to 1, less 1 if the pixels are flagged, less 1 for each severe
    finding, and less up to 0.9 for distances above their bounds.
    """
    sure = float(np.mean(list(answer_checks.confidence(prediction).values())))
    severe = sum(finding.level == "severe" for finding in verdict.findings)
    penalty = int(verdict.pixels_flagged) + severe
    return sure - penalty - max(0.0, min(known.ratio(verdict.distances), 10.0) - 1) / 10


def _assessed(
    model: Model,
    known: Novelty,
    patch: Raster,
    counter: ProgressCounter,
    what: str,
    *,
    truth: frozenset[str] = frozenset(),
) -> Assessed:
    """Assess a patch with one forward pass."""
    pixels = model.tensor(patch)[None]
    features: dict[str, float] = {}
    if known.space is None:
        with torch.no_grad():
            scores = model.scores(pixels).float().cpu()
    else:
        seen, scores = features_and_scores(model, pixels)
        features = known.feature_distance_from(seen, scores)
    prediction = model.predictions(scores)[0]
    verdict = assessment.assess(model, patch, prediction, known=known, features=features)
    counter.step(what)
    return Assessed(verdict=verdict, prediction=prediction, truth=truth)


def _checks(assessed: Iterable[Assessed]) -> Counter[str]:
    return Counter(
        check for one in assessed for check in {finding.check for finding in one.verdict.findings}
    )


def _decisions(assessed: Sequence[Assessed]) -> dict[Decision, int]:
    counts = Counter(one.verdict.decision for one in assessed)
    return {decision: counts[decision] for decision in CHECKED_DECISIONS}


def _group_record(group: Group, assessed: Sequence[Assessed]) -> TrustGroup:
    alarms = [one.verdict.pixels_flagged for one in assessed]
    warned = [one.verdict.decision != "answer" for one in assessed]
    return TrustGroup(
        name=group.name,
        title=group.title,
        kind=group.kind,
        real=group.real,
        made_of=group.made_of,
        pixels=Rate.of(sum(alarms), len(assessed)),
        warned=Rate.of(sum(warned), len(assessed)),
        decisions=_decisions(assessed),
        checks=dict(_checks(assessed).most_common()),
    )


def _sky_record(group: cloud_scene.SkyGroup) -> TrustGroup:
    """Build the record of a group of six-band windows from the few checks that apply."""
    found = [pixel_checks.sky_findings(window) for window in group.windows]
    decisions = Counter[str](
        "cannot tell" if any(f.level == "severe" for f in one) else "warn" if one else "answer"
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
        decisions={decision: decisions[decision] for decision in CHECKED_DECISIONS},
        checks=dict(Counter(f.check for one in found for f in one).most_common()),
    )


def _cell_rates(sky: cloud_scene.Sky) -> dict[str, CellRates]:
    """Return check → recall and precision for single 60 m cells."""
    return {
        name: CellRates(
            recall=Rate.of(count["both"], count["there"]),
            precision=Rate.of(count["both"], count["found"]),
        )
        for name, count in cloud_scene.cell_counts(sky).items()
    }


def _total(found: Sequence[TrustGroup]) -> dict[Origin, CaughtRate]:
    """Summarise all bad groups: rate over all patches, and mean over groups."""
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


def _good_record(good: Sequence[Assessed], known: Novelty, ids: Sequence[str]) -> GoodPatches:
    """Summarise validation patches; their novelty bounds are chosen again without their place."""
    groups = places(ids)
    fresh = [_novelty_finding(one, known) for one in good]  # used if there is only one place
    for out in held_out(groups):
        kept = [one for one, held in zip(good, out, strict=True) if not held]
        bounds = _bounds(kept, known)
        for index in np.flatnonzero(out).tolist():
            fresh[index] = _novelty_finding(good[index], replace(known, bounds=bounds))
    return _alarm_record(good, fresh, ids)


def _unseen_record(good: Sequence[Assessed], known: Novelty, ids: Sequence[str]) -> GoodPatches:
    """Summarise patches on which no bound was chosen."""
    return _alarm_record(good, [_novelty_finding(one, known) for one in good], ids)


def _alarm_record(
    good: Sequence[Assessed], fresh: Sequence[Finding | None], ids: Sequence[str]
) -> GoodPatches:
    physical = [
        {f.check for f in one.verdict.findings if f.about == "pixels" and f.check != "unlike"}
        for one in good
    ]
    alarms = [bool(own or new) for own, new in zip(physical, fresh, strict=True)]
    severe = [
        bool(new and new.level == "severe")
        or any(f.level == "severe" and f.check != "unlike" for f in one.verdict.findings)
        for one, new in zip(good, fresh, strict=True)
    ]
    counts = Counter(check for own in physical for check in own)
    others = _checks(good)
    n = len(good)
    return GoodPatches(
        n=n,
        places=len(np.unique(places(ids))),
        alarms=Rate.of(sum(alarms), n),
        cannot_tell=Rate.of(sum(severe), n),
        checks={
            "unlike": Rate.of(sum(map(bool, fresh)), n),
            **{check: Rate.of(count, n) for check, count in counts.most_common()},
        },
        not_alarms={check: Rate.of(others[check], n) for check in ("place", "season", "undecided")},
        decisions=_decisions(good),
    )


def _novelty_finding(one: Assessed, known: Novelty) -> Finding | None:
    return next(assessment.novelty_finding(one.verdict.distances, known), None)


def _bounds(assessed: Sequence[Assessed], known: Novelty) -> dict[str, float]:
    values: dict[str, list[float]] = {name: [] for name in known.bounds}
    for one in assessed:
        for name, value in one.verdict.distances.items():
            values[name].append(value)
    return {name: bound_of(some) if some else known.bounds[name] for name, some in values.items()}


def _selective(model: Model, known: Novelty, assessed: Sequence[Assessed]) -> SelectiveRisk:
    """Compute the risk-coverage curve of each order, leaving out the least reliable first."""
    loss = np.array([_wrong(one, model.card.classes).mean() for one in assessed])
    orders: dict[Order, list[float]] = {
        "confidence": [_mean_sure(one) for one in assessed],
        "novelty": [-known.ratio(one.verdict.distances) for one in assessed],
        "verdict": [score(one.verdict, one.prediction, known) for one in assessed],
    }
    answered = np.array([one.verdict.decision != "cannot tell" for one in assessed])
    plain = np.array([one.verdict.decision == "answer" for one in assessed])
    curves = {name: risk_coverage(np.array(sure), loss) for name, sure in orders.items()}
    return SelectiveRisk(
        n=len(assessed),
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
    """Reduce a curve to at most :data:`POINTS` rounded points."""
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


def _mean_sure(one: Assessed) -> float:
    return float(np.mean(list(answer_checks.confidence(one.prediction).values())))


def _wrong(one: Assessed, classes: Sequence[str]) -> BoolArray:
    called = {item.label for item in one.prediction.labels if item.predicted}
    return np.array([(label in called) != (label in one.truth) for label in classes])
