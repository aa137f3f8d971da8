"""Two models side by side, one model's card, and how it was trained."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from landcover.card import Card
from landcover.nomenclature import BY_NAME
from pages.parts import models_data as data
from pages.parts import models_show as show
from pages.parts import theme


def side_by_side(found: Sequence[data.Entry], split: data.Split) -> None:
    """Figures of two models, their difference class by class, and their cards."""
    ready = {entry.name: entry for entry in found if entry.report is not None}
    if len(ready) < 2:
        missing = next(entry.name for entry in found if entry.report is None)
        st.info(
            "Two models with a report on this split are needed: make another with "
            f"`{data.command(missing, split)}`."
        )
        return
    left, right = st.columns(2)
    names = list(ready)
    first = ready[_choose(left, "Model A", names, 0, ready)]
    second = ready[_choose(right, "Model B", names, 1, ready)]
    _overall(first, second)
    _by_class(first, second)
    st.markdown("##### The two cards")
    for place, letter, entry in zip(st.columns(2), "AB", (first, second), strict=True):
        with place:
            st.markdown(f"**{letter}: {theme.literal(entry.card.title)}**")
            _list(entry.card)


def _choose(
    place: Any,  # noqa: ANN401 - a column of Streamlit's
    label: str,
    names: list[str],
    index: int,
    ready: dict[str, data.Entry],
) -> str:
    chosen = place.selectbox(
        label,
        names,
        index=index,
        format_func=lambda name: ready[name].card.title,
        key=f"models_{label[-1].lower()}",
        persist_state="session",
    )
    return str(chosen)


def _overall(first: data.Entry, second: data.Entry) -> None:
    assert first.report is not None
    assert second.report is not None
    out = []
    for key, title in data.SUMMARY_TITLES.items():
        a, b = first.report.figures, second.report.figures
        gap = "–" if a[key] is None or b[key] is None else f"{a[key] - b[key]:+.3f}"
        spans = [f["confidence_intervals"][key] for f in (a, b)]
        out.append(
            {
                "Figure": title,
                "A": data.with_span(a[key], spans[0]),
                "B": data.with_span(b[key], spans[1]),
                "A − B": gap,
            }
        )
    st.dataframe(
        pd.DataFrame(out), hide_index=True, key="models_table_pair", alt="Figures of both models"
    )


def _by_class(first: data.Entry, second: data.Entry) -> None:
    assert first.report is not None
    assert second.report is not None
    if not data.same_patches(first.report, second.report):
        st.info(
            "The two reports are about different patches, so their classes cannot be compared: "
            "make both anew on the same data."
        )
        return
    reports = (first.report, second.report)
    key = tuple(str(r.figures[k]) for r in reports for k in ("model", "card_hash", "split", "date"))
    table = data.ap_differences(first.report, second.report, key)
    drawn = table[table["A − B"].notna()].iloc[::-1]
    colours = [show.POSITIVE if gap >= 0 else show.NEGATIVE for gap in drawn["A − B"]]
    figure = go.Figure(
        go.Bar(
            x=drawn["A − B"],
            y=[f"{c} ({n})" for c, n in zip(drawn["Class"], drawn["Support"], strict=True)],
            orientation="h",
            marker_color=colours,
            error_x={
                "array": (drawn["High"] - drawn["A − B"]).fillna(0),
                "arrayminus": (drawn["A − B"] - drawn["Low"]).fillna(0),
                "thickness": 1.5,
                "color": show.QUIET,
            },
            hovertemplate="%{y}: %{x:+.3f}<extra></extra>",
        )
    )
    show.plain(figure, 120 + 26 * len(drawn), bargap=0.35)
    figure.add_vline(x=0, line={"color": show.QUIET})
    figure.update_xaxes(title="AP of A minus AP of B, 95 % interval", tickformat="+.1f")
    st.markdown("##### Class by class")
    st.caption(
        f"To the right A ({first.card.title}) is better, to the left B ({second.card.title}). "
        "Where the interval crosses 0, these patches do not tell which is better. In brackets: "
        "support."
    )
    name = f"difference-{first.name}-{second.name}"
    show.chart(figure, table, name, f"AP of {first.card.title} minus {second.card.title} by class")


def _facts(card: Card) -> dict[str, str]:
    training = card.training
    splits = " + ".join(str(part) for part in training.get("splits", [])) or "–"
    return {
        "Name": card.name,
        "Licence of the weights": card.licence,
        "Architecture": f"{card.net} {json.dumps(card.net_options)}",
        "Parameters": f"{card.parameters:,}",
        "Bands": " ".join(card.bands),
        "Looks at": f"{card.pixels} × {card.pixels} pixels of {card.pixel_m} m, {card.level}",
        "Trained on": f"{training.get('dataset', '–')}, {splits}, {training.get('n', '–')} patches",
        "Seed, date": f"{training.get('seed', '–')}, {training.get('date', '–')}",
        "Command": str(training.get("command", "–")),
        "Thresholds": card.threshold_rule,
        "Calibration": str(card.calibration.get("method", "–")),
        "Can be explained": "yes" if card.explainable else "no, its scores have no gradients",
        "Card": card.hash,
        "Weights (SHA-256)": card.weights_sha256,
    }


def _list(card: Card) -> None:
    facts = _facts(card).items()
    st.markdown("\n".join(f"- **{key}:** {theme.literal(value)}" for key, value in facts))


def card(entry: data.Entry) -> None:
    """Everything that a model's card says."""
    st.markdown(theme.literal(entry.card.summary))
    _list(entry.card)
    thresholds = pd.DataFrame(
        [(BY_NAME[c].short, t) for c, t in entry.card.thresholds.items()],
        columns=["Class", "Threshold"],
    )
    with st.expander("Thresholds"):
        show.numbers(thresholds, f"thresholds-{entry.name}", "Threshold of each class")
    st.download_button(
        "Download the card (JSON)",
        json.dumps(entry.card.as_dict(), indent=1, ensure_ascii=False).encode(),
        f"{entry.name}-card.json",
        "application/json",
        key="models_card_json",
        on_click="ignore",
        icon=":material/download:",
        type="tertiary",
    )


def training(entry: data.Entry) -> None:
    """Loss and average precision by epoch."""
    table = data.history(entry.name)
    if table is None:
        st.info(
            f"{entry.card.title} has no training history: it was fitted in one go, or its folder "
            f"lacks `{data.HISTORY_FILE}`, which `landcover train` writes."
        )
        return
    seconds = float(table["seconds"].sum()) if "seconds" in table else None
    spent = f" in {seconds / 60:.0f} minutes" if seconds else ""
    st.caption(
        f"{len(table)} epochs{spent}. The validation figures are of the averaged weights, which "
        "are the ones kept, in a fit on the training split alone."
    )
    losses = (("train_loss", "training, augmented"), ("val_loss", "validation"))
    figures = (("val_macro_ap", "macro AP"), ("val_micro_ap", "micro AP"))
    left, right = st.columns(2)
    with left:
        st.plotly_chart(
            _lines(table, losses, "Loss (cross-entropy)"),
            key="models_chart_loss",
            config=show.CONFIG,
            alt="Training and validation loss by epoch",
        )
    with right:
        st.plotly_chart(
            _lines(table, figures, "Validation average precision"),
            key="models_chart_validation",
            config=show.CONFIG,
            alt="Macro and micro average precision on validation by epoch",
        )
    with st.expander("The same as a table"):
        show.numbers(table, f"history-{entry.name}", "Training history, one row an epoch")
    show.download(table, f"history-{entry.name}")


def _lines(table: pd.DataFrame, columns: Sequence[tuple[str, str]], title: str) -> go.Figure:
    figure = go.Figure()
    for k, (column, name) in enumerate(columns):
        if column not in table:
            continue
        there = table[table[column].notna()]
        figure.add_scatter(
            x=there["epoch"],
            y=there[column],
            name=name,
            mode="lines+markers" if len(there) < 40 else "lines",
            line={"color": show.COLOURS[k], "dash": show.DASHES[k]},
            marker={"symbol": show.SYMBOLS[k], "size": 7},
            hovertemplate="epoch %{x}: %{y:.3f}<extra>%{fullData.name}</extra>",
        )
    show.plain(figure, 340)
    figure.update_layout(title={"text": title, "font": {"size": 15}, "y": 0.98}, margin_t=70)
    figure.update_xaxes(title="Epoch")
    return figure
