"""The command ``explain``: which pixels and bands speak for a class, and which against it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from landcover import cli_pictures
from landcover.errors import BadInput

if TYPE_CHECKING:
    from landcover.explain import Explanation
    from landcover.explain_bands import BandEvidence
    from landcover.model import Model, Prediction
    from landcover.patch import Patch
    from landcover.picture import Picture
    from landcover.progress import Progress, Report

MOST_LABELS: Final = 4
"""Classes in one call: more do not fit side by side."""
ALL: Final = "all"
_SUFFIXES: Final = (".png", ".tif", ".json")

Read = Callable[[str, argparse.Namespace], "Patch"]
"""What reads a source and cuts the window that the options ask for."""


def add_commands(
    commands: Any,  # noqa: ANN401 - argparse does not export its type
    add_source_options: Callable[[argparse.ArgumentParser], None],
    read: Read,
) -> None:
    """The command ``explain``.

    Args:
        commands: what the command is added to.
        add_source_options: adds the options on model, window and place, which are those of
            ``classify``.
        read: reads a source as ``classify`` does.
    """
    explain = commands.add_parser("explain", help="draw which pixels speak for and against a class")
    explain.add_argument(
        "source", metavar="SOURCE", help="as for classify; pictures of red, green and blue too"
    )
    explain.add_argument(
        "--label",
        required=True,
        action="append",
        help=f"a class, by its full or short name; up to {MOST_LABELS}, each with --label",
    )
    explain.add_argument(
        "--method",
        help="integrated-gradients, gradient-shap, grad-cam, fine-cam, occlusion or all",
    )
    explain.add_argument(
        "--baseline",
        default="mean",
        help="what the patch is compared with: mean, dark or blurred",
    )
    explain.add_argument(
        "--out",
        required=True,
        action="append",
        type=Path,
        metavar="FILE",
        help=".png to look at, .tif (GeoTIFF) for maps or .json for all figures; may be repeated",
    )
    add_source_options(explain)
    explain.add_argument("--json", action="store_true", help="print the figures as JSON")
    explain.set_defaults(command=lambda options: _explain(options, read))


def _explain(options: argparse.Namespace, read: Read) -> int:
    from landcover import comparisons, explain  # noqa: PLC0415 - loads torch
    from landcover.explain_bands import attribute_bands_many  # noqa: PLC0415

    methods = _methods(options.method)
    picture = cli_pictures.is_picture(options.source)
    _check(options, picture=picture)
    model = _load(options, picture=picture)
    labels = _labels(options.label, model)
    comparisons.named(options.baseline, model.card)
    patch, record, prediction = _patch(model, options, read, picture=picture)
    found = list(
        explain.explain_many(
            model, patch, labels, methods, baseline=options.baseline, report=_report()
        )
    )
    bands = attribute_bands_many(model, patch, labels, options.baseline)
    said = _document(patch, found, bands)
    files = [str(path) for path in options.out]
    record = {
        **record,
        "explanation": {**said["explanations"][0], "file": files[0]},
        **said,
        "files": files,
    }
    for path in options.out:
        path.write_bytes(_content(path, patch, prediction, found, record))
    if options.json:
        print(json.dumps(record, ensure_ascii=False, allow_nan=False))
    else:
        print(_text(found, bands, record))
    return 0


def _methods(name: str | None) -> list[str]:
    from landcover import explain  # noqa: PLC0415 - loads torch

    if name is None:
        return [explain.DEFAULT_METHOD]
    return list(explain.METHODS) if name == ALL else [explain.resolve_method(name).name]


def _labels(names: Sequence[str], model: Model) -> list[str]:
    """Full names, each once."""
    from landcover.nomenclature import resolve  # noqa: PLC0415

    return list(dict.fromkeys(resolve(name, model.card.classes).name for name in names))


def _check(options: argparse.Namespace, *, picture: bool) -> None:
    """Refuse what cannot be written before anything is computed."""
    if len(options.label) > MOST_LABELS:
        raise BadInput(
            f"{len(options.label)} classes do not fit side by side: give up to {MOST_LABELS}."
        )
    for path in options.out:
        if path.suffix.lower() not in _SUFFIXES:
            raise BadInput(f"--out must name a .png file, a .tif or a .json, not '{path.name}'.")
        if picture and path.suffix.lower() == ".tif":
            raise BadInput(
                "A picture has no place on the ground, so there is no GeoTIFF of it: "
                "write a .png or .json file."
            )
        if not path.parent.is_dir():
            raise BadInput(f"The folder '{path.parent}' does not exist: make it, or name another.")


def _load(options: argparse.Namespace, *, picture: bool) -> Model:
    from landcover import registry  # noqa: PLC0415 - loads torch

    usual = registry.PICTURE_MODEL if picture else registry.DEFAULT_MODEL
    return registry.load(options.model or usual, options.device)


def _patch(
    model: Model, options: argparse.Namespace, read: Read, *, picture: bool
) -> tuple[Patch | Picture, dict[str, Any], Prediction]:
    """What is explained, its record as ``classify`` prints it, and the prediction."""
    from landcover import quality, report  # noqa: PLC0415 - loads torch

    if picture:
        seen = cli_pictures.read(options.source, options)
        record = cli_pictures.record_of(model, options.source, options)
        return seen.picture, record, model.predict(seen.picture)
    patch = read(options.source, options)
    prediction = model.predict(patch)
    record = report.as_record(patch, prediction, quality.assess(patch), options.source.strip())
    return patch, record, prediction


def _document(
    patch: Patch | Picture, found: Sequence[Explanation], bands: Sequence[BandEvidence]
) -> dict[str, Any]:
    from landcover import explain_files  # noqa: PLC0415 - loads torch

    return explain_files.document(patch, found, bands)


def _content(
    path: Path,
    patch: Patch | Picture,
    prediction: Prediction,
    found: Sequence[Explanation],
    record: dict[str, Any],
) -> bytes:
    from landcover import explain_files, report  # noqa: PLC0415 - loads torch
    from landcover.picture import Picture  # noqa: PLC0415

    suffix = path.suffix.lower()
    if suffix == ".tif":
        return explain_files.as_geotiff(patch, found)
    if suffix == ".json":
        return explain_files.as_json(record)
    sentences = [each["reading"] for each in record["explanations"]]
    if len(found) > 1 or isinstance(patch, Picture):
        return explain_files.as_png(patch, found, sentences)
    return report.as_png(patch, prediction, found[0], reading=sentences[0])


def _text(
    found: Sequence[Explanation], bands: Sequence[BandEvidence], record: dict[str, Any]
) -> str:
    from landcover import explain_files, report  # noqa: PLC0415 - loads torch

    lines = []
    for each, said in zip(found, record["explanations"], strict=True):
        lines += [report.explanation_text(each), f"  {said['reading']}"]
    lines += [explain_files.bands_text(item) for item in bands]
    lines += [index["reading"] for index in record["indices"].values()]
    return "\n".join([*lines, *(f"Written: {name}" for name in record["files"])])


def _report() -> Report | None:
    """A line on stderr with the numbers, where somebody is looking at it."""

    def show(progress: Progress) -> None:
        print(f"\r{progress.said}\033[K", end="", file=sys.stderr, flush=True)
        if progress.total and progress.done >= progress.total:
            print("\r\033[K", end="", file=sys.stderr, flush=True)

    return show if sys.stderr.isatty() else None
