"""Types of an evaluation report: metrics with intervals, their origin, and predictions.

This is the JSON that ``landcover evaluate --json`` prints and that ``evaluation/*.json`` in a model
folder contains. :mod:`landcover.evaluate.report_metrics` computes the values.
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

Unit = Literal["patch", "block", "product"]
"""Unit of the bootstrap: single patches, or all patches of a 12 km block or of a product."""


class Metrics(Schema):
    """Metrics over all classes, in the order of :data:`landcover.metrics.scores.METRICS`.

    Each is None if it is undefined for the data, or missing in an older report.
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
    """Only if a patch has exactly one of the classes."""
    confidence_intervals: dict[str, Interval | None] = Field(default_factory=dict)

    def value(self, name: str) -> float | None:
        """Return a metric by its name; None if it is undefined or the name is unknown."""
        found = getattr(self, name, None) if name in Metrics.model_fields else None
        return found if isinstance(found, float) else None

    def interval(self, name: str) -> Interval | None:
        """Return the 95 % interval of a metric; None if it has none."""
        return self.confidence_intervals.get(name)


class PartMetrics(Metrics):
    """Metrics of a subset, such as the patches of a country; None if there are too few patches."""

    n: int
    macro_classes: tuple[str, ...] = ()


class ClassMetrics(Schema):
    """Metrics of one class, as in :class:`landcover.metrics.scores.ClassScores`."""

    support: int = 0
    """Number of patches with the class."""
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
        """Return a metric or the threshold by its name; None if undefined."""
        found = getattr(self, name, None) if name in ClassMetrics.model_fields else None
        return float(found) if isinstance(found, float | int) else None


class Margin(Schema):
    """A model's metric minus a baseline's, on the same resamples."""

    difference: float | None
    interval: Interval | None


class Origin(Schema):
    """Which weights were evaluated, and how close these patches are to their training data."""

    card_hash: str = ""
    seen_in_training: bool | None = None
    """Whether the model was trained on some of these patches; None if unknown."""
    learnt: int | None = None
    """Number of these pictures it was trained on, according to ``learnt_rule``; None if unknown."""
    learnt_rule: str = ""
    training_splits: tuple[str, ...] = ()
    training_distance_m: int | None = None


class Baseline(Origin, Metrics):
    """Metrics of a baseline on the same patches, and the model's margins over it."""

    margin: dict[str, Margin] = Field(default_factory=dict)


class Bootstrap(Schema):
    """How intervals were computed."""

    resamples: int
    seed: int = 0
    unit: Unit = "patch"
    blocks: int | None = None
    """Number of 12 km blocks with patches."""
    confidence: float = 0.95
    method: str = "percentile"


class Speed(Schema):
    """Median time of one warm classification of one patch, with device and threads."""

    milliseconds_per_patch: float
    runs: int
    device: str
    threads: int


class Measurement(Metrics):
    """All metrics of one model on some patches."""

    n: int
    per_class: dict[str, ClassMetrics]
    per_country: dict[str, PartMetrics] = Field(default_factory=dict)
    baselines: dict[str, Baseline] = Field(default_factory=dict)
    macro_classes: tuple[str, ...] = ()
    """The classes over which macro metrics are averaged."""
    macro_rule: str = ""
    bootstrap: Bootstrap | None = None
    ece_bins: int = 15


class Share(Schema):
    """A share of cases with its interval; both None if there are no cases."""

    n: int
    hits: int
    share: float | None
    interval: Interval | None


ShareName = Literal["present", "absent", "certain", "ruled_out"]


class LabelSetShares(Schema):
    """Four shares of pairs of patch and class.

    ``present``: of the classes present, those not predicted absent; ``absent``: of the classes
    absent, those not predicted certain; ``certain``: of the classes predicted certain, those
    present; ``ruled_out``: of the classes predicted absent, those absent (older reports lack it).
    ``n``: number of patches, for a country.
    """

    n: int | None = None
    present: Share
    absent: Share
    certain: Share
    ruled_out: Share | None = None

    def share_of(self, name: ShareName) -> Share:
        """Return one of the four by its name; without cases if the report lacks it."""
        return {
            "present": self.present,
            "absent": self.absent,
            "certain": self.certain,
            "ruled_out": self.ruled_out or Share(n=0, hits=0, share=None, interval=None),
        }[name]


class LabelSetCoverage(Schema):
    """How often label sets contain the truth: :func:`landcover.decide.conformal_fit.observe`."""

    wanted_coverage: float
    n: int
    overall: LabelSetShares
    per_patch: dict[str, float] = Field(default_factory=dict)
    per_class: dict[str, LabelSetShares] = Field(default_factory=dict)
    per_country: dict[str, LabelSetShares] = Field(default_factory=dict)
    interval: str = ""
    note: str = ""


class _Subject(Schema):
    """Model, data set and split of a report."""

    model: str
    dataset: str
    split: str


class EvaluationReport(Origin, Measurement, _Subject):
    """A complete report: metrics and their origin.

    ``touching`` is the number of patches next to training patches, and ``apart`` has the
    metrics of the others; both are None if that is unknown, ``apart`` also if all
    patches touch or none does. ``unseen`` has the metrics of the pictures not used for
    training, if some of them were.
    """

    version: Literal[1] = 1
    """Version of the format; files without it have version 1."""
    touching: int | None = None
    apart: PartMetrics | None = None
    unseen: PartMetrics | None = None
    unseen_rule: str = ""
    label_set_coverage: LabelSetCoverage | None = None
    split_distances_m: dict[str, int | None] | None = None
    own_data: str = ""
    """Title of a data set of one's own, with digits that change with its patches and splits."""
    absent: int = 0
    """Patches of the split that are not on disk."""
    note: str = ""
    speed: Speed | None = None
    command: str = ""
    date: str = ""
    landcover: str = ""
    """Version of the library."""


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """True and predicted labels of each patch of a split.

    Attributes:
        ids: names of the patches.
        countries: countries of the patches, empty if unknown.
        truth: bool ``(patch, class)``, classes in the order of the report's ``per_class``.
        probability: float32 of the same shape, 0 to 1.
        places: block of each patch; empty in older reports.
    """

    ids: tuple[str, ...]
    countries: tuple[str, ...]
    truth: BoolArray
    probability: FloatArray
    places: tuple[str, ...] = ()

    @property
    def blocks(self) -> tuple[str, ...]:
        """The 12 km block of each patch, derived from its name if the report lacks it."""
        return self.places or tuple(map(str, blocks(self.ids)))


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The metrics of one model on one split, with the predictions behind them."""

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
        """Return the metrics as JSON-ready values; undefined ones are None."""
        return self.metrics.as_dict()

    def thresholds(self) -> tuple[float, ...]:
        """Return the threshold of each class, in the order of :attr:`classes`."""
        return tuple(item.threshold for item in self.metrics.per_class.values())
