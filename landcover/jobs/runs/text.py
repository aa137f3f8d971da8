"""Runs as text and as JSON, and what differs between two."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from landcover.core.text import plain
from landcover.jobs.runs import record, settings
from landcover.jobs.runs.record import Run, RunProgress

__all__ = ["Comparison", "as_dict", "compare", "details", "line", "progress_text", "table"]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two runs side by side.

    Attributes:
        first, second: the runs.
        differing: name of a setting → its values in both, where they differ; None is not set.
        same: how many settings are the same.
    """

    first: Run
    second: Run
    differing: dict[str, tuple[Any, Any]]
    same: int

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "runs": [as_dict(self.first), as_dict(self.second)],
            "differing": {name: list(pair) for name, pair in self.differing.items()},
            "same": self.same,
        }

    @property
    def text(self) -> str:
        """A table of what differs, and the best average precisions."""
        pairs = {
            "run": (self.first.id, self.second.id),
            "name": (self.first.name, self.second.name),
            "state": (self.first.state, self.second.state),
            "best AP": (_number(self.first.best_ap), _number(self.second.best_ap)),
            **self.differing,
        }
        rows = [(name, *map(_shown, values)) for name, values in pairs.items()]
        return "\n".join([*_columns(rows), f"{self.same} other settings are the same."])


def compare(first: Run, second: Run) -> Comparison:
    """Find the settings in which two runs differ."""
    one, two = settings.values_of(first), settings.values_of(second)
    names = list(dict.fromkeys([*one, *two]))
    differing = {n: (one.get(n), two.get(n)) for n in names if one.get(n) != two.get(n)}
    return Comparison(
        first=first, second=second, differing=differing, same=len(names) - len(differing)
    )


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
        "progress": None if run.step is None else _known(asdict(run.step)),
        "epochs": len(run.history),
        "best_macro_ap": _finite(run.best_ap),
        "model": run.model,
        "folder": str(run.folder),
    }


def table(runs: Sequence[Run]) -> str:
    """One line a run."""
    if not runs:
        return "There are no runs: queue one with `landcover train … --queue`."
    head = ("id", "name", "what", "state", "epochs", "best AP", "created")
    return "\n".join(_columns([head, *(_row(run) for run in runs)]))


def _row(run: Run) -> tuple[str, ...]:
    what = f"{run.order.kind} {run.order.model} on {run.order.dataset}"
    epochs = str(len(run.history)) if run.history else "–"
    created = f"{run.created:%Y-%m-%d %H:%M}"
    return run.id, run.name, what, _state(run), epochs, _number(run.best_ap), created


def details(run: Run) -> str:
    """A run with its settings, progress and last epoch."""
    lines = {
        "run": run.id,
        "name": run.name,
        "kind": run.order.kind,
        "state": _state(run),
        "error": run.error,
        "progress": progress_text(run.step) if run.step else "",
        "model": run.model and f"{run.model}: landcover classify SOURCE --model {run.model}",
        "best AP": _number(run.best_ap) if run.history else "",
        "last": run.history[-1].text(len(run.history)) if run.history else "",
        "files": str(run.folder),
        **{name: _shown(value) for name, value in settings.values_of(run).items()},
    }
    return "\n".join(_columns([(name, text) for name, text in lines.items() if text]))


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
    parts = [step.what]
    if step.epochs:
        parts.append(f"epoch {step.epoch} of {step.epochs}")
    elif step.steps:
        parts.append(f"{step.step:,} of {step.steps:,}")
    if math.isfinite(step.loss):
        parts.append(f"loss {step.loss:.3f}")
    if math.isfinite(step.patches_per_second):
        parts.append(f"{step.patches_per_second:,.0f} patches/s")
    if step.seconds_left is not None:
        left = step.seconds_left
        parts.append(f"{left:.0f} s left" if left < 90 else f"{left / 60:,.0f} min left")
    return ", ".join(parts)


def _state(run: Run) -> str:
    if run.place:
        return f"queued ({run.place})"
    return f"running, {run.step.fraction:.0%}" if run.step else run.state


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    safe = [tuple(map(plain, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*safe, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in safe
    ]


def _shown(value: object) -> str:
    if value is None:
        return "–"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _number(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "–"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _known(values: dict[str, Any]) -> dict[str, Any]:
    return {k: _finite(v) if isinstance(v, float) else v for k, v in values.items()}


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds")
