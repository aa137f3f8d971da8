"""Summary of a model folder: values of its card, file size, and metrics of its reports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from landcover.evaluate.report import EvaluationReport
from landcover.evaluate.report_files import read_report, reports
from landcover.metrics.scores import ACCURACY, SUMMARY
from landcover.models.card import WEIGHTS_FILE, read_card
from landcover.models.registry import DEFAULT_MODEL

__all__ = ["describe"]


def describe(folder: Path) -> dict[str, Any]:
    """Summarise a model folder, as ``landcover models --json`` prints it.

    Raises:
        CorruptModel: the card or a report is damaged.
    """
    card = read_card(folder)
    weights = folder / WEIGHTS_FILE
    return {
        "name": card.name,
        "title": card.title,
        "default": card.name == DEFAULT_MODEL,
        "summary": card.summary,
        "card_hash": card.hash,
        "parameters": card.parameters,
        "weights_bytes": weights.stat().st_size if weights.is_file() else None,
        "bands": list(card.bands),
        "explainable": card.explainable,
        "evaluations": [_row(read_report(folder, *each).metrics) for each in reports(folder)],
    }


def _row(metrics: EvaluationReport) -> dict[str, Any]:
    names = SUMMARY if metrics.accuracy is None else (*SUMMARY, ACCURACY)
    return {
        "dataset": metrics.dataset,
        "split": metrics.split,
        "n": metrics.n,
        **{name: metrics.value(name) for name in names},
        "confidence_intervals": metrics.confidence_intervals,
    }
