"""How good a model's verdicts are: false alarms, bad patches that are flagged, and risk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from landcover.core.errors import CorruptModel
from landcover.models import registry
from landcover.models.card import RGB, Card
from landcover.trust.bench import records
from landcover.trust.bench.records import GoodPatches, Origin, Rate, TrustGroup, TrustMeasurement
from pages.parts.models import data
from pages.parts.models.verdict_risk import render_risk
from pages.parts.shared import charts as show
from pages.parts.shared import elements, theme

ROW: Final = 34
"""Height of a bar with its text above it, pixels; it fits on a phone."""
REAL, MADE, GOOD = "bad, real scenes", "bad, corrupted good patches", "good, other regions"
FLAGGED: Final = "flagged"
PATTERNS: Final = {REAL: "", MADE: "/", GOOD: ".", FLAGGED: ""}
COLOURS: Final = {
    REAL: show.COLOURS[0],
    MADE: show.COLOURS[1],
    GOOD: show.QUIET,
    FLAGGED: show.COLOURS[0],
}
KINDS: Final = {
    "bad": "bad",
    "elsewhere": "good, of an unknown region",
    "good": "good and clear, of other places",
}


@dataclass(frozen=True)
class Bar:
    """A bar: a share with its interval, and the text above it."""

    text: str
    rate: Rate
    series: str


@show.section
def render(entry: data.Entry) -> None:
    """Show false alarms, bad patches that are flagged, and risk against coverage."""
    found = _known(entry.name, entry.card)
    if found is None:
        return
    _alarms(entry.card, found)
    _caught(entry.card, found)
    render_risk(entry.card, found)


def below_test(name: str, card: Card | None) -> None:
    """Show the risk curves of the verdict below the curve of a report on test patches."""
    if card is None or card.level == RGB:
        return
    found = _known(name, card)
    if found is None:
        return
    st.caption(
        "The curve above is for ordinary test patches, in the order of the model's confidence. The "
        f"curves below are for split {found.split}, also in the order of the verdict, and on "
        "request with deliberately corrupted patches among them."
    )
    render_risk(card, found)


def _known(name: str, card: Card) -> TrustMeasurement | None:
    """Return the measurement of a model; show a message if there is none."""
    if card.level == RGB:
        st.info(
            f"{theme.literal(card.title)} is for colour pictures, which lack the bands, the place "
            "and the date that most checks need. `landcover trust measure ROOT --dataset eurosat` "
            "measures what remains; the documentation of the verdict has the result."
        )
        return None
    try:
        found = records.load(registry.default().folder(name), card.hash)
    except CorruptModel as error:
        st.warning(theme.literal(str(error)))
        return None
    if found is None:
        st.info(
            f"The verdicts on {theme.literal(card.title)} have not been measured. Run "
            f"`landcover trust measure ROOT --dataset bigearthnet --model {name} --scenes DIR "
            "--save`, where ROOT is the folder of the data set and DIR holds real bad scenes "
            "(without them, only corrupted patches are measured)."
        )
    return found


def percent(rate: Rate) -> str:
    """Format such as ``3.8 % [2.0 %, 7.4 %] of 209``."""
    if rate.share is None:
        return "no patches"
    low, high = rate.interval
    return f"{rate.share:.1%} [{low:.1%}, {high:.1%}] of {rate.n:,}"


def _alarms(card: Card, found: TrustMeasurement) -> None:
    good = found.good
    elements.subheading("How often is a good patch flagged?")
    st.markdown(
        f"Of {good.n:,} good patches of {good.places} places, **{percent(good.alarms)}** are "
        f"flagged for their pixels although nothing is wrong with them "
        f"({target_sentence(good.alarms, at_most=records.TARGET_FALSE_ALARMS)}), and for "
        f"{percent(good.cannot_tell)} the verdict is “Can't tell”."
    )
    if found.good_test is not None:
        st.markdown(_of_test(found.good_test))
    clear = [group for group in found.groups if group.kind == "good"]
    if clear:
        st.markdown(
            "Flagged for their pixels in clear scenes of other places: "
            + "; ".join(f"{theme.literal(g.title)} {percent(g.pixels)}" for g in clear)
            + "."
        )
    st.caption(_origin(card, found))
    bars = [
        Bar("any check of the pixels", good.alarms, FLAGGED),
        Bar("the verdict is “Can't tell”", good.cannot_tell, FLAGGED),
        *(
            Bar(records.title_of(check), rate, FLAGGED)
            for check, rate in good.all_checks.items()
            if rate.hits
        ),
    ]
    silent = [records.title_of(check) for check, rate in good.all_checks.items() if not rate.hits]
    figure = _bars(bars, "Share of good patches", records.TARGET_FALSE_ALARMS, "at most")
    table = _alarm_table(found)
    show.chart(
        figure, table, f"false-alarms-{card.name}", f"False alarms of {card.title} on good patches"
    )
    if silent:
        st.caption(f"Never raised on these patches: {theme.literal('; '.join(silent))}.")


def _of_test(test: GoodPatches) -> str:
    flagged = [
        f"{theme.literal(records.title_of(check))} {rate.hits}"
        for check, rate in test.all_checks.items()
        if rate.hits
    ]
    return (
        f"Of {test.n:,} good patches of the test split, on which no bound was chosen, "
        f"**{percent(test.alarms)}** are flagged for their pixels "
        f"({target_sentence(test.alarms, at_most=records.TARGET_FALSE_ALARMS)}), and for "
        f"{percent(test.cannot_tell)} the verdict is “Can't tell”"
        + (f"; by check: {', '.join(flagged)}." if flagged else ".")
    )


def target_sentence(
    rate: Rate, *, at_most: float | None = None, at_least: float | None = None
) -> str:
    """Say whether a target is met, and whether the interval leaves that open."""
    share, (low, high) = rate.share or 0.0, rate.interval
    if at_most is not None:
        words, met, sure = f"at most {at_most:.0%}", share <= at_most, high <= at_most
        missed = low > at_most
    else:
        assert at_least is not None
        words, met, sure = f"at least {at_least:.0%}", share >= at_least, low >= at_least
        missed = high < at_least
    if met:
        return f"the target of {words} is met" + (
            "" if sure else ", but the interval extends beyond it"
        )
    return f"the target of {words} is missed" + ("" if missed else ", but the interval includes it")


def _origin(card: Card, found: TrustMeasurement) -> str:
    where = f"{theme.literal(found.dataset)}, split {found.split}."
    note = (
        f" {theme.literal(card.title)} was trained on these patches, so the rates may be too low "
        "for other patches."
        if found.trained_on_split
        else ""
    )
    return (
        f"{where} The bounds of the distance from the training data are chosen without the place "
        f"whose patches are assessed.{note} {found.note[:1].upper()}{found.note[1:]}. "
        "Dotted line: target."
    )


def _alarm_table(found: TrustMeasurement) -> pd.DataFrame:
    splits = [(found.split, found.good)]
    if found.good_test is not None:
        splits.append(("test", found.good_test))
    rows = [
        {"Check": what, "Split": split, "About": about, **_columns(rate)}
        for split, part in splits
        for what, about, rate in (
            ("any check of the pixels", "all", part.alarms),
            ("the verdict is “Can't tell”", "all", part.cannot_tell),
            *((records.title_of(name), "pixels", one) for name, one in part.all_checks.items()),
            *(
                (records.title_of(name), "place or result, no alarm", one)
                for name, one in part.not_alarms.items()
            ),
        )
    ]
    return pd.DataFrame(rows)


def _columns(rate: Rate) -> dict[str, float | int | None]:
    low, high = rate.interval
    return {
        "Patches": rate.n,
        "Flagged": rate.hits,
        "Share": rate.share,
        "Low": low,
        "High": high,
    }


def _caught(card: Card, found: TrustMeasurement) -> None:
    elements.subheading("Which bad patches are flagged?")
    kinds: tuple[tuple[str, Origin], ...] = (
        ("real scenes", "real"),
        ("corrupted good patches", "made"),
    )
    parts = "; ".join(
        f"{theme.literal(words)}: {percent(found.bad[name])} in {found.bad[name].groups} groups"
        for words, name in kinds
        if found.bad[name].n
    )
    everything = found.bad["all"]
    st.markdown(
        f"**{percent(everything)}** bad patches in {found.bad['all'].groups} groups are flagged "
        "for their pixels "
        f"({target_sentence(everything, at_least=records.TARGET_CAUGHT)}): {parts}."
        + _weak(found.groups)
    )
    st.caption(
        "Flagged: a check of the pixels finds a problem, whatever the place and date. The groups "
        "that are flagged least come first; good patches of other regions, of which few should be "
        "flagged, come last. Lines: 95 % intervals. Dotted line: target for each group of bad "
        "patches."
    )
    groups = sorted(found.groups, key=lambda one: (one.kind != "bad", one.pixels.share or 0.0))
    bars = [Bar(group.title, group.pixels, _series(group)) for group in groups]
    figure = _bars(bars, "Share flagged for its pixels", records.TARGET_CAUGHT, "at least")
    table = pd.DataFrame(_group_row(group) for group in groups)
    show.chart(
        figure, table, f"caught-{card.name}", f"Bad patches that the checks of {card.title} flag"
    )


def _series(group: TrustGroup) -> str:
    if group.kind != "bad":
        return GOOD
    return REAL if group.real else MADE


def _weak(groups: Sequence[TrustGroup]) -> str:
    """Return the bad groups below the target, the worst first."""
    weak = [
        (group.pixels.share, group.title)
        for group in groups
        if group.kind == "bad"
        and group.pixels.share is not None
        and group.pixels.share < records.TARGET_CAUGHT
    ]
    if not weak:
        return " No group is below the target."
    named = "; ".join(f"{theme.literal(title)} {share:.0%}" for share, title in sorted(weak))
    return f" Groups below the target: {named}."


def _group_row(group: TrustGroup) -> dict[str, object]:
    origin = "real" if group.real else "made"
    return {
        "Group": group.title,
        "Of": group.made_of,
        "Kind": f"{KINDS[group.kind]}, {origin}",
        **_columns(group.pixels),
        "Looks reliable": group.decisions["answer"],
        "Check this": group.decisions["warn"],
        "Can't tell": group.decisions["cannot tell"],
        "Findings by check": ", ".join(f"{name} {count}" for name, count in group.checks.items()),
    }


def _bars(bars: Sequence[Bar], axis: str, aim: float, side: str) -> go.Figure:
    """Draw horizontal bars with their text above them, in the given order from the top."""
    figure = go.Figure()
    for series in dict.fromkeys(bar.series for bar in bars):
        own = [(place, bar) for place, bar in enumerate(bars) if bar.series == series]
        shares = [bar.rate.share or 0.0 for _, bar in own]
        ends = [bar.rate.interval for _, bar in own]
        figure.add_bar(
            x=shares,
            y=[-place for place, _ in own],
            orientation="h",
            width=0.34,
            name=series,
            marker={"color": COLOURS[series], "pattern": {"shape": PATTERNS[series], "size": 5}},
            error_x={
                "array": [high - share for share, (_, high) in zip(shares, ends, strict=True)],
                "arrayminus": [share - low for share, (low, _) in zip(shares, ends, strict=True)],
                "symmetric": False,
                "thickness": 1.5,
                "width": 3,
                "color": theme.ink().quiet,
            },
            customdata=[[bar.text, percent(bar.rate)] for _, bar in own],
            hovertemplate="%{customdata[0]}: %{customdata[1]}<extra></extra>",
        )
    for place, bar in enumerate(bars):
        figure.add_annotation(
            x=0,
            y=0.2 - place,
            text=f"{bar.text} · {bar.rate.share or 0:.1%}",
            showarrow=False,
            xanchor="left",
            yanchor="bottom",
            align="left",
            font={"size": 12, "color": theme.ink().text},
        )
    figure.add_vline(x=aim, line={"color": theme.ink().quiet, "dash": "dot", "width": 1.5})
    several = len({bar.series for bar in bars}) > 1
    show.set_layout(figure, 90 + 60 * several + ROW * len(bars), showlegend=several, bargap=0)
    figure.update_layout(margin_t=10, legend={"y": -90 / (ROW * len(bars)), "yanchor": "top"})
    top = max(bar.rate.interval[1] for bar in bars)
    figure.update_xaxes(
        range=[0, max(top, aim) * 1.03],
        tickformat=".0%",
        title=f"{axis} (target: {side} {aim:.0%})",
        fixedrange=True,
    )
    figure.update_yaxes(
        range=[0.4 - len(bars), 0.8], showticklabels=False, showgrid=False, fixedrange=True
    )
    return figure
