"""Which data the page shows: all of BigEarthNet by the shipped counts, and which part of it."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import streamlit as st

from landcover.datasets import overview
from landcover.datasets.overview import Counts
from pages.parts.models import charts as show

FILTERS: Final = {"split": "Split", "country": "Country", "season": "Season"}
"""Axis of the counts → its title; each can be limited to one value."""
EVERY: Final = {"split": "All splits", "country": "All countries", "season": "All seasons"}


def chosen() -> Counts:
    """Let the user choose a part of the data that has patches; return its counts."""
    counts = overview.shipped()
    for column, (axis, title) in zip(st.columns(3), FILTERS.items(), strict=True):
        with column:
            options = [EVERY[axis], *(name for name in counts.totals(axis) if name)]
            value = show.pick(title, options, f"data_{axis}")
        if value != EVERY[axis]:
            counts = _part(counts, axis, value)
    return counts


@lru_cache(maxsize=32)
def _part(counts: Counts, axis: str, value: str) -> Counts:
    return counts.where(axis, value)


def sentence(part: Counts) -> str:
    """Say how many patches the figures are of."""
    n = part.n
    labels = sum(k * count for k, count in overview.labels_per_patch(part).items())
    tiles = len([name for name in part.totals("tile") if name])
    days = len([name for name in part.totals("day") if name])
    return (
        f"**{n:,} patches** of 1200 m with {labels / n:.2f} labels on average, of "
        f"{len(part.totals('country'))} countries, {tiles} Sentinel-2 tiles and {days} days."
    )
