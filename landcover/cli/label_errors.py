"""``data errors``: labels of a data set that are probably wrong."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from landcover.cli import progress
from landcover.cli.commands import add_command
from landcover.cli.exit_status import DONE
from landcover.core.errors import BadInput
from landcover.core.text import one_line

if TYPE_CHECKING:
    from landcover.core.progress import Report
    from landcover.train.label_errors import Evidence
    from landcover.train.planted_errors import Planted

__all__ = ["add"]

_SHOWN: Final = 20


def add(actions: Any) -> None:  # noqa: ANN401 - argparse does not export its type
    """Add the action."""
    errors = add_command(
        actions,
        "errors",
        "find labels that are probably wrong",
        description="Compare labels with the predictions of a model that has not seen the patch "
        "(confident learning, by cleanlab), and list those that it contradicts most. Without "
        "--predictions, extra trees are fitted to the statistics of bands, five times, each time "
        "to other blocks of 12 km than those that they are asked about.",
    )
    errors.add_argument("root", type=Path, metavar="ROOT", help="folder of the data set")
    errors.add_argument(
        "--dataset",
        default="bigearthnet",
        help="bigearthnet (default), or folder (your own files with labels)",
    )
    errors.add_argument(
        "--splits",
        metavar="A,B",
        help="splits whose labels are checked (default: train,validation)",
    )
    errors.add_argument(
        "--predictions",
        type=Path,
        metavar="PATH",
        help="a CSV file with a column patch and one of probabilities for each class, or the "
        "folder of a recipe that `landcover evaluate --by` has written; they must be of models "
        "that have not seen the patch",
    )
    errors.add_argument(
        "--planted",
        type=float,
        metavar="SHARE",
        help="also make this share of the labels wrong, and count how many are found; such as 0.02",
    )
    errors.add_argument(
        "--most", type=int, metavar="N", help=f"labels to list (default: {_SHOWN}; all with --json)"
    )
    errors.add_argument("--json", action="store_true", help="print the result as JSON")
    errors.set_defaults(command=_errors)


def _errors(options: argparse.Namespace) -> int:
    from landcover import datasets  # noqa: PLC0415 - loads torch
    from landcover.datasets.labelled import split_name  # noqa: PLC0415 - loads torch
    from landcover.train import label_errors  # noqa: PLC0415 - loads torch

    if options.most is not None and options.most < 1:
        raise BadInput("--most is a number of labels: give 1 or more.")
    if options.predictions is not None and options.planted is not None:
        raise BadInput("--planted fits anew, so it cannot be used with --predictions.")
    splits = [split_name(one) for one in options.splits.split(",")] if options.splits else []
    dataset = datasets.open_patches(options.dataset, options.root)
    with progress.show() as report:
        evidence = label_errors.evidence_of(dataset, splits, options.predictions, report)
        planted = _planted(evidence, options.planted, report)
    found = label_errors.find(evidence)
    if options.json:
        result = {**found.as_dict(options.most), "planted": [one.as_dict() for one in planted]}
        print(json.dumps(result, ensure_ascii=False, allow_nan=False))
        return DONE
    result = found.as_dict(options.most or _SHOWN)
    for one in result["labels"]:
        print(one_line(f"{one['patch_id']}: {one['reason']}"))
    print(
        f"{result['suspected']:,} labels of {result['n']:,} patches are suspected; "
        f"{len(result['labels'])} are listed. Out-of-fold probabilities: {found.by}."
    )
    for each in planted:
        print(each.sentence)
    return DONE


def _planted(evidence: Evidence, share: float | None, report: Report) -> list[Planted]:
    from landcover.train import planted_errors  # noqa: PLC0415 - loads torch

    if share is None:
        return []
    return [planted_errors.plant(evidence, kind, share, report) for kind in planted_errors.KINDS]
