"""What a model's decisions are worth in countries that were left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from landcover.core.errors import CorruptModel
from landcover.evaluate.report import LabelSetCoverage, LabelSetShares, ShareName
from landcover.models import registry
from landcover.models.card import RGB
from landcover.trust import place_record, place_text
from landcover.trust.place_record import WAYS, NoveltyByPlace, PlaceDecisions, Way
from pages.parts.models import data, places
from pages.parts.shared import charts as show
from pages.parts.shared import elements, theme

NEAR_REPORT: Final = "this model's report"
_SCORES: Final = {
    "log_loss": "Log loss",
    "ece": "ECE",
    "macro_f1": "Macro F1",
    "micro_f1": "Micro F1",
}
_ALL: Final = "all countries"


@show.section
def render(entry: data.Entry) -> None:
    """Show label sets, calibration, F1 and novelty in left-out countries."""
    found = _known(entry)
    if found is None:
        return
    st.markdown(
        f"Each of {len(found.places)} countries ({found.n:,} patches of {found.products} products) "
        "was left out in turn: a net scored it, and choices decided on it, that had not seen it. "
        + place_text.guarantee(found)
    )
    st.caption(
        "; ".join(f"{way}: {meaning}" for way, meaning in WAYS.items() if way in _ways(found))
        + ". Intervals: 95 % over products."
    )
    _label_sets(entry, found)
    elements.subheading("Are the probabilities right there, and the decisions?")
    scores = _scores(found)
    name = f"left-out-scores-{entry.name}"
    show.numbers(scores, name, "Calibration and F1 in left-out countries, by way of deciding")
    show.download(scores, name)
    if found.novelty is not None:
        _novelty(entry, found.novelty)


def _known(entry: data.Entry) -> PlaceDecisions | None:
    """Return the measurement of a model; show a message if there is none."""
    if entry.card.level == RGB:
        st.info("Colour pictures do not name their country, so none can be left out.")
        return None
    try:
        found = place_record.load(registry.default().folder(entry.name), entry.card.hash)
    except CorruptModel as error:
        st.warning(theme.literal(str(error)))
        return None
    if found is None:
        st.info(
            f"What {theme.literal(entry.card.title)} decides has not been measured in left-out "
            "countries, so it calls nothing certain. Run `landcover evaluate ROOT --dataset "
            "bigearthnet --by country --features --out OUT` for its recipe, then `landcover trust "
            "by-place --predictions OUT/RECIPE --save`."
        )
    return found


def _ways(found: PlaceDecisions) -> list[Way]:
    return [way for way in WAYS if way in found.label_sets or way in found.overall.ways]


def _label_sets(entry: data.Entry, found: PlaceDecisions) -> None:
    elements.subheading("Does “certain” hold in a country that was left out?")
    said = ", ".join(map(data.short, found.said)) or "none"
    st.markdown(
        f"Land covers that can be called certain: {theme.literal(said)}. The target is "
        f"{found.wanted_coverage:.0%}.\n\n{places.summary(_placed(found), found.wanted_coverage)}"
    )
    by = show.switch("By", ("Class", "Country"), "models_left_out_by")
    what = show.pick(
        "Share", list(places.SHARES), "models_left_out_share", lambda key: places.SHARES[key]
    )
    sides = _sides(entry, found)
    table = _table(by, sides, what)
    drawn = table[table["Share"].notna()]
    if drawn.empty:
        st.info("No case was marked so, so there is no share to show.")
        return
    title = f"{places.SHARES[what]}, by {by.lower()}, in left-out countries and near"
    figure = _dots(drawn, by, found.wanted_coverage)
    st.caption(
        "A land cover that misses the target here is never ruled out, or not called certain; the "
        "shares are those before this."
    )
    show.chart(figure, table, show.file_stem("left-out", entry.name, by, what), title)


def _placed(found: PlaceDecisions) -> LabelSetCoverage:
    return found.label_sets["by place"]


def _sides(entry: data.Entry, found: PlaceDecisions) -> dict[str, LabelSetCoverage]:
    """The coverage in left-out countries by way, and that of the report near the training data."""
    sides = {way: one for way in WAYS if (one := found.label_sets.get(way)) is not None}
    named: dict[str, LabelSetCoverage] = {f"left out, {way}": one for way, one in sides.items()}
    report = None if entry.report is None or entry.stale else entry.report.metrics
    if report is not None and report.label_set_coverage is not None:
        named[f"{NEAR_REPORT}, split {report.split}"] = report.label_set_coverage
    return named


def _table(by: str, sides: dict[str, LabelSetCoverage], what: ShareName) -> pd.DataFrame:
    rows = []
    for side, found in sides.items():
        items = found.per_class if by == "Class" else found.per_country
        for name, item in items.items():
            rows.append(_row(by, data.short(name) if by == "Class" else name, side, item, what))
    return pd.DataFrame(rows)


def _row(
    by: str, name: str, side: str, item: LabelSetShares, what: ShareName
) -> dict[str, str | float | int | None]:
    one = item.share_of(what)
    low, high = one.interval or (None, None)
    return {by: name, "Of": side, "Share": one.share, "Low": low, "High": high, "Cases": one.n}


def _dots(table: pd.DataFrame, by: str, wanted: float) -> go.Figure:
    """Draw the share of each name, one sign for each side, with intervals."""
    names: Sequence[str] = list(dict.fromkeys(table[by]))
    sides: Sequence[str] = list(dict.fromkeys(table["Of"]))
    row = {name: -k for k, name in enumerate(names)}
    figure = go.Figure()
    for k, side in enumerate(sides):
        own = table[table["Of"] == side]
        style = show.style(k)
        shift = 0.6 * (k / max(1, len(sides) - 1) - 0.5) if len(sides) > 1 else 0.0
        figure.add_scatter(
            x=own["Share"],
            y=[row[name] - shift for name in own[by]],
            error_x={
                "array": own["High"].fillna(own["Share"]) - own["Share"],
                "arrayminus": own["Share"] - own["Low"].fillna(own["Share"]),
                "symmetric": False,
                "thickness": 1.5,
                "width": 0,
            },
            mode="markers",
            name=side,
            marker={"color": style.colour, "symbol": style.symbol, "size": 9},
            customdata=own[[by, "Cases"]].to_numpy(),
            hovertemplate="%{customdata[0]}: %{x:.1%} of %{customdata[1]}"
            "<extra>%{fullData.name}</extra>",
        )
    figure.add_vline(x=wanted, line={"color": show.QUIET, "dash": "dash"})
    show.set_layout(figure, 160 + (18 * len(sides) + 12) * len(names))
    figure.update_layout(margin_t=10)
    figure.update_xaxes(title="Share (dashed: target)", tickformat=".0%", range=[-0.02, 1.02])
    figure.update_yaxes(
        tickvals=list(row.values()),
        ticktext=list(names),
        showgrid=False,
        range=[0.5 - len(names), 0.5],
    )
    return figure


def _scores(found: PlaceDecisions) -> pd.DataFrame:
    rows = []
    for name, part in ((_ALL, found.overall), *found.per_country.items()):
        for way, scores in part.ways.items():
            row: dict[str, object] = {"Country": name, "Patches": part.n, "Decided": way}
            for key, title in _SCORES.items():
                one = getattr(scores, key)
                low, high = one.interval or (None, None)
                row |= {title: one.value, f"{title} low": low, f"{title} high": high}
            rows.append(row)
    return pd.DataFrame(rows)


def _novelty(entry: data.Entry, found: NoveltyByPlace) -> None:
    elements.subheading("Are good patches there called unlike the training data?")
    rates = found.overall
    unlike, withheld, measured = (
        place_text.share_text(one)
        for one in (rates.unlike, rates.cannot_tell, rates.cannot_tell_by_place)
    )
    st.markdown(
        f"**{unlike}** of the patches of left-out countries are called unlike the training data, "
        f"and {withheld} would get no labels beyond twice the bound; {measured} beyond the "
        f"multiple that was measured in the other countries.{_errors(found)}"
    )
    table = pd.DataFrame(
        {
            "Country": name,
            "Patches": rates.n,
            "Called unlike": rates.unlike.share,
            "No labels": rates.cannot_tell.share,
            "No labels, by place": rates.cannot_tell_by_place.share,
        }
        for name, rates in ((_ALL, found.overall), *found.per_country.items())
    )
    name = f"left-out-novelty-{entry.name}"
    show.numbers(table, name, "Good patches called unlike the training data, by left-out country")
    show.download(table, name)


def _errors(found: NoveltyByPlace) -> str:
    if found.wrong_unlike is None or found.wrong_others is None:
        return ""
    span = found.difference.interval
    return (
        f" Of the classes of those called unlike {found.wrong_unlike:.1%} are decided wrongly, of "
        f"those of the others {found.wrong_others:.1%}"
        + (f" (difference {span[0]:+.1%} to {span[1]:+.1%})." if span else ".")
    )
