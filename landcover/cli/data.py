"""The command ``data``: describe, download, check and convert data sets, or write a small one.

To add an action, write a function ``_add_…`` and add it to ``_ACTIONS``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from landcover.cli import label_errors, output, progress
from landcover.cli.commands import add_command
from landcover.core.errors import BadInput
from landcover.core.text import one_line, plain

if TYPE_CHECKING:
    from landcover.datasets.downloads import Outcome

__all__ = ["INCOMPLETE", "INTERRUPTED", "add_commands"]

INTERRUPTED: Final = 130
INCOMPLETE: Final = 1


def add_commands(commands: Any) -> None:  # noqa: ANN401 - argparse does not export its type
    """Add the command ``data`` with its actions."""
    actions = add_command(
        commands, "data", "describe, download, check or convert a data set, or write an example"
    ).add_subparsers(required=True, metavar="ACTION")
    for add in _ACTIONS:
        add(actions)


def _add_describe(actions: Any) -> None:  # noqa: ANN401 - as above
    describe = add_command(actions, "describe", "count patches by split, class and country")
    describe.add_argument("root", type=Path, metavar="ROOT", help="folder of the data set")
    describe.add_argument(
        "--dataset", default="bigearthnet", help="bigearthnet (default), eurosat or folder"
    )
    describe.add_argument("--json", action="store_true", help="print the result as JSON")
    describe.set_defaults(command=_describe)


def _describe(options: argparse.Namespace) -> int:
    from landcover import datasets  # noqa: PLC0415 - slow to import

    description = datasets.open_any(options.dataset, options.root).describe()
    print(
        json.dumps(
            description, indent=None if options.json else 2, ensure_ascii=False, allow_nan=False
        )
    )
    return 0


def _add_overview(actions: Any) -> None:  # noqa: ANN401 - as above
    overview = add_command(
        actions,
        "overview",
        "what a data set contains: classes, combinations, seasons, places",
        description="Count classes by split, country, month and season, labels per patch, classes "
        "that occur together, and patches by Sentinel-2 tile. Without ROOT: of all 480,038 patches "
        "of BigEarthNet v2, whose counts ship with the program.",
    )
    overview.add_argument(
        "root", type=Path, nargs="?", metavar="ROOT", help="folder of a data set (optional)"
    )
    overview.add_argument(
        "--dataset",
        default="bigearthnet",
        help="bigearthnet (default), or folder (your own files with labels)",
    )
    overview.add_argument(
        "--combinations",
        type=int,
        default=100,
        metavar="N",
        help="label combinations to list, the most frequent first (default: 100)",
    )
    overview.add_argument("--json", action="store_true", help="print the result on one line")
    overview.set_defaults(command=_overview)


def _overview(options: argparse.Namespace) -> int:
    from landcover import datasets  # noqa: PLC0415 - slow to import
    from landcover.datasets import overview  # noqa: PLC0415

    if options.combinations < 0:
        raise BadInput("--combinations is a number of label combinations: give 0 or more.")
    if options.root is None:
        counts = overview.shipped()
    else:
        counts = overview.of_dataset(datasets.open_patches(options.dataset, options.root))
    figures = overview.as_dict(counts, options.combinations)
    indent = None if options.json else 2
    print(json.dumps(figures, indent=indent, ensure_ascii=False, allow_nan=False))
    return 0


_DOWNLOAD_HELP: Final = """\
download a data set from its publisher

  bigearthnet  BigEarthNet v2, Sentinel-2: 63.3 GB, unpacked 6,593,856 files of 90.4 GB
               (105.8 GB on a disk with blocks of 4 KiB): 169 GB must be free.
               With --metadata-only just its two tables: 4.3 MB. CDLA-Permissive-1.0.
  eurosat      EuroSAT RGB: 94.7 MB, 27,000 pictures; 0.5 GB must be free to unpack them.
               The places of the pictures are not included, so there is no split by
               place: use it with `--split all`. MIT.

Run the same command again to resume an interrupted download. Each file is checked against its
published size and MD5 sum. Archives are unpacked, then deleted."""


def _add_download(actions: Any) -> None:  # noqa: ANN401 - as above
    download = add_command(
        actions,
        "download",
        "download bigearthnet or eurosat, or resume a download",
        description=_DOWNLOAD_HELP,
    )
    download.add_argument("dataset", metavar="DATASET", help="bigearthnet or eurosat")
    download.add_argument("--to", required=True, type=Path, metavar="DIR", help="folder for it")
    download.add_argument(
        "--metadata-only",
        action="store_true",
        help="only the tables of bigearthnet, without pixels",
    )
    after = download.add_mutually_exclusive_group()
    after.add_argument(
        "--keep-archive", action="store_true", help="do not delete unpacked archives"
    )
    after.add_argument(
        "--no-unpack",
        action="store_true",
        help="do not unpack archives (eurosat can be read packed)",
    )
    download.add_argument("--json", action="store_true", help="print the result as JSON")
    download.set_defaults(command=_download)


def _download(options: argparse.Namespace) -> int:
    from landcover.datasets import downloads  # noqa: PLC0415

    source = downloads.source(options.dataset)
    try:
        with progress.show() as report:
            outcome = downloads.download(
                source,
                options.to,
                metadata_only=options.metadata_only,
                keep_archive=options.keep_archive,
                packed=options.no_unpack,
                report=report,
            )
    except KeyboardInterrupt:
        print(
            f"error: Stopped; the downloaded part is kept in '{plain(str(options.to))}': run the "
            "same command again to resume.",
            file=sys.stderr,
        )
        return INTERRUPTED
    for note in outcome.notes:
        print(f"note: {note}", file=sys.stderr)
    print(
        json.dumps(_outcome(outcome), ensure_ascii=False)
        if options.json
        else _outcome_text(f"{source.title} ({source.licence})", outcome)
    )
    return 0


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "root": str(outcome.root),
        "fetched": list(outcome.fetched),
        "present": list(outcome.present),
        "unpacked": outcome.unpacked,
        "notes": list(outcome.notes),
    }


def _outcome_text(title: str, outcome: Outcome) -> str:
    lines = [f"Fetched, verified: {name}" for name in outcome.fetched]
    lines += [f"Already there:     {name}" for name in outcome.present]
    lines += [f"Unpacked:          {n:,} files of {f}" for f, n in outcome.unpacked.items()]
    return "\n".join([*lines, one_line(f"{title} is in {outcome.root}")])


def _add_check(actions: Any) -> None:  # noqa: ANN401 - as above
    check = add_command(actions, "check", "report which parts of a data set a folder has")
    check.add_argument("root", type=Path, metavar="ROOT", help="folder of the data set")
    check.add_argument(
        "--dataset",
        default="bigearthnet",
        help="bigearthnet, eurosat, or folder (your own files with labels)",
    )
    check.add_argument(
        "--sample", type=int, default=20, metavar="N", help="number of random patches to open"
    )
    check.add_argument("--json", action="store_true", help="print the result as JSON")
    check.set_defaults(command=_check)


def _check(options: argparse.Namespace) -> int:
    from landcover.datasets import downloads, own  # noqa: PLC0415
    from landcover.datasets.downloads import check  # noqa: PLC0415

    if options.sample < 0:
        raise BadInput("--sample is a number of patches: give 0 or more.")
    with progress.show() as report:
        if options.dataset == own.NAME:
            record = check.check_own(options.root, sample=options.sample, report=report)
        else:
            source = downloads.source(options.dataset)
            record = check.check(source, options.root, sample=options.sample, report=report)
    print(
        json.dumps(record, ensure_ascii=False, allow_nan=False)
        if options.json
        else check.as_text(record)
    )
    return 0 if record["complete"] else INCOMPLETE


def _add_convert(actions: Any) -> None:  # noqa: ANN401 - as above
    convert = add_command(
        actions,
        "convert",
        "write a fast store for training, in files that are mapped into memory",
        description="Write a data set's patches as NumPy arrays on their native grids, 160 kB a "
        "patch, with a Parquet table and a manifest of SHA-256 sums. Training and evaluation "
        "accept the store's folder in place of the original one. Run the same command again to "
        "resume an interrupted conversion, or to verify a complete store.",
    )
    convert.add_argument("root", type=Path, metavar="ROOT", help="folder of the data set")
    convert.add_argument("out", type=Path, metavar="OUT", help="new folder of the store")
    convert.add_argument("--dataset", default="bigearthnet", help="bigearthnet (default)")
    convert.add_argument(
        "--flawed", action="store_true", help="include patches with clouds, shadows or snow"
    )
    convert.add_argument("--json", action="store_true", help="print the result as JSON")
    convert.set_defaults(command=_convert)


def _convert(options: argparse.Namespace) -> int:
    from landcover import datasets  # noqa: PLC0415
    from landcover.datasets.convert import convert  # noqa: PLC0415

    dataset = datasets.open_dataset(options.dataset, options.root)
    try:
        with progress.show() as report:
            done = convert(dataset, options.out, flawed=options.flawed, report=report)
    except KeyboardInterrupt:
        print(
            f"error: Stopped; the written part is kept in '{plain(str(options.out))}': run the "
            "same command again to resume.",
            file=sys.stderr,
        )
        return INTERRUPTED
    if options.json:
        print(json.dumps({**asdict(done), "root": str(done.root)}, ensure_ascii=False))
    else:
        was = "Written and verified" if done.fresh else "Already complete, verified"
        size = f"{done.patches:,} patches, {done.bytes / 1e9:,.2f} GB"
        print(one_line(f"{was}: {size} in {done.root}"))
    return 0


def _add_example(actions: Any) -> None:  # noqa: ANN401 - as above
    example = add_command(
        actions,
        "example",
        "write six labelled patches as a small data set",
        description="Write the six samples as a folder of BigEarthNet: three patches to train on, "
        "one to validate with, one to test, and one with snow. They are too few to learn anything "
        "from, but enough to try training and evaluation in seconds.",
    )
    example.add_argument("out", type=Path, metavar="OUT", help="new folder")
    example.set_defaults(command=_example)


def _example(options: argparse.Namespace) -> int:
    from landcover.datasets.example_folder import write_example  # noqa: PLC0415 - slow to import

    print(output.written(write_example(options.out)))
    return 0


_ACTIONS: Final[tuple[Callable[[Any], None], ...]] = (
    _add_describe,
    _add_overview,
    label_errors.add,
    _add_download,
    _add_check,
    _add_convert,
    _add_example,
)
