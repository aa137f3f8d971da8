"""The settings of one experiment, and what differs between two experiments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from landcover.jobs.runs import experiments
from landcover.jobs.runs.experiments import Experiment
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


def details(experiment: Experiment) -> str:
    """An experiment with its settings, progress and last epoch.

    Raises:
        LandcoverError: the model of a training of the past is gone, or its card is damaged.
    """
    run, history, model = experiment.run, experiment.history, experiment.result
    lines = {
        "run": experiment.key,
        "name": experiment.name,
        "kind": experiment.kind,
        "state": state_text(run) if run else experiment.state,
        "error": run.error if run else "",
        "progress": progress_text(run.step) if run and run.step else "",
        "result": model and f"{model}: landcover classify SOURCE --model {model}",
        "best AP": number(experiment.macro_ap) if history else "",
        "last": history[-1].text(len(history)) if history else "",
        "files": str(run.folder) if run else "",
        **(run.order.places(run.folder) if run else {}),
        **{name: shown(value) for name, value in experiments.settings_of(experiment).items()},
    }
    return "\n".join(columns([(name, text) for name, text in lines.items() if text]))


def shown(value: object) -> str:
    """A setting as text; a dash if it is not set."""
    if value is None:
        return "–"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
