"""Whether an adaptation helps: each corrected place is left out once and answered before and after.

An adaptation helps if, at places that it was not fitted to, the log loss of what is known falls
(the 95 % interval of a bootstrap over places excludes zero) and micro average precision does not
fall. Both need some classes that are there and some that are not: a user who only confirms says
nothing about what is wrong.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from landcover.adapt.head import Examples, fit
from landcover.core.progress import Progress, Report, ignore
from landcover.core.raster import BoolArray
from landcover.core.schema import Interval, Schema
from landcover.decide.calibration_fit import log_loss
from landcover.metrics.bootstrap import interval, weighted_average_precision
from landcover.metrics.crossfit import held_out
from landcover.nets.adapted import Adapted

__all__ = ["LEAST", "Change", "ClassChange", "Judgement", "as_text", "judge", "left_out"]

Doubles = npt.NDArray[np.float64]

LEAST: Final = 5
"""Fewest places, and fewest known positives and negatives, from which help can be claimed."""
_FOLDS, _FOLDS_OF_MANY, _MANY = 50, 10, 200
"""Most fits, and most with more than so many patches: several places are left out at a time."""
_RESAMPLES: Final = 1000
_AT_ONCE: Final = 2_000_000
"""Weights in memory at a time: 16 MB, plus as much for each of a few derived arrays."""


class Change(Schema):
    """A metric before and after, and the gain with its 95 % interval; None where undefined."""

    before: float | None
    after: float | None
    gain: float | None
    interval: Interval | None


class ClassChange(Schema):
    """What changes for one class; ``known`` counts patches, ``present`` those that have it."""

    known: int
    present: int
    log_loss: Change


class Judgement(Schema):
    """The change at places that the adaptation was not fitted to.

    Attributes:
        n: number of patches.
        places: number of places.
        known: number of pairs of patch and class that are known.
        present: how many of them are there.
        log_loss: in nats a pair; its gain is what it falls by.
        micro_ap: average precision over all known pairs.
        per_class: the classes of which something is known.
        helps: whether the adaptation helps.
        reason: why it does, or does not, in one sentence.
    """

    n: int
    places: int
    known: int
    present: int
    log_loss: Change
    micro_ap: Change
    per_class: dict[str, ClassChange]
    helps: bool
    reason: str


def left_out(examples: Examples, report: Report = ignore) -> Doubles:
    """Compute logits ``(patch, class)`` of each patch by a fit that left its place out.

    They are the model's own if there is only one place.

    Args:
        examples: at least one.
        report: called with the number of fits done.
    """
    classes = examples.scores.shape[1]
    made = examples.scores.double().numpy().copy()
    folds = list(held_out(examples.places, _FOLDS if len(examples) <= _MANY else _FOLDS_OF_MANY))
    for done, out in enumerate(folds):
        report(Progress(what="Places left out", done=done, total=len(folds), unit="fits"))
        head = Adapted(torch.nn.Identity(), features=examples.features.shape[1], classes=classes)
        fit(head, examples.part(~out))
        rest = examples.part(out)
        with torch.no_grad():
            made[out] = head.corrected(rest.features, rest.scores).double().numpy()
    return made


def judge(
    examples: Examples,
    classes: tuple[str, ...],
    report: Report = ignore,
    *,
    after: Doubles | None = None,
    seed: int = 0,
) -> Judgement:
    """Judge the adaptation to examples.

    Args:
        examples: at least one.
        classes: names along the class axis.
        report: called with the number of fits done.
        after: what :func:`left_out` returned, if it is known.
        seed: of the bootstrap.
    """
    before = examples.scores.double().numpy()
    after = left_out(examples, report) if after is None else after
    truth, known = examples.truth, examples.known
    places, place = np.unique(examples.places, return_inverse=True)
    random = np.random.default_rng(seed)
    drawn = random.multinomial(len(places), np.full(len(places), 1 / len(places)), _RESAMPLES)
    weights = drawn.astype(np.float64)[:, place]
    losses = [known * log_loss(made, truth) for made in (before, after)]
    loss = _loss_change(losses[0].sum(axis=1), losses[1].sum(axis=1), known.sum(axis=1), weights)
    precision = _precision_change(before, after, truth, known, weights)
    per_class = {
        name: ClassChange(
            known=int(known[:, k].sum()),
            present=int((known & truth)[:, k].sum()),
            log_loss=_loss_change(losses[0][:, k], losses[1][:, k], known[:, k], weights),
        )
        for k, name in enumerate(classes)
        if known[:, k].any()
    }
    present, pairs = int((known & truth).sum()), int(known.sum())
    helps, reason = _verdict(len(places), present, pairs - present, loss, precision)
    return Judgement(
        n=len(examples),
        places=len(places),
        known=pairs,
        present=present,
        log_loss=loss,
        micro_ap=precision,
        per_class=per_class,
        helps=helps,
        reason=reason,
    )


def as_text(found: Judgement) -> str:
    """Return the judgement as a table of Markdown, with its reason."""
    lines = [
        f"{found.n} corrections at {found.places} places, each place left out once:",
        "",
        "| | known | present | before | after | gain |",
        "|---|---|---|---|---|---|",
        _row("micro AP", found.known, found.present, found.micro_ap),
        _row("log loss", found.known, found.present, found.log_loss),
        *(
            _row(f"log loss, {name}", one.known, one.present, one.log_loss)
            for name, one in found.per_class.items()
        ),
        "",
        found.reason,
    ]
    return "\n".join(lines)


def _row(what: str, known: int, present: int, change: Change) -> str:
    if change.gain is None:
        return f"| {what} | {known} | {present} | – | – | – |"
    span = "" if change.interval is None else " [{:+.3f}, {:+.3f}]".format(*change.interval)
    return (
        f"| {what} | {known} | {present} | {change.before:.3f} | {change.after:.3f} | "
        f"{change.gain:+.3f}{span} |"
    )


def _loss_change(
    before: Doubles, after: Doubles, known: npt.NDArray[np.generic], weights: Doubles
) -> Change:
    """Compare the sums of losses of patches, ``(patch,)`` each, per known pair."""
    counts = known.astype(np.float64)
    total = counts.sum()
    drawn = weights @ counts
    gains = np.divide(
        weights @ (before - after), drawn, out=np.full(len(drawn), np.nan), where=drawn > 0
    )
    old, new = before.sum() / total, after.sum() / total
    return Change(before=old, after=new, gain=old - new, interval=_interval(gains))


def _precision_change(
    before: Doubles, after: Doubles, truth: BoolArray, known: BoolArray, weights: Doubles
) -> Change:
    """Compare micro average precision over the known pairs."""
    rows, _ = np.nonzero(known)
    flat = truth[known]
    if flat.all() or not flat.any():
        return Change(before=None, after=None, gain=None, interval=None)
    whole = np.ones((1, len(flat)))
    old, new = (
        float(weighted_average_precision(flat, z[known], whole)[0]) for z in (before, after)
    )
    parts = np.array_split(weights, max(1, len(weights) * len(flat) // _AT_ONCE))
    gains = np.concatenate(
        [
            weighted_average_precision(flat, after[known], part[:, rows])
            - weighted_average_precision(flat, before[known], part[:, rows])
            for part in parts
        ]
    )
    return Change(before=old, after=new, gain=new - old, interval=_interval(gains))


def _interval(values: Doubles) -> Interval | None:
    low, high = interval(values)
    return (low, high) if np.isfinite(low) and np.isfinite(high) else None


def _verdict(
    places: int, present: int, absent: int, loss: Change, precision: Change
) -> tuple[bool, str]:
    """Decide whether the adaptation helps, and say why."""
    if places < LEAST:
        return False, f"Whether it helps cannot be told from {places} places: correct {LEAST}."
    if min(present, absent) < LEAST or precision.gain is None:
        return False, (
            f"Whether it helps cannot be told from {present} classes that are there and {absent} "
            f"that are not: {LEAST} of each are needed, so also strike classes out."
        )
    low = None if loss.interval is None else loss.interval[0]
    if low is None or low <= 0:
        return False, (
            "It is not certain to help: at places left out, the log loss does not fall beyond its "
            "interval."
        )
    if precision.gain < 0:
        return False, "It does not help: at places left out, micro average precision falls."
    return True, (
        f"It helps at places left out: micro average precision {precision.before:.3f} → "
        f"{precision.after:.3f}, log loss {loss.before:.3f} → {loss.after:.3f}."
    )
