"""Runs as text and as JSON. Nothing here loads torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from landcover.core.json_numbers import none_if_nan, with_nulls
from landcover.core.text import plain
from landcover.jobs.runs import record
from landcover.jobs.runs.record import Run, RunProgress

__all__ = [
    "as_dict",
    "columns",
    "line",
    "number",
    "progress_parts",
    "progress_text",
    "state_text",
    "table",
]


def as_dict(run: Run) -> dict[str, Any]:
    """A run as it is on disk now, JSON-ready."""
    return {
        "id": run.id,
        "name": run.name,
        "kind": run.order.kind,
        "state": run.state,
        "dataset": run.order.dataset,
        "root": str(run.order.root),
        "trained" if run.order.kind == "train" else "tested": run.order.model,
        "created": _iso(run.created),
        "started": _iso(run.started),
        "ended": _iso(run.ended),
        "place": run.place,
        "error": run.error,
        "progress": None if run.step is None else with_nulls(asdict(run.step)),
        "epochs": len(run.history),
        "best_macro_ap": none_if_nan(run.best_ap),
        "model": run.model,
        "folder": str(run.folder),
        "trackers": run.order.places(run.folder),
    }


def table(runs: Sequence[Run]) -> str:
    """One line a run."""
    if not runs:
        return "There are no runs: queue one with `landcover train … --queue`."
    head = ("id", "name", "what", "state", "epochs", "best AP", "created")
    return "\n".join(columns([head, *(_row(run) for run in runs)]))


def _row(run: Run) -> tuple[str, ...]:
    what = f"{run.order.kind} {run.order.model} on {run.order.dataset}"
    epochs = str(len(run.history)) if run.history else "–"
    created = f"{run.created:%Y-%m-%d %H:%M}"
    return run.id, run.name, what, state_text(run), epochs, number(run.best_ap), created


def line(run: Run) -> str:
    """One sentence on a run's state, and what to do next."""
    if run.state == "queued":
        waits = "is next" if run.place <= 1 else f"waits in place {run.place}"
        return f"'{plain(run.name)}' {waits}: landcover runs show {run.id}"
    if run.state == "finished" and run.model:
        return f"'{plain(run.name)}' is finished: landcover classify SOURCE --model {run.model}"
    if run.state in record.ACTIVE or run.state == "finished":
        return f"'{plain(run.name)}' is {run.state}: landcover runs show {run.id}"
    reason = f" ({run.error})" if run.error else ""
    return f"'{plain(run.name)}' is {run.state}{reason}: landcover runs resume {run.id}"


def progress_text(step: RunProgress) -> str:
    """Such as ``train, epoch 3 of 40, loss 0.213, 812 patches/s, 12 min left``."""
    parts = [step.what, *progress_parts(step)]
    if step.seconds_left is not None:
        left = step.seconds_left
        parts.append(f"{left:.0f} s left" if left < 90 else f"{left / 60:,.0f} min left")
    return ", ".join(parts)


def progress_parts(step: RunProgress) -> list[str]:
    """What is done of a step, its loss and its rate, as far as they are known."""
    parts = []
    if step.epochs:
        parts.append(f"epoch {step.epoch:,} of {step.epochs:,}")
    elif step.steps:
        parts.append(f"{step.step:,} of {step.steps:,}")
    if math.isfinite(step.loss):
        parts.append(f"loss {step.loss:.3f}")
    if math.isfinite(step.patches_per_second):
        parts.append(f"{step.patches_per_second:,.0f} patches/s")
    return parts


def state_text(run: Run) -> str:
    """The state with the place in the queue, or with how much is done."""
    if run.place:
        return f"queued ({run.place})"
    return f"running, {run.step.fraction:.0%}" if run.step else run.state


def columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Lines of rows whose cells stand below each other."""
    safe = [tuple(map(plain, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*safe, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in safe
    ]


def number(value: float) -> str:
    """A metric, or a dash if it is not known."""
    return f"{value:.3f}" if math.isfinite(value) else "–"


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds")
