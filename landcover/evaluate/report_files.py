"""Report files of a model folder: ``evaluation/<dataset>-<split>.json`` and ``.parquet``.

The JSON contains the metrics, the Parquet file the truth and probabilities of each patch.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from landcover.core import files, untrusted_json
from landcover.core.errors import BadInput, CorruptModel
from landcover.core.regular_file import read_regular
from landcover.evaluate.report import Evaluation, EvaluationReport, LabelSetCoverage, Predictions

__all__ = [
    "FOLDER",
    "observed_coverage",
    "read_metrics",
    "read_report",
    "report_name",
    "reports",
    "write_report",
    "writing",
]

FOLDER: Final = "evaluation"
"""Folder of the reports in a model folder."""
_MAX_BYTES: Final = 20_000_000
_HASH: Final = "predictions_sha256"
_PLACE: Final = "block"
_TRUTH: Final = "truth: "
_PROBABILITY: Final = "probability: "


def write_report(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Write metrics (JSON) and predictions (Parquet) into a model folder.

    The same model, patches and seed give the same files, except for ``date`` and ``speed``.

    The JSON file has the hash of the other one. At any moment it belongs to one of two Parquet
    files: that of the report, or the next one, which is renamed at the end.

    Returns:
        the files, under ``folder/evaluation``.

    Raises:
        BadInput: a file cannot be written; an older report is kept.
    """
    metrics = evaluation.metrics
    path = _path(folder, metrics.dataset, metrics.split)
    files.make_folder(path.parent)
    table = _table(evaluation)
    sha256 = hashlib.sha256(table).hexdigest()
    with suppress(OSError, ValueError):  # after a kill the next file may belong to the old report
        _settle(path, _metrics(path)[1])
    files.write_bytes(_next(path), table)
    record = {**metrics.as_dict(), _HASH: sha256}
    text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False)
    files.write_text(path, text + "\n")
    _settle(path, sha256)
    return [path, path.with_suffix(".parquet")]


@contextmanager
def writing(folder: Path, dataset: str, split: str) -> Iterator[None]:
    """Lock a report for as long as it is made, so that no other run makes it as well.

    Raises:
        BadInput: another run makes it, or the folder cannot be written to.
    """
    path = _path(folder, dataset, split)
    files.make_folder(path.parent)
    with files.lock_file(path):
        yield


def _path(folder: Path, dataset: str, split: str) -> Path:
    return folder / FOLDER / f"{dataset}-{split}.json"


def _next(path: Path) -> Path:
    return path.with_name(f"{path.stem}.next.parquet")


def _settle(path: Path, sha256: str) -> None:
    """Give the next Parquet file its name if it is the one of the report."""
    later = _next(path)
    if later.exists() and hashlib.sha256(later.read_bytes()).hexdigest() == sha256:
        files.settle(later, path.with_suffix(".parquet"))


def _metrics(path: Path) -> tuple[EvaluationReport, str]:
    """Read the JSON file: the metrics, and the hash of the other file ("" in older reports).

    Raises:
        OSError: it cannot be read.
        ValueError: it is damaged.
    """
    record = untrusted_json.parse(_read(path))
    if not isinstance(record, dict):
        raise ValueError(path.name)  # noqa: TRY004 - damaged, as in the other cases
    sha256 = str(record.pop(_HASH, ""))
    return EvaluationReport.model_validate(record), sha256


def _table(evaluation: Evaluation) -> bytes:
    found = evaluation.predictions
    columns: dict[str, Any] = {"patch_id": list(found.ids), "country": list(found.countries)}
    if found.places:
        columns[_PLACE] = list(found.places)
    for k, name in enumerate(evaluation.classes):
        columns[_TRUTH + name] = found.truth[:, k]
        columns[_PROBABILITY + name] = found.probability[:, k]
    out = io.BytesIO()
    # Hardly a value occurs twice: dictionaries would make the file a third larger.
    pd.DataFrame(columns).to_parquet(out, index=False, compression="zstd", use_dictionary=False)
    return out.getvalue()


def reports(folder: Path) -> list[tuple[str, str]]:
    """List data set and split of each report in a model folder."""
    stems = (path.stem.rpartition("-") for path in sorted((folder / FOLDER).glob("*-*.json")))
    return [(dataset, split) for dataset, _, split in stems]


def report_name(folder: Path, dataset: str) -> str:
    """Return a data set's name in a folder's reports; the given name may lack the version."""
    known = {name for name, _ in reports(folder)}
    versions = sorted((name for name in known if name.startswith(f"{dataset}-v")), reverse=True)
    return dataset if dataset in known or not versions else versions[0]


def read_metrics(folder: Path, dataset: str, split: str) -> EvaluationReport:
    """Read the metrics of a report alone, which is quick.

    Raises:
        BadInput: there is no such report.
        CorruptModel: its file is damaged.
    """
    path = _existing(folder, dataset, split)
    try:
        return _metrics(path)[0]
    except (OSError, ValueError, RecursionError):
        raise _damaged(folder, dataset, split) from None


def read_report(folder: Path, dataset: str, split: str) -> Evaluation:
    """Read a report written by :func:`write_report`.

    Raises:
        BadInput: there is no such report.
        CorruptModel: its files are damaged or do not belong together.
    """
    path = _existing(folder, dataset, split)
    try:
        metrics, sha256 = _metrics(path)
        table = pd.read_parquet(io.BytesIO(_read_table(path, sha256)))
        report = Evaluation(
            metrics=metrics, predictions=_predictions(table, tuple(metrics.per_class))
        )
        complete = metrics.n == len(table) and len(metrics.per_class) > 1
    except (OSError, ValueError, KeyError, TypeError, RecursionError, pa.ArrowException):
        complete = False
    if not complete:
        raise _damaged(folder, dataset, split)
    return report


def _existing(folder: Path, dataset: str, split: str) -> Path:
    """The JSON file of a report.

    Raises:
        BadInput: there is none.
    """
    if (dataset, split) not in reports(folder):
        raise BadInput(
            f"'{folder.name}' has no report on {dataset}, split {split}: "
            "make one with `landcover evaluate --save`."
        )
    return _path(folder, dataset, split)


def _damaged(folder: Path, dataset: str, split: str) -> CorruptModel:
    return CorruptModel(
        f"The report {_path(folder, dataset, split).name} of '{folder.name}' is damaged: "
        "make it again with `landcover evaluate --save`."
    )


def observed_coverage(folder: Path, card_hash: str) -> LabelSetCoverage | None:
    """Return the coverage of a card's label sets on the test split, from a folder's reports.

    None if no readable report of exactly that card has it.
    """
    for path in sorted((folder / FOLDER).glob("*-test.json")):
        try:
            metrics, _ = _metrics(path)
        except (OSError, ValueError, RecursionError):
            continue
        if metrics.card_hash == card_hash and metrics.label_set_coverage is not None:
            return metrics.label_set_coverage
    return None


def _read_table(path: Path, sha256: str) -> bytes:
    """Read the Parquet file of a report; after a kill this may be the next one.

    Raises:
        ValueError: there is none that belongs to the report.
    """
    for each in (path.with_suffix(".parquet"), _next(path)):
        with suppress(FileNotFoundError):
            data = _read(each)
            if not sha256 or hashlib.sha256(data).hexdigest() == sha256:
                return data
    raise ValueError(path.name)


def _read(path: Path) -> bytes:
    return read_regular(path, _MAX_BYTES, inside=path.parents[1])


def _predictions(table: pd.DataFrame, classes: Sequence[str]) -> Predictions:
    return Predictions(
        ids=tuple(map(str, table["patch_id"])),
        countries=tuple(map(str, table["country"])),
        truth=table[[_TRUTH + name for name in classes]].to_numpy(dtype=bool),
        probability=table[[_PROBABILITY + name for name in classes]].to_numpy(np.float32),
        places=tuple(map(str, table[_PLACE])) if _PLACE in table else (),
    )
