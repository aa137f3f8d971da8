"""A report as a person reads it in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from landcover.core.classes import BY_NAME
from landcover.metrics.scores import ACCURACY, FIGURES, LOWER_IS_BETTER, SUMMARY

if TYPE_CHECKING:
    from landcover.evaluate.run import Evaluation

UNIT_WORDS: Final = {"patch": "patches", "block": "blocks of 12 km"}
"""What is drawn → what a sentence calls it."""
_SEEN: Final = {True: "yes: these figures flatter it", False: "no", None: "unknown"}
_HEADS: Final = ("precision", "recall", "F1", "F2", "ECE", "ACE", "Brier", "threshold")


def threads(count: int) -> str:
    """Such as "1 thread", "2 threads"."""
    return f"{count} thread" + "s" * (count != 1)


def as_text(evaluation: Evaluation) -> str:
    """The figures as a person reads them in a terminal."""
    figures = evaluation.figures
    speed = figures["speed"]
    where = f"{figures['dataset']}, split {figures['split']}: {figures['n']} patches"
    head = [
        f"{figures['model']} ({figures['card_hash']}) on {where}",
        f"learnt from these patches: {_SEEN[figures['seen_in_training']]}",
        *_separation_lines(figures),
        *([figures["note"]] if figures["note"] else []),
    ]
    place = f"{speed['device']}, {threads(speed['threads'])}"
    tail = [f"{speed['milliseconds_per_patch']:.1f} ms a patch on {place}."]
    parts = (
        head,
        _summary_lines(figures),
        _other_lines(figures),
        _class_lines(figures),
        _country_lines(figures),
        tail,
    )
    return "\n\n".join("\n".join(lines) for lines in parts if lines)


def figure(value: float | None, sign: str = "") -> str:
    """A figure with three digits; a dash where there is none."""
    return "–" if value is None else f"{value:{sign}.3f}"


def with_span(value: float | None, span: Sequence[float] | None, sign: str = "") -> str:
    """A figure with its interval, where it has one."""
    if span is None:
        return figure(value, sign)
    return f"{figure(value, sign)} [{figure(span[0], sign)}, {figure(span[1], sign)}]"


def short(name: str) -> str:
    """A class's short name."""
    return BY_NAME[name].short if name in BY_NAME else name


def _separation_lines(figures: dict[str, Any]) -> list[str]:
    """How far the splits lie apart, and what that does to the figures."""
    lines = []
    if distances := figures.get("split_distances_m"):
        said = (
            f"{pair.replace('-', ' to ')} {'unknown' if metres is None else f'{metres:,} m'}"
            for pair, metres in distances.items()
        )
        lines.append(f"nearest patches of two splits: {', '.join(said)}")
    apart = figures.get("apart")
    if apart is not None:
        splits, touching = " and ".join(figures["training_splits"]), figures["touching"]
        lines.append(
            f"MIND: {touching} of these {figures['n']} patches are or touch patches of {splits}, "
            "from which the model has learnt, and neighbours are alike."
        )
        spans = apart["confidence_intervals"]
        said = (f"{k} {with_span(apart[k], spans[k])}" for k in ("macro_ap", "micro_ap"))
        lines.append(f"the other {apart['n']} alone: {', '.join(said)}")
    return lines


def _summary_lines(figures: dict[str, Any]) -> list[str]:
    names = _first(figures)
    lines = [_head(names), _row(figures["model"], figures, names)]
    lines += [_row(name, other, names) for name, other in figures["baselines"].items()]
    for name, other in figures["baselines"].items():
        margins = ", ".join(
            f"{key} {with_span(item['difference'], item['interval'], sign='+')}"
            for key, item in other["margin"].items()
        )
        lines.append(f"above {name}: {margins}")
    boot, counted = figures["bootstrap"], len(figures["macro_classes"])
    unit = UNIT_WORDS[boot["unit"]]
    lines.append(f"Brackets hold 95 % of {boot['resamples']} bootstrap resamples of {unit}.")
    lines.append(f"Macro figures average {counted} {figures['macro_rule']} (*).")
    return lines


def _other_lines(figures: dict[str, Any]) -> list[str]:
    spans = figures["confidence_intervals"]
    lines = ["figures of the model (↓: lower is better)"]
    lines += [
        f"  {name + (' ↓' if name in LOWER_IS_BETTER else ''):<20}"
        f"{with_span(figures[name], spans[name]):>22}"
        for name in FIGURES
        if name not in SUMMARY
    ]
    return lines


def _class_lines(figures: dict[str, Any]) -> list[str]:
    lines = [f"  {'class':<24}{'support':>8}{'AP':>22}" + "".join(f"{h:>10}" for h in _HEADS)]
    for name, item in figures["per_class"].items():
        mark = "*" if name in figures["macro_classes"] else " "
        values = (item[key.lower()] for key in _HEADS)
        lines.append(
            f"{mark} {short(name):<24}{item['support']:>8}"
            f"{with_span(item['ap'], item['ap_interval']):>22}"
            + "".join(f"{figure(value):>10}" for value in values)
        )
    return lines


def _country_lines(figures: dict[str, Any]) -> list[str]:
    countries = figures["per_country"]
    if not countries:
        return []
    names = _first(figures)
    return [_head(names), *(_row(f"{c} ({v['n']})", v, names) for c, v in countries.items())]


def _first(figures: dict[str, Any]) -> tuple[str, ...]:
    return (*([ACCURACY] if ACCURACY in figures else []), *SUMMARY)


def _head(names: Iterable[str]) -> str:
    return " " * 20 + "".join(f"{name:>22}" for name in names)


def _row(name: str, figures: dict[str, Any], names: Iterable[str]) -> str:
    spans = figures["confidence_intervals"]
    return f"{name:<20}" + "".join(f"{with_span(figures[k], spans[k]):>22}" for k in names)
