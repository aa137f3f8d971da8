"""The value of an evaluation: metrics with intervals, where they come from, and predictions.

It is what ``landcover evaluate --json`` prints and what lies in ``evaluation/*.json`` beside a
model's card. Nothing here computes: :mod:`landcover.evaluate.report_metrics` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from landcover.core.raster import BoolArray, FloatArray
from landcover.core.schema import Interval, Schema
from landcover.datasets.split_distance import blocks

__all__ = [
    "Baseline",
    "Bootstrap",
    "ClassMetrics",
    "Evaluation",
    "EvaluationReport",
    "LabelSetCoverage",
    "LabelSetShares",
    "Margin",
    "Measurement",
    "Metrics",
    "Origin",
    "PartMetrics",
    "Predictions",
    "Share",
    "Speed",
    "Unit",
]

Unit = Literal["patch", "block"]
"""What the bootstrap draws: single patches, or all patches of a block of 12 km."""


class Metrics(Schema):
    """Metrics over all classes, in the order of :data:`landcover.metrics.scores.METRICS`.

    Each is None where the data cannot give it, or where an older report lacks it.
    ``confidence_intervals`` has the 95 % interval of each by its name.
    """

    macro_ap: float | None = None
    micro_ap: float | None = None
    macro_f1: float | None = None
    micro_f1: float | None = None
    ece: float | None = None
    sample_ap: float | None = None
    macro_f2: float | None = None
    micro_f2: float | None = None
    macro_precision: float | None = None
    micro_precision: float | None = None
    macro_recall: float | None = None
    micro_recall: float | None = None
    hamming_loss: float | None = None
    one_error: float | None = None
    coverage_error: float | None = None
    ranking_loss: float | None = None
    subset_accuracy: float | None = None
    ace: float | None = None
    brier: float | None = None
    accuracy: float | None = None
    """Only where a patch has exactly one of the classes."""
    confidence_intervals: dict[str, Interval | None] = Field(default_factory=dict)

    def value(self, name: str) -> float | None:
        """A metric by its name; None where it is undefined or there is none of that name."""
        found = getattr(self, name, None) if name in Metrics.model_fields else None
        return found if isinstance(found, float) else None

    def interval(self, name: str) -> Interval | None:
        """The 95 % interval of a metric; None where it has none."""
        return self.confidence_intervals.get(name)


class PartMetrics(Metrics):
    """Metrics of some of the patches, such as those of a country; None where these are too few."""

    n: int
    macro_classes: tuple[str, ...] = ()


class ClassMetrics(Schema):
    """Metrics of one class, as in :class:`landcover.metrics.scores.ClassScores`."""

    support: int = 0
    """Patches that have the class."""
    ap: float | None = None
    precision: float | None = None
    recall: float | None = None
    f1: float | None = None
    f2: float | None = None
    brier: float | None = None
    ece: float | None = None
    ace: float | None = None
    threshold: float
    ap_interval: Interval | None = None
    confidence_intervals: dict[str, Interval | None] = Field(default_factory=dict)

    def value(self, name: str) -> float | None:
        """A metric or the threshold by its name; None where undefined."""
        found = getattr(self, name, None) if name in ClassMetrics.model_fields else None
        return float(found) if isinstance(found, float | int) else None


class Margin(Schema):
    """A model's metric less a baseline's, on the same resamples."""

    difference: float | None
    interval: Interval | None


class Origin(Schema):
    """Which weights were measured, and how far from these patches they were trained."""

    card_hash: str = ""
    seen_in_training: bool | None = None
    """Whether the model was trained on some of these patches; None where that is unknown."""
    learnt: int | None = None
    """On how many of these pictures it was trained, by ``learnt_rule``; None where unknown."""
    learnt_rule: str = ""
    training_splits: tuple[str, ...] = ()
    training_distance_m: int | None = None


class Baseline(Origin, Metrics):
    """Metrics of a baseline on the same patches, and the model's margins above it."""

    margin: dict[str, Margin] = Field(default_factory=dict)


class Bootstrap(Schema):
    """How intervals were made."""

    resamples: int
    seed: int = 0
    unit: Unit = "patch"
    blocks: int | None = None
    """How many blocks of 12 km the patches lie in."""
    confidence: float = 0.95
    method: str = "percentile"


class Speed(Schema):
    """Median time of one warm classification of one patch, and where it was measured."""

    milliseconds_per_patch: float
    runs: int
    device: str
    threads: int


class Measurement(Metrics):
    """What truth and answers give: all metrics of one model on some patches."""

    n: int
    per_class: dict[str, ClassMetrics]
    per_country: dict[str, PartMetrics] = Field(default_factory=dict)
    baselines: dict[str, Baseline] = Field(default_factory=dict)
    macro_classes: tuple[str, ...] = ()
    """The classes that macro metrics average."""
    macro_rule: str = ""
    bootstrap: Bootstrap | None = None
    ece_bins: int = 15


class Share(Schema):
    """A share of cases with its interval; both None where there are no cases."""

    n: int
    hits: int
    share: float | None
    interval: Interval | None


class LabelSetShares(Schema):
    """Three shares of patches and classes.

    ``present``: there, and not called absent; ``absent``: not there, and not called certain;
    ``certain``: called certain, and there. ``n``: patches, where these are a country's.
    """

    n: int | None = None
    present: Share
    absent: Share
    certain: Share

    def share_of(self, name: Literal["present", "absent", "certain"]) -> Share:
        """One of the three by its name."""
        return {"present": self.present, "absent": self.absent, "certain": self.certain}[name]


class LabelSetCoverage(Schema):
    """How often label sets held the truth: :func:`landcover.decide.conformal.observe`."""

    wanted_coverage: float
    n: int
    overall: LabelSetShares
    per_patch: dict[str, float] = Field(default_factory=dict)
    per_class: dict[str, LabelSetShares] = Field(default_factory=dict)
    per_country: dict[str, LabelSetShares] = Field(default_factory=dict)
    interval: str = ""
    note: str = ""


class _Subject(Schema):
    """What was measured on what."""

    model: str
    dataset: str
    split: str


class EvaluationReport(Origin, Measurement, _Subject):
    """A whole report: metrics, and whose they are.

    ``touching`` patches lie beside some that the model was trained on, and ``apart`` has the
    metrics of the others; both are None where that is unknown, ``apart`` also where all
    patches touch or none does. ``unseen`` has the metrics of the pictures that it was not
    trained on, where it was trained on some.
    """

    version: Literal[1] = 1
    """Of this form; files without it have the first one."""
    touching: int | None = None
    apart: PartMetrics | None = None
    unseen: PartMetrics | None = None
    unseen_rule: str = ""
    label_set_coverage: LabelSetCoverage | None = None
    split_distances_m: dict[str, int | None] | None = None
    absent: int = 0
    """Patches of the split that are not on the disk."""
    note: str = ""
    speed: Speed | None = None
    command: str = ""
    date: str = ""
    landcover: str = ""
    """Version of the library."""


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """What is true and what a model says of each patch of a split.

    Attributes:
        ids: of the patches.
        countries: of the patches, empty where unknown.
        truth: bool ``(patch, class)``, classes in the order of the report's ``per_class``.
        probability: float32 in the same shape, 0 to 1.
        places: the block that each patch lies in; empty in older reports.
    """

    ids: tuple[str, ...]
    countries: tuple[str, ...]
    truth: BoolArray
    probability: FloatArray
    places: tuple[str, ...] = ()

    @property
    def blocks(self) -> tuple[str, ...]:
        """The block of 12 km that each patch lies in, by its name where no report says it."""
        return self.places or tuple(map(str, blocks(self.ids)))


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The metrics of one model on one split, and the predictions that they were computed from."""

    metrics: EvaluationReport
    predictions: Predictions

    @property
    def classes(self) -> tuple[str, ...]:
        """Names along the class axis."""
        return tuple(self.metrics.per_class)

    @property
    def exclusive(self) -> bool:
        """Whether a patch has exactly one of the classes."""
        return self.metrics.accuracy is not None

    def as_dict(self) -> dict[str, Any]:
        """The metrics as JSON-ready values; what is undefined is None."""
        return self.metrics.as_dict()

    def thresholds(self) -> tuple[float, ...]:
        """The threshold of each class, in the order of :attr:`classes`."""
        return tuple(item.threshold for item in self.metrics.per_class.values())
