"""Format a report for a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from landcover.core.classes import cover_of
from landcover.core.schema import Interval
from landcover.evaluate.report import Evaluation, EvaluationReport, Metrics
from landcover.metrics.scores import ACCURACY, LOWER_IS_BETTER, METRICS, SUMMARY

__all__ = ["UNIT_WORDS", "as_text", "decimals", "short", "threads", "with_span"]

UNIT_WORDS: Final = {"patch": "patches", "block": "blocks of 12 km", "product": "products"}
"""Unit of the bootstrap → its name in a sentence."""
_SEEN: Final = {True: "yes: these metrics are too good", False: "no", None: "unknown"}
_HEADS: Final = ("precision", "recall", "F1", "F2", "ECE", "ACE", "Brier", "threshold")


def threads(count: int) -> str:
    """Return a text such as "1 thread" or "2 threads"."""
    return f"{count} thread" + "s" * (count != 1)


def as_text(evaluation: Evaluation) -> str:
    """Format the metrics for a terminal."""
    metrics = evaluation.metrics
    where = f"{metrics.own_data or metrics.dataset}, split {metrics.split}: {metrics.n} patches"
    head = [
        f"{metrics.model} ({metrics.card_hash}) on {where}",
        f"trained on these patches: {_SEEN[metrics.seen_in_training]}",
        *_separation_lines(metrics),
        *([metrics.note] if metrics.note else []),
    ]
    parts = (
        head,
        _summary_lines(metrics),
        _other_lines(metrics),
        _class_lines(metrics),
        _country_lines(metrics),
        _speed_lines(metrics),
    )
    return "\n\n".join("\n".join(lines) for lines in parts if lines)


def decimals(value: float | None, sign: str = "") -> str:
    """Format a metric with three decimals; a dash if it is undefined."""
    return "–" if value is None else f"{value:{sign}.3f}"


def with_span(value: float | None, span: Interval | None, sign: str = "") -> str:
    """Format a metric with its interval, if it has one."""
    if span is None:
        return decimals(value, sign)
    return f"{decimals(value, sign)} [{decimals(span[0], sign)}, {decimals(span[1], sign)}]"


def short(name: str) -> str:
    """Return a class's short name."""
    return cover_of(name).short


def _separation_lines(metrics: EvaluationReport) -> list[str]:
    """Describe the distances between splits and their effect on the metrics."""
    lines = []
    if metrics.split_distances_m:
        said = (
            f"{pair.replace('-', ' to ')} {'unknown' if metres is None else f'{metres:,} m'}"
            for pair, metres in metrics.split_distances_m.items()
        )
        lines.append(f"nearest patches of two splits: {', '.join(said)}")
    apart = metrics.apart
    if apart is not None:
        splits = " and ".join(metrics.training_splits)
        lines.append(
            f"WARNING: {metrics.touching} of these {metrics.n} patches are or touch patches of "
            f"{splits}, on which the model was trained, and neighbours are similar."
        )
        said = (f"{name} {_cell(apart, name)}" for name in ("macro_ap", "micro_ap"))
        lines.append(f"the other {apart.n} alone: {', '.join(said)}")
    return lines


def _summary_lines(metrics: EvaluationReport) -> list[str]:
    names = _first(metrics)
    lines = [_head(names), _row(metrics.model, metrics, names)]
    lines += [_row(name, other, names) for name, other in metrics.baselines.items()]
    for name, other in metrics.baselines.items():
        margins = ", ".join(
            f"{key} {with_span(item.difference, item.interval, sign='+')}"
            for key, item in other.margin.items()
        )
        lines.append(f"above {name}: {margins}")
    if metrics.bootstrap is not None:
        resamples, unit = metrics.bootstrap.resamples, UNIT_WORDS[metrics.bootstrap.unit]
        lines.append(f"Brackets contain 95 % of {resamples} bootstrap resamples of {unit}.")
    counted = len(metrics.macro_classes)
    lines.append(f"Macro metrics average {counted} {metrics.macro_rule} (*).")
    return lines


def _other_lines(metrics: EvaluationReport) -> list[str]:
    lines = ["metrics of the model (↓: lower is better)"]
    lines += [
        f"  {name + (' ↓' if name in LOWER_IS_BETTER else ''):<20}{_cell(metrics, name):>22}"
        for name in METRICS
        if name not in SUMMARY
    ]
    return lines


def _class_lines(metrics: EvaluationReport) -> list[str]:
    lines = [f"  {'class':<24}{'support':>8}{'AP':>22}" + "".join(f"{h:>10}" for h in _HEADS)]
    for name, item in metrics.per_class.items():
        mark = "*" if name in metrics.macro_classes else " "
        lines.append(
            f"{mark} {short(name):<24}{item.support:>8}{with_span(item.ap, item.ap_interval):>22}"
            + "".join(f"{decimals(item.value(key.lower())):>10}" for key in _HEADS)
        )
    return lines


def _country_lines(metrics: EvaluationReport) -> list[str]:
    countries = metrics.per_country
    if not countries:
        return []
    names = _first(metrics)
    rows = (_row(f"{name} ({one.n})", one, names) for name, one in countries.items())
    return [_head(names), *rows]


def _speed_lines(metrics: EvaluationReport) -> list[str]:
    speed = metrics.speed
    if speed is None:
        return []
    place = f"{speed.device}, {threads(speed.threads)}"
    return [f"{speed.milliseconds_per_patch:.1f} ms a patch on {place}."]


def _first(metrics: Metrics) -> tuple[str, ...]:
    return SUMMARY if metrics.accuracy is None else (ACCURACY, *SUMMARY)


def _head(names: Iterable[str]) -> str:
    return " " * 20 + "".join(f"{name:>22}" for name in names)


def _row(title: str, metrics: Metrics, names: Iterable[str]) -> str:
    return f"{title:<20}" + "".join(f"{_cell(metrics, name):>22}" for name in names)


def _cell(metrics: Metrics, name: str) -> str:
    return with_span(metrics.value(name), metrics.interval(name))
