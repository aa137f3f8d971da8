"""A run that measures a model on labelled data, with the report that the Models page shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from landcover import datasets
from landcover.core.errors import BadInput
from landcover.evaluate import report_files, report_text
from landcover.evaluate import run as evaluation
from landcover.evaluate.report import Evaluation, EvaluationReport
from landcover.evaluate.report_metrics import Draws
from landcover.jobs.runs import folder
from landcover.jobs.runs.order import RunOrder
from landcover.jobs.runs.progress import RunLog
from landcover.models import registry

__all__ = ["metrics_of", "report_of", "test", "test_settings"]

_SETTINGS: Final = ("allow_touching", "bootstraps")
_BOOTSTRAPS: Final = (100, 100_000)


def test(order: RunOrder, run: Path) -> None:
    """Measure the model of an order; the report goes into the run's folder.

    Raises:
        LandcoverError: the order cannot be carried out.
    """
    given = test_settings(order)
    models = registry.default()
    dataset = datasets.open_any(order.dataset, order.root)
    task = evaluation.task_of(dataset)
    model = models.load(order.model, order.device)
    baselines = task.baselines(model.card, models.folder(order.model), order.device)
    result = evaluation.evaluate(
        model,
        dataset,
        order.split,
        baselines,
        draws=Draws(resamples=given["bootstraps"]),
        allow_touching=given["allow_touching"],
        progress=RunLog(run).report,
    )
    report_files.write_report(result, run / folder.REPORT_FOLDER)
    print(report_text.as_text(result), flush=True)  # noqa: T201 - to the log


def test_settings(order: RunOrder) -> dict[str, Any]:
    """The settings of a test, complete.

    Raises:
        BadInput: there is no such setting, or its value cannot be used.
    """
    given = {"bootstraps": 1000, "allow_touching": False, **order.settings}
    if unknown := [name for name in given if name not in _SETTINGS]:
        raise BadInput(
            f"A test has no setting '{unknown[0][:40]}', only {' and '.join(_SETTINGS)}: correct "
            "it."
        )
    count, least, most = given["bootstraps"], *_BOOTSTRAPS
    if type(count) is not int or not least <= count <= most:
        raise BadInput(f"bootstraps is a whole number from {least} to {most:,}.")
    if type(given["allow_touching"]) is not bool:
        raise BadInput("allow_touching is true or false.")
    return given


def report_of(run: Path) -> Evaluation:
    """The report of a finished test.

    Args:
        run: the run's folder.

    Raises:
        BadInput: it has none.
        CorruptModel: its files are damaged.
    """
    return report_files.read_report(run / folder.REPORT_FOLDER, *_only(run))


def metrics_of(run: Path) -> EvaluationReport:
    """The metrics of a finished test, without its predictions; arguments as :func:`report_of`.

    Raises:
        BadInput: it has none.
        CorruptModel: its file is damaged.
    """
    return report_files.read_metrics(run / folder.REPORT_FOLDER, *_only(run))


def _only(run: Path) -> tuple[str, str]:
    known = report_files.reports(run / folder.REPORT_FOLDER)
    if not known:
        raise BadInput(f"The run {run.name} has no report: it did not end.")
    return known[0]
