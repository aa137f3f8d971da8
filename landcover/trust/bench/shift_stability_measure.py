"""How stable a model's answers are under a small step of the window, and what that tells.

Asked of labelled patches: how often the answer stays, and whether unstable answers are the
wrong ones. For the latter patches are sorted by how little their probabilities move, and the
least stable are left out one by one (see :mod:`landcover.metrics.selective_risk`); beside it
stands the order by distance to the thresholds, which needs no moved windows.

On the 115 test patches here the default model's labels hold in all directions for 37 %, and
the stability score is 0.94 on average, 0.80 or less for one in twenty. Unstable answers are
wrong more often: the area is 0.088, where orders by chance give 0.113 to 0.139. The distance
to the thresholds sorts as well (0.086), so that stability explains rather than adds.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Event
from typing import Any, Final

import numpy as np

from landcover.core import progress
from landcover.core.schema import Mean
from landcover.datasets.labelled import Record
from landcover.datasets.split_distance import blocks
from landcover.metrics import selective_risk
from landcover.metrics.bootstrap import interval
from landcover.metrics.scores import Doubles
from landcover.models.model import Model
from landcover.trust.bench.stability_record import PERCENTILES, StabilityMeasurement, StabilityRisk
from landcover.trust.judge import UNSTABLE
from landcover.trust.shift_stability import stability

__all__ = ["RESAMPLES", "RIVAL", "measure"]

RESAMPLES: Final = 1000
RIVAL: Final = "mean distance to the threshold"
"""The order that unstable answers are compared with, a key of ``selective.MEASURES``."""


def measure(
    model: Model,
    records: Sequence[Record],
    shift_m: float = 100.0,
    *,
    resamples: int = RESAMPLES,
    report: progress.Report = progress.ignore,
    cancel: Event | None = None,
) -> StabilityMeasurement:
    """Move the window of each patch and see what the model makes of it.

    Beyond a patch the border is mirrored, since its neighbours are not at hand.

    Args:
        model: whom to ask.
        records: labelled patches, at least two.
        shift_m: the step, metres.
        resamples: how many the intervals rest on.
        report: called with patches done.
        cancel: set to stop.

    Raises:
        BadInput: a patch cannot be read, or the step is too small or too large.
        ModelMismatch: a patch is not what the model was made for.
        Cancelled: ``cancel`` was set.
    """
    found, chances, thresholds = [], [], []
    for done, record in enumerate(records, 1):
        progress.check(cancel)
        patch = record.patch()
        found.append(stability(model, patch, shift_m))
        answer = model.predict(patch).labels
        chances.append([item.probability for item in answer])
        thresholds = [item.threshold for item in answer]
        total = len(records)
        report(progress.Progress(what="Moving windows", done=done, total=total, unit="patches"))
    probability = np.array(chances)
    truth = np.array([[label in r.labels for label in model.card.classes] for r in records])
    where = blocks([record.patch_id for record in records])
    loss = selective_risk.wrong_share(truth, probability, thresholds)
    moves = np.array([np.mean(list(item.change.values())) for item in found])
    mine = selective_risk.risk_coverage(-moves, loss)
    rival = selective_risk.certainty(probability, thresholds, RIVAL)
    score = np.array([item.score for item in found])
    warned = 1 - score > UNSTABLE
    return StabilityMeasurement(
        version=1,
        n=len(found),
        blocks=len(np.unique(where)),
        shift_m=found[0].shift_m,
        score=_mean(score, where, resamples),
        unturned=_mean(np.array([not item.flips for item in found], float), where, resamples),
        warned=_mean(warned.astype(float), where, resamples),
        loss_warned=float(loss[warned].mean()) if warned.any() else None,
        loss_others=float(loss[~warned].mean()) if not warned.all() else None,
        scores=_percentiles(score),
        largest=_percentiles(np.array([item.largest for item in found])),
        risk=StabilityRisk(
            everything=mine.mean_loss,
            area=mine.area,
            area_interval=mine.area_interval,
            chance=mine.chance,
            rival=RIVAL,
            rival_area=selective_risk.risk_coverage(rival, loss).area,
        ),
    )


def _percentiles(values: Doubles) -> dict[str, float]:
    return {f"{p}": float(np.percentile(values, p)) for p in PERCENTILES}


def _mean(values: Doubles, where: Any, resamples: int) -> Mean:  # noqa: ANN401 - text array
    """The mean over patches, and its interval over whole blocks."""
    _, block = np.unique(where, return_inverse=True)
    sums, sizes = np.bincount(block, values), np.bincount(block)
    drawn = np.random.default_rng(0).integers(len(sums), size=(resamples, len(sums)))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    return Mean(mean=float(values.mean()), interval=interval(means))
