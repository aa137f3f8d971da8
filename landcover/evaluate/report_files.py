"""Report files of a model folder: ``evaluation/<dataset>-<split>.json`` and ``.parquet``.

The JSON contains the metrics, the Parquet file the truth and probabilities of each patch.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from landcover.core.errors import BadInput, CorruptModel
from landcover.evaluate.report import Evaluation, EvaluationReport, LabelSetCoverage, Predictions

__all__ = [
    "FOLDER",
    "observed_coverage",
    "read_report",
    "report_name",
    "reports",
    "write_report",
]

FOLDER: Final = "evaluation"
"""Folder of the reports in a model folder."""
_MAX_BYTES: Final = 20_000_000
_PLACE: Final = "block"
_TRUTH: Final = "truth: "
_PROBABILITY: Final = "probability: "


def write_report(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Write metrics (JSON) and predictions (Parquet) into a model folder.

    The same model, patches and seed give the same files, except for ``date`` and ``speed``.

    Returns:
        the files, under ``folder/evaluation``.
    """
    metrics, found = evaluation.metrics, evaluation.predictions
    stem = f"{metrics.dataset}-{metrics.split}"
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    paths = [folder / FOLDER / f"{stem}.json", folder / FOLDER / f"{stem}.parquet"]
    paths[0].write_text(metrics.as_json(indent=1) + "\n", encoding="utf-8")
    columns: dict[str, Any] = {"patch_id": list(found.ids), "country": list(found.countries)}
    if found.places:
        columns[_PLACE] = list(found.places)
    for k, name in enumerate(evaluation.classes):
        columns[_TRUTH + name] = found.truth[:, k]
        columns[_PROBABILITY + name] = found.probability[:, k]
    pd.DataFrame(columns).to_parquet(paths[1], index=False)
    return paths


def reports(folder: Path) -> list[tuple[str, str]]:
    """List data set and split of each report in a model folder."""
    stems = (path.stem.rpartition("-") for path in sorted((folder / FOLDER).glob("*-*.json")))
    return [(dataset, split) for dataset, _, split in stems]


def report_name(folder: Path, dataset: str) -> str:
    """Return a data set's name in a folder's reports; the given name may lack the version."""
    known = {name for name, _ in reports(folder)}
    versions = sorted((name for name in known if name.startswith(f"{dataset}-v")), reverse=True)
    return dataset if dataset in known or not versions else versions[0]


def read_report(folder: Path, dataset: str, split: str) -> Evaluation:
    """Read a report written by :func:`write_report`.

    Raises:
        BadInput: there is no such report.
        CorruptModel: its files are damaged or do not belong together.
    """
    path = folder / FOLDER / f"{dataset}-{split}.json"
    if (dataset, split) not in reports(folder):
        raise BadInput(
            f"'{folder.name}' has no report on {dataset}, split {split}: "
            "make one with `landcover evaluate --save`."
        )
    try:
        metrics = EvaluationReport.model_validate_json(_read(path))
        table = pd.read_parquet(io.BytesIO(_read(path.with_suffix(".parquet"))))
        report = Evaluation(
            metrics=metrics, predictions=_predictions(table, tuple(metrics.per_class))
        )
        complete = metrics.n == len(table) and len(metrics.per_class) > 1
    except (OSError, ValueError, KeyError, TypeError, RecursionError, pa.ArrowException):
        complete = False
    if not complete:
        raise CorruptModel(
            f"The report {path.name} of '{folder.name}' is damaged: "
            "make it again with `landcover evaluate --save`."
        )
    return report


def observed_coverage(folder: Path, card_hash: str) -> LabelSetCoverage | None:
    """Return the coverage of a card's label sets on the test split, from a folder's reports.

    None if no readable report of exactly that card has it.
    """
    for path in sorted((folder / FOLDER).glob("*-test.json")):
        try:
            metrics = EvaluationReport.model_validate_json(_read(path))
        except (OSError, ValueError):
            continue
        if metrics.card_hash == card_hash and metrics.label_set_coverage is not None:
            return metrics.label_set_coverage
    return None


def _read(path: Path) -> bytes:
    if path.stat().st_size > _MAX_BYTES:
        raise ValueError(path.name)
    return path.read_bytes()


def _predictions(table: pd.DataFrame, classes: Sequence[str]) -> Predictions:
    return Predictions(
        ids=tuple(map(str, table["patch_id"])),
        countries=tuple(map(str, table["country"])),
        truth=table[[_TRUTH + name for name in classes]].to_numpy(dtype=bool),
        probability=table[[_PROBABILITY + name for name in classes]].to_numpy(np.float32),
        places=tuple(map(str, table[_PLACE])) if _PLACE in table else (),
    )
