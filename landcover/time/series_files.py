"""A series as text, tables and JSON."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

from landcover import __version__
from landcover.core.text import no_formula, plain
from landcover.time.moments import Moment
from landcover.time.series import Series
from landcover.time.trend import Trend

__all__ = ["INDEX", "as_json", "as_text", "dates_csv", "months_csv"]

INDEX: Final = "Water by its index"
"""Name of the water that green above near infrared shows, in tables."""
_SHOWN: Final = 5
"""Classes of the presence that the text shows, those with the highest probability at any date."""


def dates_csv(series: Series) -> bytes:
    """A row for each date and each cover or class; a gap has one row with its reason."""
    out = io.StringIO()
    lines = csv.writer(out, lineterminator="\n")
    lines.writerow(
        ("date", "source", "measure", "name", "value", "low", "high", "hidden", "gap", "caution")
    )
    for one in series.moments:
        start = (one.facts.day, no_formula(plain(one.facts.source)))
        hidden = f"{sum(one.hidden.values()):.4f}"
        end = (hidden, no_formula(one.gap), no_formula(one.caution))
        if one.gap:
            lines.writerow((*start, "", "", "", "", "", *end))
        for name, area in one.hectares.items():
            numbers = (f"{value:.2f}" for value in (area.value, area.low, area.high))
            lines.writerow((*start, "hectares", no_formula(name), *numbers, *end))
        if one.index_water is not None:
            lines.writerow(
                (*start, "hectares by index", INDEX, f"{one.index_water:.2f}", "", "", *end)
            )
        for name, chance in one.presence.items():
            lines.writerow((*start, "probability", no_formula(name), f"{chance:.4f}", "", "", *end))
    return out.getvalue().encode()


def months_csv(series: Series) -> bytes:
    """Hectares of each month and cover; a month without values has one row with its reason."""
    out = io.StringIO()
    lines = csv.writer(out, lineterminator="\n")
    lines.writerow(("month", "cover", "hectares", "low_ha", "high_ha", "dates", "unseen_ha", "gap"))
    for one in series.months:
        end = (one.dates, f"{one.unseen:.2f}", no_formula(one.gap))
        if not one.hectares:
            lines.writerow((one.month, "", "", "", "", *end))
        for name, area in one.hectares.items():
            numbers = (f"{value:.2f}" for value in (area.value, area.low, area.high))
            lines.writerow((one.month, no_formula(name), *numbers, *end))
    return out.getvalue().encode()


def as_json(series: Series) -> str:
    """Everything but the pictures, as one JSON object."""
    record = {
        "where": series.where,
        "hectares": round(series.whole, 2),
        "notes": list(series.notes),
        "model": series.model,
        "dates": [_moment(one) for one in series.moments],
        "months": [asdict(one) for one in series.months],
        "hectare_trends": {name: _trend(one) for name, one in series.hectare_trends.items()},
        "probability_trends": {name: _trend(one) for name, one in series.presence_trends.items()},
        "index_water_trend": None if series.index_trend is None else _trend(series.index_trend),
        "failed": [{"source": source, "reason": reason} for source, reason in series.failed],
        "software": f"landcover {__version__}",
    }
    return json.dumps(record, ensure_ascii=False, allow_nan=False)


def as_text(series: Series) -> str:
    """The series for a terminal: a line a date, then the trends."""
    columns = _columns(series)
    lines = [f"{series.where}, {series.whole:,.0f} ha", *series.notes, ""]
    index = any(one.index_water is not None for one in series.moments)
    names = [*columns, *(["water (NDWI)"] if index else [])]
    lines.append(" ".join(["date       hidden", *(f"{plain(name)[:14]:>14}" for name in names)]))
    lines += [_line(one, columns, series) for one in series.moments]
    lines += ["", *_trends(series, columns)]
    if series.index_trend is not None and index:
        lines.append(series.index_trend.sentence(INDEX, "ha"))
    return "\n".join(lines)


def _columns(series: Series) -> list[str]:
    """The covers that are anywhere, or without a cover head the most probable classes."""
    if series.hectare_trends:
        most = {
            name: max(
                (one.hectares[name].value for one in series.moments if one.hectares), default=0
            )
            for name in series.hectare_trends
        }
        return [name for name, value in most.items() if value > series.whole / 1000]
    chances = {
        name: max((one.presence.get(name, 0.0) for one in series.moments), default=0.0)
        for name in series.classes
    }
    return sorted(chances, key=lambda name: -chances[name])[:_SHOWN]


def _line(one: Moment, columns: list[str], series: Series) -> str:
    start = f"{one.facts.day[:10]:<10} {sum(one.hidden.values()):>6.0%}"
    if one.gap:
        return f"{start} no values: {one.gap}"
    if series.hectare_trends:
        cells = [f"{one.hectares[name].value:,.0f} ha" for name in columns]
    else:
        cells = [f"{one.presence.get(name, math.nan):.0%}" for name in columns]
    if one.index_water is not None:
        cells.append(f"{one.index_water:,.0f} ha")
    caution = f"  {one.caution}" if one.caution else ""
    return " ".join([start, *(f"{cell:>14}" for cell in cells)]) + caution


def _trends(series: Series, columns: list[str]) -> Iterator[str]:
    if series.hectare_trends:
        for name in columns:
            yield series.hectare_trends[name].sentence(name, "ha")
        return
    for name in columns:
        yield series.presence_trends[name].sentence(name, "probability")


def _moment(one: Moment) -> dict[str, Any]:
    return {
        "date": one.facts.acquired.isoformat() if one.facts.acquired else None,
        "source": plain(one.facts.source),
        "gap": one.gap or None,
        "caution": one.caution or None,
        "hidden": dict(one.hidden),
        "probability": dict(one.presence),
        "hectares": {name: asdict(area) for name, area in one.hectares.items()},
        "index_water_hectares": one.index_water,
    }


def _trend(one: Trend) -> dict[str, Any]:
    """JSON has no NaN."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in asdict(one).items()
    }
