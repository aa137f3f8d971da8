"""What became of an area between two dates: a change layer, and a balance in hectares.

The layer shows a change where both images together say so clearly
(:mod:`landcover.time.transitions`). The balance does not count the layer, which leaves out what is
not clear, nor the cells whose two answers differ, most of which are errors. It adds up the
probabilities of each transition. That is the change which both images support; the maps by
themselves, each corrected for its errors (Olofsson et al. 2014), usually differ by more. Intervals
reach from one to the other, because neither knows what of the difference is the light and the
plants of the day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from landcover.areas.block import encoded
from landcover.areas.hectares import CELL_HA
from landcover.areas.layout import NODATA
from landcover.core.errors import BadInput
from landcover.core.raster import BoolArray, ByteArray
from landcover.core.window import Window
from landcover.metrics.area_estimate import Clustered
from landcover.time import transitions as of
from landcover.time.dated import DateMap, Facts
from landcover.time.guard import checked_pair
from landcover.time.transitions import Cells, Doubles, Evidence

__all__ = [
    "CANT_TELL",
    "FIRST_PAIR",
    "OUTSIDE",
    "THRESHOLD",
    "UNCHANGED",
    "Change",
    "Estimate",
    "Row",
    "check_threshold",
    "compare",
    "names_of",
    "pairs_of",
]

THRESHOLD: Final = 0.8
"""Probability of a change from which it is shown."""
OUTSIDE, CANT_TELL, UNCHANGED, FIRST_PAIR = range(4)
"""Values of the change layer; from ``FIRST_PAIR`` on, the pairs of :func:`pairs_of`."""
MOST_COVERS: Final = 16
"""Covers whose pairs fit into a byte."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Row:
    """The balance of a group of covers, in hectares, over the cells that are seen at both dates.

    Attributes:
        group: its name.
        before, after: its area at both dates: the mean of both maps, corrected for their errors,
            less and more half of the change.
        net: after minus before.
        gain: what became it, as far as both images support it.
        loss: what it was and is no more, likewise.
        mapped_gain, mapped_loss: the same as counted from the most probable cover of each cell,
            which overstates them.
    """

    group: str
    before: Estimate
    after: Estimate
    net: Estimate
    gain: Estimate
    loss: Estimate
    mapped_gain: float
    mapped_loss: float


@dataclass(frozen=True, kw_only=True)
class Change:
    """What became of an area.

    Attributes:
        before, after: what the two maps come from.
        grid: cells of 80 m.
        covers: names of the cover classes.
        layer: uint8 ``(row, column)``: :data:`OUTSIDE`, :data:`CANT_TELL`, :data:`UNCHANGED`, or
            the number of a pair of covers.
        chance: probability of change in steps of 0.004; 255 where it is not known.
        rows: the balance of each group.
        seen: hectares seen at both dates.
        hidden: hectares of the area that are not.
        differing: share of the seen cells whose two answers differ.
        changed: estimate of the share that changed.
        false: of the cells whose answers differ, the estimated share in which nothing changed.
        shown: share of the seen cells that the layer shows as changed.
        shown_false: of those, the estimated share in which nothing changed; 0 if there are none.
        independent: the share that would differ though nothing changed, if the errors of both
            dates were independent; None without a measured error matrix.
        threshold: probability from which a change is shown.
        warnings: one sentence for each reason to be careful.
    """

    before: Facts
    after: Facts
    grid: Window
    covers: tuple[str, ...]
    layer: ByteArray
    chance: ByteArray
    rows: tuple[Row, ...]
    seen: float
    hidden: float
    differing: float
    changed: Estimate
    false: Estimate
    shown: float
    shown_false: float
    independent: Estimate | None
    threshold: float
    warnings: tuple[str, ...]


def pairs_of(covers: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The pairs from → to of the change layer, from its value 3 on."""
    return tuple((a, b) for a in covers for b in covers if a != b)


def names_of(covers: Sequence[str]) -> tuple[str, ...]:
    """Names of the values of the change layer, from 0."""
    pairs = (f"{a} → {b}" for a, b in pairs_of(covers))
    return ("outside the area", "can't tell", "no change shown", *pairs)


def compare(
    a: DateMap,
    b: DateMap,
    *,
    threshold: float = THRESHOLD,
    reference: Clustered | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
) -> Change:
    """Find the change between two maps of an area.

    Args:
        a: one map.
        b: the map of another date, before or after it.
        threshold: probability of a change from which it is shown, 0.5 to 0.99.
        reference: the measured errors of the map, which correct the areas; None to use the
            probabilities alone.
        groups: the covers of each group for which hectares are given; None for each by itself.

    Raises:
        BadInput: the maps cannot be compared (:mod:`landcover.time.guard`).
    """
    check_threshold(threshold)
    pair = checked_pair(a, b)
    covers = pair.before.covers
    if len(covers) > MOST_COVERS:
        raise BadInput(
            f"The maps have {len(covers)} covers and a change layer holds the pairs of "
            f"{MOST_COVERS}: choose a model with fewer."
        )
    inside = pair.before.inside & pair.after.inside
    seen = inside & pair.before.seen & pair.after.seen
    cells = Cells.of(pair.before.chances, pair.after.chances, seen)
    found = of.transitions(cells)
    evidence = of.evidence_of(cells, found)
    layer, chance = _layers(inside, seen, evidence, len(covers), threshold)
    mapped = np.zeros((len(covers), len(covers)))
    np.add.at(mapped, (cells.before.argmax(axis=0), cells.after.argmax(axis=0)), 1.0)
    shown = evidence.changed >= threshold
    usual = groups or {name: (name,) for name in covers}
    true = None if reference is None else of.truths(reference)
    return Change(
        before=pair.before.facts,
        after=pair.after.facts,
        grid=pair.before.grid,
        covers=covers,
        layer=layer,
        chance=chance,
        rows=_balance(evidence, mapped, covers, usual, true),
        seen=cells.count * CELL_HA,
        hidden=int((inside & ~seen).sum()) * CELL_HA,
        differing=float(1 - np.trace(mapped) / cells.count),
        changed=_changed(evidence),
        false=_false(cells, evidence),
        shown=float(shown.mean()),
        shown_false=float(1 - evidence.changed[shown].mean()) if shown.any() else 0.0,
        independent=None if true is None else _independent(true, mapped),
        threshold=threshold,
        warnings=pair.warnings,
    )


def check_threshold(threshold: float) -> None:
    """Check a probability from which a change is shown.

    Raises:
        BadInput: it is not between 0.5 and 0.99.
    """
    if not 0.5 <= threshold <= 0.99:
        raise BadInput(
            f"A change is shown from a probability of 0.5 to 0.99, not {threshold:g}: choose "
            f"{THRESHOLD}."
        )


def _layers(
    inside: BoolArray, seen: BoolArray, evidence: Evidence, covers: int, threshold: float
) -> tuple[ByteArray, ByteArray]:
    layer = np.where(inside, CANT_TELL, OUTSIDE).astype(np.uint8)
    chance = np.full(inside.shape, NODATA, dtype=np.uint8)
    chance[seen] = encoded(evidence.changed)
    # The pairs of one cover come together, and leave out the pair of it with itself.
    before, after = evidence.before.astype(np.intp), evidence.after.astype(np.intp)
    numbers = FIRST_PAIR + before * (covers - 1) + after - (after > before)
    layer[seen] = np.where(evidence.changed >= threshold, numbers, UNCHANGED)
    return layer, chance


def _changed(evidence: Evidence) -> Estimate:
    return _estimate(1 - np.trace(_with_draws(evidence.by_block), axis1=1, axis2=2))


def _with_draws(by_block: Doubles) -> Doubles:
    """What blocks hold as shares of 1: first as it is, then resampled."""
    whole = by_block.sum(axis=0)[None]
    return np.concatenate([whole / np.maximum(whole.sum(), 1e-12), of.resampled(by_block)])


def _false(cells: Cells, evidence: Evidence) -> Estimate:
    """Of the cells whose answers differ, the share in which nothing changed."""
    differs = cells.before.argmax(axis=0) != cells.after.argmax(axis=0)
    if not differs.any():
        return Estimate(value=0.0, low=0.0, high=0.0)
    block, changed = cells.block[differs], evidence.changed[differs]
    blocks = len(evidence.by_block)
    both = np.zeros((blocks, 2))
    both[:, 0] = np.bincount(block, 1 - changed, minlength=blocks)
    both[:, 1] = np.bincount(block, changed, minlength=blocks)
    return _estimate(_with_draws(both)[:, 0])


def _independent(true: Doubles, mapped: Doubles) -> Estimate:
    own = (mapped.sum(axis=0) + mapped.sum(axis=1)) / (2 * mapped.sum())
    return _estimate(of.independent_false_change(true, own))


def _balance(
    evidence: Evidence,
    mapped: Doubles,
    covers: tuple[str, ...],
    groups: Mapping[str, Sequence[str]],
    true: Doubles | None,
) -> tuple[Row, ...]:
    member = _membership(covers, groups)
    by_block = member @ evidence.by_block @ member.T
    total = float(evidence.by_block.sum())
    draws = _with_draws(by_block)
    shares = [mapped.sum(axis=axis) / mapped.sum() for axis in (1, 0)]
    # Both dates have the same draw of the errors, because the same map errs in the same way.
    before, after = ((share if true is None else share @ true) @ member.T for share in shares)
    rows = []
    counted = member @ mapped @ member.T * CELL_HA
    for k, name in enumerate(groups):
        hectares = total * CELL_HA
        found = _estimates(draws * hectares, before[..., k] * hectares, after[..., k] * hectares, k)
        rows.append(
            Row(
                group=name,
                **found,
                mapped_gain=float(counted[:, k].sum() - counted[k, k]),
                mapped_loss=float(counted[k].sum() - counted[k, k]),
            )
        )
    return tuple(rows)


def _estimates(draws: Doubles, before: Doubles, after: Doubles, k: int) -> dict[str, Estimate]:
    """The balance of a group, in hectares.

    Args:
        draws: of the transitions that both images support ``(draw, group, group)``.
        before: area of the group in the first map, corrected, ``(draw,)`` or a number.
        after: the same of the second map.
        k: number of the group.
    """
    same = draws[:, k, k]
    gain, loss = draws[:, :, k].sum(axis=1) - same, draws[:, k].sum(axis=1) - same
    net = gain - loss
    # A cover has lost no more than it had, and gained no more than it has.
    middle = np.maximum((before + after) / 2, (gain + loss) / 2)
    maps = after - before + np.zeros_like(net)
    low = min(of.interval_of(net)[0], of.interval_of(maps)[0])
    high = max(of.interval_of(net)[1], of.interval_of(maps)[1])
    more, less = high - of.interval_of(net)[1], of.interval_of(net)[0] - low
    return {
        "before": _area(_estimate(middle - net / 2, below=more / 2, above=less / 2)),
        "after": _area(_estimate(middle + net / 2, below=less / 2, above=more / 2)),
        "net": _estimate(net, below=less, above=more),
        "gain": _estimate(gain, above=more),
        "loss": _estimate(loss, above=less),
    }


def _membership(covers: tuple[str, ...], groups: Mapping[str, Sequence[str]]) -> Doubles:
    """1 where a cover belongs to a group ``(group, cover)``; a last row takes the others."""
    rows = [[float(cover in members) for cover in covers] for members in groups.values()]
    found = np.array(rows).reshape(len(groups), len(covers))
    return np.vstack([found, np.maximum(1 - found.sum(axis=0), 0)])


def _area(one: Estimate) -> Estimate:
    """No area is below 0."""
    return Estimate(value=max(one.value, 0.0), low=max(one.low, 0.0), high=max(one.high, 0.0))


def _estimate(draws: Doubles, *, below: float = 0.0, above: float = 0.0) -> Estimate:
    """The first draw, and the interval of all, moved outwards."""
    value = float(draws[0])
    low, high = of.interval_of(draws)
    return Estimate(value=value, low=min(low, value) - below, high=max(high, value) + above)
