"""One model's card, and how it was trained."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from landcover.models import thresholds
from landcover.models.card import Card
from pages.parts.models import data
from pages.parts.models import faithfulness as faithful
from pages.parts.models import report_figures as show
from pages.parts.shared import theme


def facts(card: Card) -> None:
    """What a card says, one line a fact."""
    st.markdown("\n".join(f"- **{key}:** {theme.literal(v)}" for key, v in _facts(card).items()))


def _facts(card: Card) -> dict[str, str]:
    training = card.training
    splits = " + ".join(str(part) for part in training.get("splits", [])) or "–"
    return {
        "Name": card.name,
        "Licence of the weights": card.licence,
        "Architecture": f"{card.net} {json.dumps(card.net_options)}",
        "Parameters": f"{card.parameters:,}",
        "Bands": " ".join(card.bands),
        "Looks at": f"{card.pixels} × {card.pixels} pixels of {card.pixel_m} m, {card.level}, "
        f"{card.units}",
        "Answers with": f"{len(card.classes)} classes ({card.class_set}), "
        + ("one of them" if card.exclusive else "each there or not"),
        "Trained on": f"{training.get('dataset', '–')}, {splits}, {training.get('n', '–')} patches",
        "Seed, date": f"{training.get('seed', '–')}, {training.get('date', '–')}",
        "Command": str(training.get("command", "–")),
        "Thresholds": card.threshold_rule,
        "Aims with thresholds": ", ".join(aim.title for aim in thresholds.offered(card)),
        "Calibration": _calibration(card),
        "Label sets": _label_sets(card),
        "Can be explained": "yes" if card.explainable else "no, its scores have no gradients",
        "Card": card.hash,
        "Weights (SHA-256)": card.weights_sha256,
    }


def _calibration(card: Card) -> str:
    method, kept = card.calibration.method, card.calibration.kept
    if method == "none" or kept is None:
        return method
    named = ", ".join(data.short(name) for name in kept) or "none"
    return f"{method}, kept where the held-out error fell ({len(kept)} classes): {named}"


def _label_sets(card: Card) -> str:
    if card.label_sets is None:
        return "none"
    return f"certain, possible or absent, {card.label_sets.wanted_coverage:.0%} wanted"


@show.section
def card(entry: data.Entry) -> None:
    """Everything that a model's card says, and what was measured of its explanations."""
    st.markdown(theme.literal(entry.card.summary))
    facts(entry.card)
    with st.expander("Thresholds, calibration and label sets of each class"):
        show.numbers(
            _decisions(entry.card),
            f"thresholds-{entry.name}",
            "Thresholds, calibration and label sets of each class",
        )
        show.download(_decisions(entry.card), f"thresholds-{entry.name}")
    evidence = card_evidence(entry.card)
    if evidence is not None:
        with st.expander("What calibration brought on held-out patches"):
            show.numbers(evidence, f"calibration-{entry.name}", "Held-out figures of calibration")
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
    faithful.render(entry)


def card_evidence(card: Card) -> pd.DataFrame | None:
    """The plain figures among the evidence for the calibration; None where there are none."""
    evidence = card.calibration.evidence
    if evidence is None:
        return None
    rows = [
        (f"{name}, {part}" if part else name, value)
        for name, found in evidence.items()
        for part, value in (found.items() if isinstance(found, dict) else ((None, found),))
        if data.number_of(value) is not None
    ]
    if not rows:
        return None
    return pd.DataFrame({"What": [r[0] for r in rows], "Value": [float(r[1]) for r in rows]})


def _decisions(card: Card) -> pd.DataFrame:
    """One row a class: the threshold of every aim, and what calibration and label sets hold."""
    table = pd.DataFrame({"Class": [data.short(name) for name in card.classes]})
    for aim in thresholds.offered(card):
        own = card.thresholds if aim.name == thresholds.DEFAULT_AIM else card.aims[aim.name]
        table[aim.name] = [own.get(name) for name in card.classes]
    sets = card.label_sets
    columns: tuple[tuple[str, Mapping[str, Any] | None], ...] = (
        ("Calibration: scale", card.calibration.scale),
        ("Calibration: shift", card.calibration.shift),
        ("Certain from", sets.certain if sets else None),
        ("Possible from", sets.possible if sets else None),
    )
    for title, found in columns:
        if found is not None:
            table[title] = [data.number_of(found.get(name)) for name in card.classes]
    return table


@show.section
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
    figures = (
        ("val_macro_ap", "macro AP"),
        ("val_micro_ap", "micro AP"),
        ("val_accuracy", "accuracy"),
    )
    left, right = st.columns(2)
    with left:
        figure = _lines(table, losses, "Loss (cross-entropy)")
        show.draw(figure, "loss", "Training and validation loss by epoch")
    with right:
        figure = _lines(table, figures, "Validation figures")
        show.draw(figure, "validation", "Figures on validation by epoch")
    with st.expander("The same as a table"):
        show.numbers(table, f"history-{entry.name}", "Training history, one row an epoch")
    show.download(table, f"history-{entry.name}")


def _lines(table: pd.DataFrame, columns: Sequence[tuple[str, str]], title: str) -> go.Figure:
    figure = go.Figure()
    for k, (column, name) in enumerate(columns):
        if column not in table:
            continue
        there = table[table[column].notna()]
        look = show.look(k)
        figure.add_scatter(
            x=there["epoch"],
            y=there[column],
            name=name,
            mode="lines+markers" if len(there) < 40 else "lines",
            line={"color": look.colour, "dash": look.dash},
            marker={"symbol": look.symbol, "size": 7},
            hovertemplate="epoch %{x}: %{y:.3f}<extra>%{fullData.name}</extra>",
        )
    show.plain(figure, 340)
    figure.update_layout(title={"text": title, "font": {"size": 15}, "y": 0.98}, margin_t=70)
    figure.update_xaxes(title="Epoch")
    return figure
