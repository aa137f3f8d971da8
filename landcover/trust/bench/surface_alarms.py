"""How often each check of the pixels flags good patches of one kind of ground.

A check that is silent on most land may still fail on water, bright soil, snow or roofs: a rate
over all patches hides that. The kinds are told apart by the spectrum
(:mod:`landcover.trust.surfaces`), and built-up land from bare soil by the data set's labels. No
model takes part: novelty and the answer are measured in :mod:`landcover.trust.bench.measure`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from landcover.core.raster import Raster
from landcover.core.schema import Schema
from landcover.trust import surfaces
from landcover.trust.assessment import drop_repeats
from landcover.trust.bench.records import Rate
from landcover.trust.pixel_checks import cells as cells_of
from landcover.trust.pixel_checks import pixel_findings, snow_share
from landcover.trust.quality import findings

__all__ = ["BUILT_UP", "GROUNDS", "SurfaceAlarms", "surface_alarms"]

BUILT_UP: Final = frozenset({"Urban fabric", "Industrial or commercial units"})
_SNOW: Final = 0.25


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What a patch shows: share of each surface, share of snow, and its labels."""

    shares: Mapping[str, float]
    snow: float
    labels: frozenset[str]


GROUNDS: Final[dict[str, tuple[str, Callable[[Ground], bool]]]] = {
    "water": ("half and more is water", lambda g: g.shares["water"] >= 0.5),
    "bare soil": (
        "a quarter and more is bare; no snow, neither urban nor industrial",
        lambda g: (
            g.shares["bare or built ground"] >= 0.25 and g.snow < _SNOW and not g.labels & BUILT_UP
        ),
    ),
    "built-up land": (
        "labelled urban or industrial, a tenth and more is bare or built",
        lambda g: g.shares["bare or built ground"] >= 0.1 and bool(g.labels & BUILT_UP),
    ),
    "snow": ("a quarter and more is snow", lambda g: g.snow >= _SNOW),
    "dark vegetation": (
        "half and more is dark vegetation",
        lambda g: g.shares["dark vegetation"] >= 0.5,
    ),
    "bright vegetation": (
        "half and more is bright vegetation",
        lambda g: g.shares["bright vegetation"] >= 0.5,
    ),
}
"""Kind of ground → its rule in words, and as a function."""


class SurfaceAlarms(Schema):
    """Alarms on the patches of one kind of ground.

    Attributes:
        rule: which patches they are.
        any_check: share of patches that any check of the pixels flags.
        checks: check → share of patches, for those with an alarm.
    """

    rule: str
    any_check: Rate
    checks: dict[str, Rate]


def surface_alarms(
    patches: Iterable[tuple[Raster, frozenset[str]]],
) -> dict[str, SurfaceAlarms]:
    """Count the alarms of each check on good patches, for each of :data:`GROUNDS`.

    A patch may count for several kinds, or for none.

    Args:
        patches: clear patches of twelve bands with their labels; empty if unknown.
    """
    n: Counter[str] = Counter()
    flagged: Counter[str] = Counter()
    alarms: dict[str, Counter[str]] = {name: Counter() for name in GROUNDS}
    for patch, labels in patches:
        found = set(_checks(patch))
        kinds = surfaces.surfaces(patch)
        if kinds is None:
            continue
        snow = snow_share(cells_of(patch))
        ground = Ground(shares=surfaces.shares(kinds), snow=snow, labels=labels)
        for name, (_, belongs) in GROUNDS.items():
            if belongs(ground):
                n[name] += 1
                flagged[name] += bool(found)
                alarms[name].update(found)
    return {
        name: SurfaceAlarms(
            rule=rule,
            any_check=Rate.of(flagged[name], n[name]),
            checks={k: Rate.of(hits, n[name]) for k, hits in alarms[name].most_common()},
        )
        for name, (rule, _) in GROUNDS.items()
    }


def _checks(patch: Raster) -> Iterator[str]:
    """Yield the checks of the pixels that flag a patch."""
    found = [*findings(patch), *pixel_findings(patch)]
    yield from (one.check for one in drop_repeats(found) if one.about == "pixels")
