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
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any, Final

import numpy as np

from landcover.core import progress
from landcover.datasets.labelled import Record
from landcover.datasets.split_distance import blocks
from landcover.metrics import selective_risk
from landcover.metrics.bootstrap import interval
from landcover.metrics.scores import Doubles
from landcover.models.model import Model
from landcover.trust import files
from landcover.trust.judge import UNSTABLE
from landcover.trust.shift_stability import stability

FILE: Final = "stability"
RESAMPLES: Final = 1000
PERCENTILES: Final = (5, 25, 50, 75, 95)
RIVAL: Final = "mean distance to the threshold"
"""The order that unstable answers are compared with, a key of ``selective.MEASURES``."""


@dataclass(frozen=True, kw_only=True)
class Steadiness:
    """What was found on the patches of a split.

    Attributes:
        n, blocks: patches, and blocks of 12 km that they lie in.
        shift_m: the step, metres.
        score: mean :attr:`~landcover.trust.shift_stability.Stability.score`, with its interval.
        unturned: share of patches of which no label turns in any direction, with interval.
        warned: share of patches that the verdict warns of, since more than
            :data:`landcover.trust.judge.UNSTABLE` of the answer is lost, with interval.
        loss_warned, loss_others: share of labels that are wrong among these and among the
            others; None where there are none.
        scores, largest: percentiles (:data:`PERCENTILES`) over patches of the score, and of
            the largest move of a probability.
        risk: mean share of labels that are wrong of all patches; and the area below the
            curve of risk against coverage where the least stable are left out first, with
            what chance would give (95 %), and where those nearest to the thresholds are.
    """

    n: int
    blocks: int
    shift_m: float
    score: dict[str, Any]
    unturned: dict[str, Any]
    warned: dict[str, Any]
    loss_warned: float | None
    loss_others: float | None
    scores: dict[str, float]
    largest: dict[str, float]
    risk: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """As JSON-ready values."""
        return {
            "n": self.n,
            "blocks": self.blocks,
            "shift_m": self.shift_m,
            "score": self.score,
            "unturned": self.unturned,
            "warned": self.warned,
            "loss_warned": self.loss_warned,
            "loss_others": self.loss_others,
            "scores": self.scores,
            "largest": self.largest,
            "risk": self.risk,
        }


def measure(
    model: Model,
    records: Sequence[Record],
    shift_m: float = 100.0,
    *,
    resamples: int = RESAMPLES,
    report: progress.Report = progress.ignore,
    cancel: Event | None = None,
) -> Steadiness:
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
    return Steadiness(
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
        risk={
            "everything": mine.everything,
            "area": mine.area,
            "area_interval": list(mine.area_interval),
            "chance": list(mine.chance),
            "rival": RIVAL,
            "rival_area": selective_risk.risk_coverage(rival, loss).area,
        },
    )


def save(record: dict[str, Any], folder: Path, card_hash: str) -> Path:
    """Keep the figures in the model's folder, JSON-ready.

    Returns:
        the file.
    """
    return files.write_json(folder, FILE, card_hash, record)


def figures(folder: Path, card_hash: str) -> dict[str, Any] | None:
    """The figures that were kept, as :meth:`Steadiness.as_dict` gives them, and where from.

    None where there are none.

    Raises:
        CorruptModel: the file is damaged, or of another card.
    """
    return files.read_json(folder, FILE, card_hash)


def as_text(found: Steadiness) -> str:
    """The figures as a person reads them in a terminal."""
    score, unturned, risk = found.score, found.unturned, found.risk
    least = ", ".join(f"{name}: {value:.2f}" for name, value in found.scores.items())
    most = ", ".join(f"{name}: {value:.2f}" for name, value in found.largest.items())
    lines = []
    lines.append(
        f"Windows moved by {found.shift_m:.0f} m in 8 directions, borders mirrored: {found.n} "
        f"patches in {found.blocks} blocks of 12 km; intervals of 95 % over blocks."
    )
    lines.append(f"stability score {_span(score)}; percentiles {least}")
    lines.append(f"no label turns in any direction: {_span(unturned)} of the patches")
    lines.append(
        f"warned of as unstable: {_span(found.warned)} of the patches; wrong labels among them "
        f"{_known(found.loss_warned)}, among the others {_known(found.loss_others)}"
    )
    lines.append(f"largest move of a probability: percentiles {most}")
    lines.append(
        f"wrong labels {risk['everything']:.4f}; leaving the least stable out first, area "
        f"{risk['area']:.4f} (at random {risk['chance'][0]:.4f} to {risk['chance'][1]:.4f}; "
        f"by {risk['rival']} {risk['rival_area']:.4f}; lower is better)"
    )
    return "\n".join(lines)


def _span(figure: dict[str, Any]) -> str:
    low, high = figure["interval"]
    return f"{figure['mean']:.3f} [{low:.3f}, {high:.3f}]"


def _known(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _percentiles(values: Doubles) -> dict[str, float]:
    return {f"{p}": float(np.percentile(values, p)) for p in PERCENTILES}


def _mean(values: Doubles, where: Any, resamples: int) -> dict[str, Any]:  # noqa: ANN401 - text array
    """The mean over patches, and its interval over whole blocks."""
    _, block = np.unique(where, return_inverse=True)
    sums, sizes = np.bincount(block, values), np.bincount(block)
    drawn = np.random.default_rng(0).integers(len(sums), size=(resamples, len(sums)))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    return {"mean": float(values.mean()), "interval": list(interval(means))}
