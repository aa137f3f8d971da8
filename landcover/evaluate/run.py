"""Evaluate a model on labelled data: metrics, intervals and baselines, for any data set."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from landcover import __version__
from landcover.core.progress import Progress, Report
from landcover.core.raster import FloatArray
from landcover.datasets.eurosat import EuroSat
from landcover.datasets.labelled import Dataset, split_name
from landcover.evaluate.patches import PatchTask
from landcover.evaluate.pictures import PictureTask
from landcover.evaluate.report import Evaluation, EvaluationReport, Predictions
from landcover.evaluate.report_metrics import Draws, Material, measure
from landcover.evaluate.task import Task
from landcover.models import registry
from landcover.models.card import Card
from landcover.models.model import Model

__all__ = ["evaluate", "task_of"]


def task_of(dataset: Dataset | EuroSat) -> Task:
    """Return the evaluation task of a data set."""
    return PictureTask(dataset) if isinstance(dataset, EuroSat) else PatchTask(dataset)


def evaluate(
    model: Model,
    dataset: Dataset | EuroSat,
    split: str,
    baselines: Sequence[Model] = (),
    *,
    draws: Draws | None = None,
    allow_touching: bool = False,
    strict: bool = False,
    progress: Report | None = None,
) -> Evaluation:
    """Evaluate a model and baselines on one split (``report_metrics.measure``).

    Args:
        model: the model to evaluate.
        dataset: labelled patches or pictures.
        split: ``train``, ``validation``, ``test`` or ``all``.
        baselines: further models, evaluated on the same patches.
        draws: bootstrap settings.
        allow_touching: allow a test split that touches the training split.
        strict: refuse any split that touches the training data; see
            :mod:`landcover.datasets.split_distance`.
        progress: progress callback.

    Raises:
        BadInput: the split is unknown or empty, is too close to the training data, or a patch
            cannot be read.
        ModelMismatch: a model was not made for these patches or classes.
        CorruptModel: a model returns NaN or infinity.
    """
    task, split, draws = task_of(dataset), split_name(split), draws or Draws()
    task.refuse_leaks(model.card, split, allow_touching=allow_touching, strict=strict)
    models = (model, *baselines)
    answers = task.probabilities(models, split, progress)
    if progress:
        progress(Progress(what="Computing metrics and intervals"))
    material = task.material(split)
    return Evaluation(
        metrics=_report(task, models, split, material, answers, draws=draws),
        predictions=Predictions(
            ids=material.ids,
            countries=material.countries,
            truth=material.truth,
            probability=answers[0],
            places=tuple(map(str, material.places)),
        ),
    )


def _report(
    task: Task,
    models: Sequence[Model],
    split: str,
    material: Material,
    answers: Sequence[FloatArray],
    *,
    draws: Draws,
) -> EvaluationReport:
    """Build the report from the models' probabilities."""
    card = models[0].card
    found = measure([one.card for one in models], material, answers, draws)
    baselines = {
        one.card.name: found.baselines[one.card.name].with_fields(
            **task.origin(one.card, split).given_fields()
        )
        for one in models[1:]
    }
    return EvaluationReport(
        version=1,
        model=card.name,
        dataset=task.name,
        split=split,
        **{**found.given_fields(), "baselines": baselines},
        **task.origin(card, split).given_fields(),
        **task.details(card, split, material, answers[0], draws),
        speed=task.speed(models[0]),
        command=_command(task, card, split, draws),
        date=datetime.now(UTC).date().isoformat(),
        landcover=__version__,
    )


def _command(task: Task, card: Card, split: str, draws: Draws) -> str:
    """Return the command that makes this report."""
    which = registry.default().option(card)
    unit = "" if draws.unit == "patch" else f" --unit {draws.unit}"
    return (
        f"landcover evaluate ROOT --dataset {task.name} --split {split} {which} "
        f"--bootstraps {draws.resamples}{unit}"
    )
