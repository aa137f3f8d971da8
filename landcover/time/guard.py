"""Whether two maps can be compared: what is refused, and what is warned of.

Most of what differs between two images is not the land cover: sun and season, cloud, processing,
another model. What makes a comparison meaningless is refused; the rest is said beside the result.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from landcover.core.errors import BadInput
from landcover.core.text import listed, plain
from landcover.time.dated import HAZY, DateMap, Facts
from landcover.time.trend import SEASON_DAYS, season_gap

__all__ = ["HIDDEN", "LEAST_SEEN", "OFFSET", "UNLIKE", "Pair", "check_facts", "checked_pair"]

HIDDEN: Final = 0.1
"""Share of the area that is hidden at either date from which there is a warning."""
LEAST_SEEN: Final = 0.05
"""Share of the area that must be seen at both dates."""
UNLIKE: Final = 0.5
"""Share of windows unlike anything learnt from which there is a warning."""
OFFSET: Final = 0.07
"""Difference of the darkest ground in its darkest band from which there is a warning; the offset is
0.1, and the clear dates of Boadella differ by at most 0.02."""
_OFFSET_BASELINE: Final = (4, 0)
"""ESA's processing baseline from which digital numbers have an offset of 1000."""
_GRID_M: Final = 0.5
"""Metres by which the corners of two grids may differ."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two maps that can be compared, in the order of their dates.

    Attributes:
        before, after: the maps.
        warnings: one sentence for each reason to be careful.
    """

    before: DateMap
    after: DateMap
    warnings: tuple[str, ...]


def checked_pair(a: DateMap, b: DateMap) -> Pair:
    """Check that two maps can be compared, and bring them into the order of their dates.

    Raises:
        BadInput: they are of one date, of different grids, models, cards, levels or areas, or
            almost no cell is seen at both dates.
    """
    _check_same(a, b)
    warnings = []
    when = a.facts.acquired, b.facts.acquired
    if when[0] is not None and when[1] is not None and when[0] > when[1]:
        a, b = b, a
        warnings.append(
            f"The first map is of {b.facts.day} and the second of {a.facts.day}: they were "
            "swapped, so that change runs forward in time."
        )
    warnings += [
        *_dates(a.facts, b.facts),
        *_processing(a.facts, b.facts),
        *_darkness(a, b),
        *_view(a, b),
    ]
    return Pair(before=a, after=b, warnings=tuple(warnings))


def check_facts(one: Facts, other: Facts) -> None:
    """Check what two images state of themselves, which is known before they are mapped.

    Raises:
        BadInput: they are of one day, or of different levels.
    """
    if one.level != other.level:
        raise BadInput(
            f"{_name(one)} is {one.level} and {_name(other)} is {other.level}, whose reflectances "
            f"differ everywhere: use {one.level} products of both dates."
        )
    when = one.acquired, other.acquired
    if when[0] is not None and when[1] is not None and when[0].date() == when[1].date():
        raise BadInput(f"Both are of {one.day}: give images of two dates.")


def _check_same(a: DateMap, b: DateMap) -> None:
    one, other = a.facts, b.facts
    check_facts(one, other)
    if (one.model, one.card) != (other.model, other.card):
        how = (
            f"by {plain(one.model)} and {plain(other.model)}"
            if one.model != other.model
            else f"by two versions of {plain(one.model)}"
        )
        raise BadInput(
            f"The maps were made {how}, so that they differ where nothing changed: map both with "
            "the same model."
        )
    if a.covers != b.covers or not a.covers:
        raise BadInput(
            "The maps do not have the same covers: map both with a model that maps cover "
            "(see `landcover models`)."
        )
    if a.grid.crs != b.grid.crs:
        raise BadInput(
            f"The maps are in {a.grid.crs[:40]} and {b.grid.crs[:40]}: give the two images, so "
            "that both are mapped on one grid."
        )
    if (a.grid.width, a.grid.height) != (b.grid.width, b.grid.height) or any(
        abs(x - y) > _GRID_M for x, y in zip(a.grid.transform, b.grid.transform, strict=True)
    ):
        raise BadInput(
            "The maps do not have the same cells: give the two images, or map both with the same "
            "--area."
        )


def _dates(before: Facts, after: Facts) -> Iterator[str]:
    if before.acquired is None or after.acquired is None:
        unknown = [_name(each) for each in (before, after) if each.acquired is None]
        yield (
            f"{listed(unknown)} state{'s' * (len(unknown) == 1)} no single date, so neither "
            "seasons nor the order of the dates were checked."
        )
        return
    apart = season_gap(before.acquired, after.acquired)
    if apart > SEASON_DAYS:
        yield (
            f"{before.day} and {after.day} are {apart} days of the year apart: crops, leaves and "
            "water levels change with the season, so choose dates of one season to see lasting "
            "change."
        )


def _darkness(before: DateMap, after: DateMap) -> Iterator[str]:
    """Whether one of two images still has the offset of its numbers."""
    one, other = before.dark, after.dark
    if one is not None and other is not None and abs(one - other) > OFFSET:
        brighter = before if one > other else after
        yield (
            f"Even the darkest ground of {brighter.facts.day} is brighter by "
            f"{abs(one - other):.2f} in all bands, as if an offset of 1000 was left in its "
            "numbers: check its processing baseline."
        )


def _processing(before: Facts, after: Facts) -> Iterator[str]:
    one, other = before.baseline, after.baseline
    if one == other:
        return
    if one is None or other is None:
        unknown = before if one is None else after
        yield (
            f"{_name(unknown)} does not state its processing baseline, so an offset of its "
            "numbers could be taken for change: check that dark water has about 0 at both dates."
        )
    elif (_number(one) >= _OFFSET_BASELINE) != (_number(other) >= _OFFSET_BASELINE):
        # Of several scenes the scaling is that of each block.
        ways = (plain(before.scaling), plain(after.scaling))
        how = f" ({ways[0]}; {ways[1]})" if ways[0] != ways[1] else ""
        yield (
            f"The processing baselines are {plain(one)} and {plain(other)}, of which one adds 1000 "
            f"to all numbers: it was removed{how}, but do not take small differences of brightness "
            "for change."
        )
    else:
        yield (
            f"The processing baselines are {plain(one)} and {plain(other)}: do not take small "
            "differences of brightness for change."
        )


def _view(before: DateMap, after: DateMap) -> Iterator[str]:
    inside = before.inside & after.inside
    both = before.seen & after.seen
    share = float(both.sum() / inside.sum()) if inside.any() else 0.0
    said = [
        f"{each.hidden_text} on {each.facts.day}."
        for each in (before, after)
        if each.hidden_share > HIDDEN
    ]
    if share < LEAST_SEEN:
        why = f": {' '.join(said)[:200]}" if said else ""
        raise BadInput(
            f"Only {share:.0%} of the area is in clear view at both dates, so change cannot be "
            f"told{why.removesuffix('.')}; choose clearer dates."
        )
    yield from (f"{each} Those cells are “can't tell”." for each in said)
    for each in (before, after):
        if each.haze > HAZY:
            yield (
                f"{each.haze:.0%} of the land is hazy on {each.facts.day}, which looks like change "
                "and is none: choose a clearer date."
            )
        if each.unlike_share > UNLIKE:
            yield (
                f"{each.unlike_share:.0%} of the windows of {each.facts.day} are unlike anything "
                "that the model learnt: look at the picture, or choose another date."
            )


def _name(facts: Facts) -> str:
    return f"'{plain(facts.source)[:80]}'"


def _number(baseline: str) -> tuple[int, ...]:
    """Such as (4, 0) of "04.00"; (0,) of what is no baseline."""
    parts = baseline.split(" ", maxsplit=1)[0].split(".")
    return tuple(int(part) for part in parts) if all(p.isdigit() for p in parts) else (0,)
