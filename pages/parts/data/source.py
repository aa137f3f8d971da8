"""Which part of the data the page shows, and what it has."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import streamlit as st

from landcover.core.text import listed
from landcover.datasets import overview
from landcover.datasets.overview import Counts
from pages.parts.shared import charts as show

FILTERS: Final = {"split": "Split", "country": "Country", "season": "Season"}
"""Axis of the counts → its title; each can be limited to one value."""
EVERY: Final = {"split": "All splits", "country": "All countries", "season": "All seasons"}


def chosen(counts: Counts) -> tuple[Counts, dict[str, str]]:
    """Let the user choose a part that has patches.

    Returns:
        its counts, and the axes that are limited, with the only value of each.
    """
    limits = {}
    for column, (axis, title) in zip(st.columns(3), FILTERS.items(), strict=True):
        with column:
            options = [EVERY[axis], *(name for name in counts.totals(axis) if name)]
            value = show.pick(title, options, f"data_{axis}")
        if value != EVERY[axis]:
            counts, limits[axis] = _part(counts, axis, value), value
    return counts, limits


@lru_cache(maxsize=32)
def _part(counts: Counts, axis: str, value: str) -> Counts:
    return counts.where(axis, value)


def sentence(part: Counts) -> str:
    """Say how many patches the figures are of."""
    n = part.n
    labels = sum(k * count for k, count in overview.labels_per_patch(part).items())
    tiles = len([name for name in part.totals("tile") if name])
    days = len([name for name in part.totals("day") if name])
    countries = len([name for name in part.totals("country") if name])
    counted = [
        f"{count} {singular if count == 1 else plural}"
        for count, singular, plural in (
            (countries, "country", "countries"),
            (tiles, "Sentinel-2 tile", "Sentinel-2 tiles"),
            (days, "day", "days"),
        )
        if count
    ]
    said = f"**{n:,} patches** of 1200 m with {labels / n:.2f} labels on average"
    return f"{said}, of {listed(counted)}." if counted else f"{said}."
