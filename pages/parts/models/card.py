"""A model's card, its training history, and the architecture of its net."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from landcover.models import thresholds
from landcover.models.card import Card
from landcover.train.history import HISTORY_FILE
from pages.parts.models import curves, data
from pages.parts.models import faithfulness as faithful
from pages.parts.shared import charts as show
from pages.parts.shared import theme
from pages.parts.shared.architecture import show_architecture


def facts(card: Card) -> None:
    """Show the contents of a card, one line per fact."""
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
        "Input": f"{card.pixels} × {card.pixels} pixels of {card.pixel_m} m, {card.level}, "
        f"{card.units}",
        "Output": f"{len(card.classes)} classes ({card.class_set}), "
        + ("exactly one of them" if card.exclusive else "each present or absent"),
        "Trained on": f"{training.get('dataset', '–')}, {splits}, {training.get('n', '–')} patches",
        "Seed, date": f"{training.get('seed', '–')}, {training.get('date', '–')}",
        "Command": str(training.get("command", "–")),
        "Thresholds": card.threshold_rule,
        "Thresholds for": ", ".join(aim.title for aim in thresholds.available_aims(card)),
        "Calibration": _calibration(card),
        "Label sets": _label_sets(card),
        "Attribution maps": "yes" if card.explainable else "no, its scores have no gradients",
        "Card": card.hash,
        "Weights (SHA-256)": card.weights_sha256,
    }


def _calibration(card: Card) -> str:
    method, kept = card.calibration.method, card.calibration.kept
    if method == "none" or kept is None:
        return method
    named = ", ".join(data.short(name) for name in kept) or "none"
    return f"{method}, used where it lowered the held-out error ({len(kept)} classes): {named}"


def _label_sets(card: Card) -> str:
    if card.label_sets is None:
        return "none"
    sets = card.label_sets
    text = f"certain, possible or absent; target coverage {sets.wanted_coverage:.0%}"
    if sets.by_place is None:
        return f"{text}; chosen near the training places, so nothing is called certain"
    unseen = sets.by_place
    return f"{text}; chosen so that it holds in {unseen.places} left-out {unseen.units}"


@show.section
def card(entry: data.Entry) -> None:
    """Show a model's card, and how good its attribution maps are."""
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
        with st.expander("Effect of the calibration on held-out patches"):
            show.numbers(
                evidence, f"calibration-{entry.name}", "Held-out metrics of the calibration"
            )
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
    """Return the numbers among the evidence for the calibration; None if there are none."""
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
    return pd.DataFrame({"Metric": [r[0] for r in rows], "Value": [float(r[1]) for r in rows]})


def _decisions(card: Card) -> pd.DataFrame:
    """Return one row per class: thresholds of every aim, calibration, and label sets."""
    table = pd.DataFrame({"Class": [data.short(name) for name in card.classes]})
    for aim in thresholds.available_aims(card):
        own = card.thresholds if aim.name == thresholds.DEFAULT_AIM else card.aims[aim.name]
        table[aim.name] = [own.get(name) for name in card.classes]
    sets = card.label_sets
    columns: tuple[tuple[str, Mapping[str, Any] | None], ...] = (
        ("Calibration: scale", card.calibration.scale),
        ("Calibration: shift", card.calibration.shift),
        ("Certain from", {n: sets.certain_from(n) for n in card.classes} if sets else None),
        ("Possible from", sets.possible if sets else None),
    )
    for title, found in columns:
        if found is not None:
            table[title] = [data.number_of(found.get(name)) for name in card.classes]
    return table


@show.section
def training(entry: data.Entry) -> None:
    """Show loss and average precision by epoch."""
    table = curves.table_of(data.history(entry.name))
    if table.empty:
        st.info(
            f"{entry.card.title} has no training history: it was fitted in one step, or its folder "
            f"has no `{HISTORY_FILE}`, which `landcover train` writes."
        )
        return
    seconds = float(table["seconds"].sum())
    spent = f" in {seconds / 60:.0f} minutes" if seconds else ""
    st.caption(
        f"{len(table)} epochs{spent}. "
        + (
            "The validation metrics are those of the averaged weights, which are the ones that are "
            "kept, when trained on the training split alone."
            if curves.measured(table, "val_loss")
            else "Trained on training and validation patches, so there are no validation metrics."
        )
    )
    curves.show_curves(table, entry.name)


@show.section
def architecture(entry: data.Entry) -> None:
    """Show the blocks of a model's net."""
    show_architecture(entry.name)
