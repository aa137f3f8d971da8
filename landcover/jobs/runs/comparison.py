"""The settings of one run, and what differs between two experiments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from landcover.jobs.runs import experiments, settings
from landcover.jobs.runs.experiments import Experiment
from landcover.jobs.runs.record import Run
from landcover.jobs.runs.text import columns, number, progress_text, state_text

__all__ = ["Comparison", "compare", "details", "shown"]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two experiments side by side.

    Attributes:
        first, second: the experiments.
        differing: name of a setting → its values in both, where they differ; None is not set.
        same: how many settings are the same.
    """

    first: Experiment
    second: Experiment
    differing: dict[str, tuple[Any, Any]]
    same: int

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "runs": [self.first.as_dict(), self.second.as_dict()],
            "differing": {name: list(pair) for name, pair in self.differing.items()},
            "same": self.same,
        }

    @property
    def text(self) -> str:
        """A table of what differs, and the average precisions."""
        pairs = {
            "run": (self.first.key, self.second.key),
            "name": (self.first.name, self.second.name),
            "state": (self.first.state, self.second.state),
            "best AP": (number(self.first.macro_ap), number(self.second.macro_ap)),
            **self.differing,
        }
        rows = [(name, *map(shown, values)) for name, values in pairs.items()]
        return "\n".join([*columns(rows), f"{self.same} other settings are the same."])


def compare(first: Experiment, second: Experiment) -> Comparison:
    """Find the settings in which two experiments differ.

    Raises:
        LandcoverError: the model of a training of the past is gone, or its card is damaged.
    """
    one, two = experiments.settings_of(first), experiments.settings_of(second)
    names = list(dict.fromkeys([*one, *two]))
    differing = {n: (one.get(n), two.get(n)) for n in names if one.get(n) != two.get(n)}
    return Comparison(
        first=first, second=second, differing=differing, same=len(names) - len(differing)
    )


def details(run: Run) -> str:
    """A run with its settings, progress and last epoch."""
    lines = {
        "run": run.id,
        "name": run.name,
        "kind": run.order.kind,
        "state": state_text(run),
        "error": run.error,
        "progress": progress_text(run.step) if run.step else "",
        "result": run.model and f"{run.model}: landcover classify SOURCE --model {run.model}",
        "best AP": number(run.best_ap) if run.history else "",
        "last": run.history[-1].text(len(run.history)) if run.history else "",
        "files": str(run.folder),
        **run.order.places(run.folder),
        **{name: shown(value) for name, value in settings.values_of(run).items()},
    }
    return "\n".join(columns([(name, text) for name, text in lines.items() if text]))


def shown(value: object) -> str:
    """A setting as text; a dash if it is not set."""
    if value is None:
        return "–"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
