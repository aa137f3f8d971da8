"""What the Models page shows: cards, reports and histories, read and remembered."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from landcover import bootstrap, evaluation, metrics, registry
from landcover.card import WEIGHTS_FILE, Card
from landcover.errors import LandcoverError
from landcover.evaluation import Evaluation
from landcover.nomenclature import BY_NAME, CLASS_NAMES

HISTORY_FILE = "history.csv"
SHORT = [BY_NAME[name].short for name in CLASS_NAMES]
SUMMARY_TITLES = {
    "macro_ap": "Macro AP",
    "micro_ap": "Micro AP",
    "macro_f1": "Macro F1",
    "micro_f1": "Micro F1",
    "ece": "Calibration error",
}
Split = tuple[str, str]
"""Data set and split."""


@dataclass(frozen=True)
class Entry:
    """One registered model and its report on the chosen split, where there is one."""

    name: str
    card: Card
    weights_bytes: int
    report: Evaluation | None

    @property
    def stale(self) -> bool:
        """Whether the report was made with another card or other weights."""
        return self.report is not None and self.report.figures.get("card_hash") != self.card.hash


@dataclass(frozen=True)
class Row:
    """The figures of one model over all classes."""

    name: str
    title: str
    figures: dict[str, Any]
    card: Card | None
    weights_bytes: int | None
    milliseconds: float | None


def cards() -> tuple[dict[str, Card], list[str]]:
    """The cards of all models that can be used, and a sentence for each that cannot."""
    found, broken = {}, []
    for name in registry.names():
        try:
            found[name] = registry.card(name)
        except LandcoverError as error:
            broken.append(str(error))
    return found, broken


def splits(names: Sequence[str]) -> list[Split]:
    """Everything that some model was evaluated on; test splits first."""
    found = {split for name in names for split in evaluation.reports(registry.folder(name))}
    return sorted(found, key=lambda item: (item[1] != "test", item))


def entries(models: dict[str, Card], split: Split | None) -> tuple[list[Entry], list[str]]:
    """Each model with its report on that split, and a sentence for each damaged report."""
    found, broken = [], []
    for name, card in models.items():
        report = None
        folder = registry.folder(name)
        if split is not None and split in evaluation.reports(folder):
            try:
                report = _report(folder, *split, _stamp(folder, split))
            except LandcoverError as error:
                broken.append(str(error))
        weights = folder / WEIGHTS_FILE
        size = weights.stat().st_size if weights.is_file() else 0
        found.append(Entry(name, card, size, report))
    return found, broken


def _stamp(folder: Path, split: Split) -> tuple[int, ...]:
    """Changes when a report is made anew, so that no old one is shown."""
    paths = sorted((folder / evaluation.FOLDER).glob(f"{split[0]}-{split[1]}.*"))
    return tuple(value for p in paths for value in (p.stat().st_mtime_ns, p.stat().st_size))


@st.cache_resource(max_entries=24, show_spinner="Reading the report …")
def _report(folder: Path, dataset: str, split: str, stamp: tuple[int, ...]) -> Evaluation:  # noqa: ARG001 - part of the cache's key
    return evaluation.read_report(folder, dataset, split)


def command(name: str, split: Split | None) -> str:
    """The command that makes a missing report."""
    dataset, part = split or ("bigearthnet", "test")
    return f"landcover evaluate ROOT --dataset {dataset} --split {part} --model {name} --save"


def rows(found: Sequence[Entry]) -> list[Row]:
    """All models with figures: those with reports, then baselines measured beside them."""
    ready = [entry for entry in found if entry.report is not None]
    known = {entry.name: entry for entry in found}
    out = {}
    for entry in ready:
        assert entry.report is not None
        speed = entry.report.figures.get("speed", {}).get("milliseconds_per_patch")
        figures = entry.report.figures
        out[entry.name] = Row(
            entry.name, entry.card.title, figures, entry.card, entry.weights_bytes, speed
        )
    for entry in ready:
        assert entry.report is not None
        for name, figures in entry.report.figures.get("baselines", {}).items():
            other = known.get(name)
            card = other.card if other else None
            size = other.weights_bytes if other else None
            title = card.title if card else name
            out.setdefault(name, Row(name, title, figures, card, size, None))
    return list(out.values())


def with_span(value: float | None, span: Sequence[float] | None) -> str:
    """Such as ``0.732 [0.690, 0.771]``; a dash where there is no value."""
    if value is None or math.isnan(value):
        return "–"
    return f"{value:.3f} [{span[0]:.3f}, {span[1]:.3f}]" if span else f"{value:.3f}"


def class_table(report: Evaluation) -> pd.DataFrame:
    """One row a class: support, AP with its interval, precision, recall, F1, threshold."""
    out = []
    for name, item in report.figures["per_class"].items():
        low, high = item["ap_interval"] or (None, None)
        out.append(
            {
                "Class": BY_NAME[name].short,
                "Theme": BY_NAME[name].theme,
                "Support": item["support"],
                "AP": item["ap"],
                "AP low": low,
                "AP high": high,
                "Precision": item["precision"],
                "Recall": item["recall"],
                "F1": item["f1"],
                "Threshold": item["threshold"],
                "In macro": name in report.figures["macro_classes"],
            }
        )
    return pd.DataFrame(out)


def called(report: Evaluation) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which classes the model calls present, bool ``(patch, class)``."""
    return metrics.decisions(report.predictions.probability, report.thresholds())


def confusion_table(report: Evaluation) -> pd.DataFrame:
    """One row a class: the four counts of its two-by-two table."""
    tables = metrics.confusions(report.predictions.truth, called(report))
    columns = {
        "Present, called": tables[:, 1, 1],
        "Present, missed": tables[:, 1, 0],
        "Absent, called": tables[:, 0, 1],
        "Absent, not called": tables[:, 0, 0],
    }
    return pd.DataFrame({"Class": SHORT, **columns})


def same_patches(first: Evaluation, second: Evaluation) -> bool:
    """Whether two reports are about the same patches in the same order."""
    return first.predictions.ids == second.predictions.ids


@st.cache_resource(max_entries=8, show_spinner="Resampling the patches …")
def ap_differences(_first: Evaluation, _second: Evaluation, key: tuple[str, ...]) -> pd.DataFrame:  # noqa: ARG001 - identifies the reports
    """AP of one model minus that of another per class, with paired bootstrap intervals."""
    draws = []
    for report in (_first, _second):
        found = report.predictions
        resamples = int(report.figures["bootstrap"]["resamples"])
        draws.append(
            bootstrap.resample(
                found.truth, found.probability, report.thresholds(), resamples=min(resamples, 500)
            ).ap
        )
    count = min(len(draws[0]), len(draws[1]))
    out = []
    for k, name in enumerate(CLASS_NAMES):
        a, b = (report.figures["per_class"][name] for report in (_first, _second))
        low, high = bootstrap.interval(draws[0][:count, k] - draws[1][:count, k])
        gap = None if a["ap"] is None or b["ap"] is None else a["ap"] - b["ap"]
        out.append(
            {
                "Class": BY_NAME[name].short,
                "Support": a["support"],
                "AP of A": a["ap"],
                "AP of B": b["ap"],
                "A − B": gap,
                "Low": None if math.isnan(low) else low,
                "High": None if math.isnan(high) else high,
                "F1 of A": a["f1"],
                "F1 of B": b["f1"],
            }
        )
    return pd.DataFrame(out)


def history(name: str) -> pd.DataFrame | None:
    """A model's training history, None where it has none or it cannot be read."""
    path = registry.folder(name) / HISTORY_FILE
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError):
        return None
    return table if {"epoch", "train_loss", "val_loss"} <= set(table.columns) else None
