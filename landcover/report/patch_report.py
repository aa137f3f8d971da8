"""Explanations and models as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from landcover.explain.explanation import METHODS, Explanation

__all__ = ["explanation_text", "models_text"]


def explanation_text(explanation: Explanation) -> str:
    """Format the values of an explanation for a terminal."""
    method = METHODS[explanation.method]
    lines = [
        f"{explanation.label}: {method.title} on {explanation.model}, card {explanation.card_hash}",
        f"  {method.summary}",
        f"  compared with: {explanation.baseline}",
        f"  full colour: {explanation.scale:.3g} {explanation.unit}; {explanation.scale_rule}",
    ]
    if explanation.convergence_delta is not None:
        delta = explanation.convergence_delta
        lines.append(f"  the sum differs from the score's change by {delta:.2%}")
    if explanation.band_share is not None:
        ranked = sorted(explanation.band_share.items(), key=lambda item: -item[1])
        lines.append("  share of bands: " + ", ".join(f"{b} {share:.0%}" for b, share in ranked))
    return "\n".join(lines)


def models_text(rows: Iterable[Mapping[str, Any]]) -> str:
    """Format the registered models for a terminal.

    Args:
        rows: one summary per model, from :func:`landcover.evaluate.model_summary.describe`.
    """
    return "\n".join(line for row in rows for line in _model_lines(row))


def _model_lines(row: Mapping[str, Any]) -> list[str]:
    default = " (default)" if row["default"] else ""
    size = row["weights_bytes"]
    weights = "no weights" if size is None else f"{size / 1e6:.1f} MB"
    title = f"{row['name']}{default}: {row['title']}, {row['parameters']:,} parameters, {weights}"
    return [title, f"  {row['summary']}", *(_report_line(each) for each in row["evaluations"])]


def _report_line(metrics: Mapping[str, Any]) -> str:
    spans = metrics["confidence_intervals"]
    parts = [
        f"{title} {metrics[name]:.3f} [{spans[name][0]:.3f}, {spans[name][1]:.3f}]"
        for name, title in (("macro_ap", "macro AP"), ("micro_ap", "micro AP"))
        if metrics[name] is not None and spans[name] is not None
    ]
    where = f"{metrics['dataset']}, {metrics['split']} ({metrics['n']} patches)"
    return f"  {where}: {', '.join(parts) or 'too few positives for metrics'}"
