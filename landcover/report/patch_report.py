"""What is said of explanations and models: as records for programs and as text for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from landcover.explain.explanation import METHODS, Explanation

__all__ = ["explanation_text", "models_text"]


def explanation_text(explanation: Explanation) -> str:
    """An explanation's figures as a person reads them in a terminal."""
    method = METHODS[explanation.method]
    lines = [
        f"{explanation.label}: {method.title} on {explanation.model}, card {explanation.card_hash}",
        f"  {method.summary}",
        f"  compared with: {explanation.baseline}",
        f"  full colour: {explanation.scale:.3g} {explanation.unit}; {explanation.scale_rule}",
    ]
    if explanation.convergence_delta is not None:
        lines.append(f"  the sum misses the score's change by {explanation.convergence_delta:.2%}")
    if explanation.band_share is not None:
        ranked = sorted(explanation.band_share.items(), key=lambda item: -item[1])
        lines.append("  share of bands: " + ", ".join(f"{b} {share:.0%}" for b, share in ranked))
    return "\n".join(lines)


def models_text(rows: Iterable[Mapping[str, Any]]) -> str:
    """The registered models as a person reads them in a terminal.

    Args:
        rows: what :func:`landcover.evaluate.model_summary.describe` says of each.
    """
    return "\n".join(line for row in rows for line in _model_lines(row))


def _model_lines(row: Mapping[str, Any]) -> list[str]:
    default = " (default)" if row["default"] else ""
    size = row["weights_bytes"]
    weights = "no weights" if size is None else f"{size / 1e6:.1f} MB"
    title = f"{row['name']}{default}: {row['title']}, {row['parameters']:,} parameters, {weights}"
    return [title, f"  {row['summary']}", *(_report_line(each) for each in row["evaluations"])]


def _report_line(figures: Mapping[str, Any]) -> str:
    spans = figures["confidence_intervals"]
    parts = [
        f"{title} {figures[name]:.3f} [{spans[name][0]:.3f}, {spans[name][1]:.3f}]"
        for name, title in (("macro_ap", "macro AP"), ("micro_ap", "micro AP"))
        if figures[name] is not None and spans[name] is not None
    ]
    where = f"{figures['dataset']}, {figures['split']} ({figures['n']} patches)"
    return f"  {where}: {', '.join(parts) or 'too few positives for a figure'}"
