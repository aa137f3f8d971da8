"""The command ``explain``: which pixels and bands support a class, and which contradict it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from landcover.cli import method_options, output, progress, source_options, whatif
from landcover.cli.commands import add_command
from landcover.cli.method_options import MethodRatings
from landcover.core import files
from landcover.core.errors import BadInput

if TYPE_CHECKING:
    from landcover.core.raster import Raster
    from landcover.explain.band_attribution import BandEvidence
    from landcover.explain.explanation import Explanation
    from landcover.models.model import Model, Prediction
    from landcover.report.classification import ClassificationReport
    from landcover.report.explanation_record import ExplanationDocument, ExplanationRecord
    from landcover.trust.result import Result
    from landcover.trust.verdict import Quality

__all__ = ["MAX_LABELS", "add_commands"]

MAX_LABELS: Final = 4
"""Maximum number of classes in one call: more do not fit side by side."""
_SUFFIXES: Final = (".png", ".tif", ".json")


@dataclass(frozen=True, kw_only=True)
class _LoadedModel:
    """A model, its folder, and the ratings of its explanations."""

    model: Model
    folder: Path
    ratings: MethodRatings


@dataclass(frozen=True, kw_only=True)
class _ModelResult:
    """The result of one model.

    Attributes:
        loaded: the model.
        prediction: its prediction.
        quality: of the pixels, with the verdict's reason as its warning.
        tags: what files say of the result (:func:`landcover.report.tags.tags_of`).
        report: as ``classify`` prints it, with the verdict.
    """

    loaded: _LoadedModel
    prediction: Prediction
    quality: Quality
    tags: dict[str, str]
    report: ClassificationReport


def add_commands(commands: Any) -> None:  # noqa: ANN401 - argparse does not export its type
    """Add the command ``explain``."""
    explanation = add_command(commands, "explain", "map the evidence for and against a class")
    explanation.add_argument("source", metavar="SOURCE", help="as for classify")
    explanation.add_argument(
        "--label",
        action="append",
        default=[],
        help=f"a class, by its full or short name; up to {MAX_LABELS}, each with --label; default: "
        "the most probable one",
    )
    explanation.add_argument(
        "--method",
        action="append",
        default=[],
        help="integrated-gradients, gradient-shap, grad-cam, fine-cam, occlusion or all; may be "
        "repeated; default: the most faithful one for the model",
    )
    explanation.add_argument(
        "--baseline",
        default="mean",
        help="what the patch is compared with: mean, dark or blurred",
    )
    explanation.add_argument(
        "--against",
        action="append",
        default=[],
        metavar="MODEL",
        help="a second model, whose maps are shown alongside",
    )
    explanation.add_argument(
        "--out",
        required=True,
        action="append",
        type=Path,
        metavar="FILE",
        help=".png for a picture, .tif (GeoTIFF) for maps or .json for all values; may be repeated",
    )
    whatif.add_options(explanation)
    source_options.add(explanation)
    explanation.add_argument("--json", action="store_true", help="print all values as JSON")
    explanation.set_defaults(command=_explain)


def _explain(options: argparse.Namespace) -> int:
    from landcover.explain.band_attribution import attribute_bands_many  # noqa: PLC0415 - loads torch
    from landcover.models.card import RGB  # noqa: PLC0415 - loads torch

    source = options.source.strip()
    level = source_options.level_of(source)
    _check(options, picture=level == RGB)
    files.check_apart(options.out, source)
    loaded = _load(options, level)
    methods, notes = _methods(options.method, loaded)
    with progress.show() as report:
        pixels = source_options.read(source, options, level=level, report=report)
    patch = pixels.raster
    named = (options.model, *options.against)
    loaded = [
        _for_bands(one, patch, options, named=name) for one, name in zip(loaded, named, strict=True)
    ]
    results = _results(loaded, pixels, options)
    labels = _labels(options.label, loaded[0].model) or [_top(results)]
    extras = _extras(loaded[0], patch, options)
    found = _maps(loaded, patch, labels, methods, options.baseline)
    bands = [
        item
        for one in loaded
        for item in attribute_bands_many(one.model, patch, labels, options.baseline)
    ]
    written = [str(path) for path in options.out]
    explained = _document(results, patch, found, bands)
    record = {**_record(results, explained, written[0]), **extras, "files": written}
    contents = [_content(path, patch, results, found, (explained, record)) for path in options.out]
    for path, content in zip(options.out, contents, strict=True):
        files.write_bytes(path, content)
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    if options.json:
        print(json.dumps(record, ensure_ascii=False, allow_nan=False))
    else:
        print(_text(results, found, bands, (explained, record)))
    return 0


def _check(options: argparse.Namespace, *, picture: bool) -> None:
    """Check options and output files before anything is loaded or computed."""
    if len(options.label) > MAX_LABELS:
        raise BadInput(
            f"{len(options.label)} classes do not fit side by side: give up to {MAX_LABELS}."
        )
    if len(options.against) > 1:
        raise BadInput("More than two models do not fit side by side: give --against once.")
    for path in options.out:
        output.check(path, _SUFFIXES)
        if picture and path.suffix.lower() == ".tif":
            raise BadInput(
                "A picture has no place on the ground, so there is no GeoTIFF of it: "
                "write a .png or .json file."
            )
    whatif.check(options, picture=picture)


def _load(options: argparse.Namespace, level: str) -> list[_LoadedModel]:
    """Load the models; each must have the requested classes and baseline."""
    from landcover.explain import baselines  # noqa: PLC0415 - loads torch
    from landcover.models import registry  # noqa: PLC0415 - loads torch

    models, loaded = registry.default(), []
    for name in (options.model or models.usual(level), *options.against):
        folder, model = models.folder(name), models.load(name, options.device)
        _labels(options.label, model)
        baselines.resolve_baseline(options.baseline, model.card)
        ratings = method_options.ratings_of(model, name, folder)
        loaded.append(_LoadedModel(model=model, folder=folder, ratings=ratings))
    if len({one.model.card.hash for one in loaded}) < len(loaded):
        raise BadInput(
            f"--against names '{options.against[0]}', which is the first model: name another."
        )
    return loaded


def _for_bands(
    loaded: _LoadedModel, patch: Raster, options: argparse.Namespace, *, named: str | None
) -> _LoadedModel:
    """The model for the bands of the patch; of one that estimates bands nothing was rated."""
    model = source_options.model_for(loaded.model, patch, options, named=named)
    if model is loaded.model:
        return loaded
    ratings = method_options.MethodRatings(name=model.card.name, title=model.card.title)
    return replace(loaded, model=model, ratings=ratings)


def _labels(names: Sequence[str], model: Model) -> list[str]:
    """Full names of the classes, without duplicates."""
    from landcover.core.classes import resolve  # noqa: PLC0415

    return list(dict.fromkeys(resolve(name, model.card.classes).name for name in names))


def _top(results: Sequence[_ModelResult]) -> str:
    """The most probable class of the first model, which all others must have."""
    label = results[0].report.ranked[0].label
    for one in results:
        _labels([label], one.loaded.model)
    print(
        f"note: {label} is explained, the most probable land cover; choose with --label.",
        file=sys.stderr,
    )
    return label


def _methods(
    names: Sequence[str], loaded: Sequence[_LoadedModel]
) -> tuple[list[list[str]], list[str]]:
    """The methods for each model, checked to be applicable, and notes on the choice."""
    from landcover.explain import explanation  # noqa: PLC0415 - loads torch

    methods, notes = method_options.choose_methods(names, [one.ratings for one in loaded])
    for one, own in zip(loaded, methods, strict=True):
        for name in own:
            explanation.check_explainable(one.model, explanation.METHODS[name])
    return methods, notes


def _results(
    loaded: Sequence[_LoadedModel], pixels: source_options.Pixels, options: argparse.Namespace
) -> list[_ModelResult]:
    """Predict the pixels with each model."""
    from landcover.trust.result import predict  # noqa: PLC0415 - loads torch

    results = []
    for one in loaded:
        # With --stability the verdict depends on the stability, too.
        result = predict(one.model, pixels.raster, deep=options.stability)
        report = source_options.report_of(one.model, result, pixels, options)
        results.append(_result_of(one, result, report))
    return results


def _result_of(loaded: _LoadedModel, found: Result, report: ClassificationReport) -> _ModelResult:
    from landcover.report.tags import tags_of  # noqa: PLC0415 - loads torch

    verdict = found.verdict
    warnings = () if verdict.decision == "answer" else (verdict.reason,)
    quality = verdict.quality.with_fields(warnings=warnings)
    return _ModelResult(
        loaded=loaded,
        prediction=found.prediction,
        quality=quality,
        tags=tags_of(found),
        report=report,
    )


def _extras(first: _LoadedModel, patch: Raster, options: argparse.Namespace) -> dict[str, Any]:
    """Similar patches, changes and stability of the first model, if requested."""
    if patch.is_rgb:
        return {}
    return whatif.record_of(first.model, first.folder, patch, options)


def _maps(
    loaded: Sequence[_LoadedModel],
    patch: Raster,
    labels: list[str],
    methods: Sequence[list[str]],
    baseline: str,
) -> list[Explanation]:
    from landcover.explain import explanation  # noqa: PLC0415 - loads torch

    # All models check their input before the first map is computed.
    with progress.show() as report:
        begun = [
            explanation.explain_many(
                one.model, patch, labels, own, baseline=baseline, report=report
            )
            for one, own in zip(loaded, methods, strict=True)
        ]
        return [each for maps in begun for each in maps]


def _document(
    results: Sequence[_ModelResult],
    patch: Raster,
    found: Sequence[Explanation],
    bands: Sequence[BandEvidence],
) -> ExplanationDocument:
    """The document on all explanations, with the ratings of their methods."""
    from landcover.report.explanation_record import document  # noqa: PLC0415 - loads torch

    explained = document(patch, found, bands)
    ratings = {one.loaded.model.card.hash: one.loaded.ratings for one in results}
    return explained.with_fields(
        explanations=tuple(
            each.with_fields(faithfulness=ratings[each.card_hash].summary(each.method))
            for each in explained.explanations
        )
    )


def _record(
    results: Sequence[_ModelResult], explained: ExplanationDocument, file: str
) -> dict[str, Any]:
    """Results and explanations, JSON-ready."""
    against = {"against": results[1].report.as_dict()} if len(results) > 1 else {}
    first = {**explained.explanations[0].as_dict(), "file": file}
    return {**results[0].report.as_dict(), "explanation": first, **explained.as_dict(), **against}


def _content(
    path: Path,
    patch: Raster,
    results: Sequence[_ModelResult],
    found: Sequence[Explanation],
    documents: tuple[ExplanationDocument, dict[str, Any]],
) -> bytes:
    """The content of an output file, from the document on explanations and the full record."""
    from landcover.report import explanation_files, patch_figure, tags  # noqa: PLC0415 - loads torch

    suffix, (document, record) = path.suffix.lower(), documents
    first, entry = results[0], document.explanations[0]
    if suffix == ".tif":
        return explanation_files.as_geotiff(patch, found, first.tags)
    if suffix == ".json":
        return explanation_files.as_json(record)
    if len(found) > 1 or patch.is_rgb or first.quality.abstained:
        return tags.with_tags(_maps_figure(patch, results, found, document), first.tags)
    reading = f"{entry.reading} {_faithfulness(entry)}"
    drawn = patch_figure.as_png(
        patch, first.prediction, found[0], quality=first.quality, reading=reading
    )
    return tags.with_tags(drawn, first.tags)


def _maps_figure(
    patch: Raster,
    results: Sequence[_ModelResult],
    found: Sequence[Explanation],
    document: ExplanationDocument,
) -> bytes:
    """All maps in one picture, below the verdict on each model."""
    from landcover.report import explanation_figure  # noqa: PLC0415 - loads matplotlib

    several = len(results) > 1
    of = {one.loaded.model.card.hash: one for one in results}
    sentences, captions, notes = [], [], []
    for each, entry in zip(found, document.explanations, strict=True):
        own = f"{each.model}: " if several else ""
        rated = entry.faithfulness
        word = f"This method is {rated.word} for this model ({rated.badge})." if rated else ""
        sentences.append(f"{entry.reading} {word or _faithfulness(entry)}")
        captions.append(f"{own}{_chance(each.label, of[each.card_hash].report)}")
        notes.append(f"{own}{_faithfulness(entry)}")
    return explanation_figure.as_png(
        patch,
        found,
        sentences,
        above=[_verdict(one, several=several) for one in results],
        captions=captions,
        notes=list(dict.fromkeys(notes)),
    )


def _verdict(result: _ModelResult, *, several: bool) -> str:
    verdict = result.report.verdict
    on = f" on {result.loaded.model.card.name}" if several else ""
    return f"Verdict{on}: {verdict.label}. {verdict.reason}"


def _chance(label: str, report: ClassificationReport) -> str:
    """Probability of a class, and whether it is predicted."""
    row = next(row for row in report.labels if row.label == label)
    word = "present" if row.predicted else "absent"
    return f"{row.probability:.0%}, {'no answer' if report.abstained else word}"


def _faithfulness(entry: ExplanationRecord) -> str:
    """A sentence on the faithfulness of a method for the model."""
    rated = entry.faithfulness
    return method_options.NOT_MEASURED if rated is None else rated.sentence


def _text(
    results: Sequence[_ModelResult],
    found: Sequence[Explanation],
    bands: Sequence[BandEvidence],
    documents: tuple[ExplanationDocument, dict[str, Any]],
) -> str:
    from landcover.report import explanation_files, patch_report  # noqa: PLC0415 - loads torch

    document, record = documents
    lines = [line for one in results for line in _head(one.report)]
    for each, entry in zip(found, document.explanations, strict=True):
        lines += [
            patch_report.explanation_text(each),
            f"  {entry.reading}",
            f"  {_faithfulness(entry)}",
        ]
    for item in bands:
        own = f"{item.model}: " if len(results) > 1 else ""
        lines.append(f"{own}{explanation_files.bands_text(item)}")
    lines += [index.reading for index in document.indices.values()]
    extras = whatif.as_text(record)
    lines += [extras] if extras else []
    return "\n".join([*lines, *(output.written(name) for name in record["files"])])


def _head(report: ClassificationReport) -> list[str]:
    """Prediction and verdict of a model."""
    return [
        f"{report.source}: {report.headline}",
        f"  model {report.model}, card {report.provenance.card_hash}",
        *report.verdict_lines,
    ]
