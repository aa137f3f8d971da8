"""What the saved evaluation of a model says of one class: how good it is, what it confuses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from landcover.core.bands import RGB
from landcover.core.classes import CLASS_SETS, EUROSAT_CLASSES
from landcover.core.errors import LandcoverError
from landcover.evaluate import report_files
from landcover.evaluate.report import Evaluation
from landcover.metrics import scores
from landcover.metrics.mistaken import Mistake, mistakes
from landcover.models import registry
from landcover.models.card import Card

__all__ = ["ClassEvidence", "Trust", "evidence", "of_usual_model"]

Trust = Literal["untested", "hardly tested", "weak", "fair", "good"]
"""How far the measurements support the answers for a class; see :attr:`ClassEvidence.trust`."""
_GOOD: Final = 0.7
_TEST: Final = "test"


@dataclass(frozen=True, kw_only=True)
class ClassEvidence:
    """What was measured of one class.

    Attributes:
        name: of the class.
        model: title of the model.
        dataset: name of the data set of the report.
        patches: number of patches it was measured on.
        support: number of them that have the class.
        ap: average precision; None without support.
        interval: its 95 % interval; None if it has none.
        threshold: probability from which the model says the class; None if it says exactly one,
            the most probable.
        found: patches that have the class and in which the model says it.
        wrong: patches that lack the class and in which the model says it.
        learnt: number of patches with the class that the model was fitted to; None if unknown.
        says_also: mistakes in patches that have the class: others that are then said wrongly.
        really: mistakes in which this class is said wrongly, beside what is present.
        classes: names along the class axis, which the mistakes index.
    """

    name: str
    model: str
    dataset: str
    patches: int
    support: int
    ap: float | None
    interval: tuple[float, float] | None
    threshold: float | None
    found: int
    wrong: int
    learnt: int | None
    says_also: tuple[Mistake, ...]
    really: tuple[Mistake, ...]
    classes: tuple[str, ...]

    @property
    def chance(self) -> float:
        """The average precision of guesses: the share of patches that have the class."""
        return self.support / self.patches

    @property
    def trust(self) -> Trust:
        """How far the measurements support the answers.

        ``untested`` without support, ``hardly tested`` with fewer than five patches. Otherwise by
        the lower end of the interval of the average precision: ``good`` from 0.7, ``weak`` if it
        is not above that of guesses, else ``fair``.
        """
        if not self.support or self.ap is None:
            return "untested"
        if self.support < scores.MIN_POSITIVES or self.interval is None:
            return "hardly tested"
        if self.interval[0] >= _GOOD:
            return "good"
        return "weak" if self.interval[0] <= self.chance else "fair"


def evidence(card: Card, report: Evaluation) -> Mapping[str, ClassEvidence]:
    """Return what a report says of each of its classes."""
    truth, classes = report.predictions.truth, report.classes
    called = scores.decisions(
        report.predictions.probability, report.thresholds(), exclusive=report.exclusive
    )
    tables, found = scores.confusions(truth, called), mistakes(truth, called)
    learnt = card.training.get("support")
    return {
        name: ClassEvidence(
            name=name,
            model=card.title,
            dataset=report.metrics.dataset,
            patches=report.metrics.n,
            support=item.support,
            ap=item.ap,
            interval=item.ap_interval,
            threshold=None if report.exclusive else item.threshold,
            found=int(tables[k, 1, 1]),
            wrong=int(tables[k, 0, 1]),
            learnt=learnt.get(name) if isinstance(learnt, Mapping) else None,
            says_also=tuple(one for one in found if one.present == k),
            really=tuple(one for one in found if one.said == k),
            classes=classes,
        )
        for k, (name, item) in enumerate(report.metrics.per_class.items())
    }


def of_usual_model(class_set: str) -> Mapping[str, ClassEvidence]:
    """Return what was measured with the model that is usual for a class set, by class.

    Empty if that model has no readable report on a test split.

    Args:
        class_set: one of :data:`landcover.core.classes.CLASS_SETS`.
    """
    models = registry.default()
    model = models.usual(RGB if CLASS_SETS[class_set] == EUROSAT_CLASSES else "L2A")
    try:
        folder, card = models.folder(model), models.card(model)
        for dataset, split in report_files.reports(folder):
            if split == _TEST:
                return evidence(card, report_files.read_report(folder, dataset, split))
    except LandcoverError:
        return {}  # the Models page and `landcover models` say what is wrong with it
    return {}
