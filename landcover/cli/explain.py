"""The command ``explain``: which pixels and bands speak for a class, and which against it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from landcover.cli import method_options, progress, source_options, whatif
from landcover.cli.method_options import Known
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

__all__ = ["MOST_LABELS", "add_commands"]

MOST_LABELS: Final = 4
"""Classes in one call: more do not fit side by side."""
_SUFFIXES: Final = (".png", ".tif", ".json")


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """A model that is asked, its folder, and what was measured of its explanations."""

    model: Model
    folder: Path
    known: Known


@dataclass(frozen=True, kw_only=True)
class _Answer:
    """What one model says.

    Attributes:
        asked: the model.
        prediction: what it says.
        quality: of what it looked at, with the verdict's reason as its warning.
        report: as ``classify`` prints it, the verdict included.
    """

    asked: _Asked
    prediction: Prediction
    quality: Quality
    report: ClassificationReport


def add_commands(commands: Any) -> None:  # noqa: ANN401 - argparse does not export its type
    """Add the command ``explain``."""
    explanation = commands.add_parser(
        "explain", help="draw which pixels speak for and against a class"
    )
    explanation.add_argument(
        "source", metavar="SOURCE", help="as for classify; pictures of red, green and blue too"
    )
    explanation.add_argument(
        "--label",
        required=True,
        action="append",
        help=f"a class, by its full or short name; up to {MOST_LABELS}, each with --label",
    )
    explanation.add_argument(
        "--method",
        action="append",
        default=[],
        help="integrated-gradients, gradient-shap, grad-cam, fine-cam, occlusion or all; may be "
        "repeated; without it the one that measures best for the model",
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
        help="a second model, whose maps of the same classes stand beside",
    )
    explanation.add_argument(
        "--out",
        required=True,
        action="append",
        type=Path,
        metavar="FILE",
        help=".png to look at, .tif (GeoTIFF) for maps or .json for all figures; may be repeated",
    )
    whatif.add_options(explanation)
    source_options.add(explanation)
    explanation.add_argument("--json", action="store_true", help="print the figures as JSON")
    explanation.set_defaults(command=_explain)


def _explain(options: argparse.Namespace) -> int:
    from landcover.explain.band_attribution import attribute_bands_many  # noqa: PLC0415 - loads torch
    from landcover.models.card import RGB  # noqa: PLC0415 - loads torch

    source = options.source.strip()
    level = source_options.level_of(source)
    _check(options, picture=level == RGB)
    asked = _load(options, level)
    labels = _labels(options.label, asked[0].model)
    methods, notes = _methods(options.method, asked)
    pixels = source_options.read(source, options)
    patch, answers = pixels.raster, _answers(asked, pixels, options)
    more = _more(asked[0], patch, options)
    found = _maps(asked, patch, labels, methods, options.baseline)
    bands = [
        item
        for one in asked
        for item in attribute_bands_many(one.model, patch, labels, options.baseline)
    ]
    files = [str(path) for path in options.out]
    said = _document(answers, patch, found, bands)
    record = {**_record(answers, said, files[0]), **more, "files": files}
    contents = [_content(path, patch, answers, found, (said, record)) for path in options.out]
    _write(options.out, contents)
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    if options.json:
        print(json.dumps(record, ensure_ascii=False, allow_nan=False))
    else:
        print(_text(answers, found, bands, (said, record)))
    return 0


def _check(options: argparse.Namespace, *, picture: bool) -> None:
    """Refuse what cannot be done or written before anything is loaded or computed."""
    if len(options.label) > MOST_LABELS:
        raise BadInput(
            f"{len(options.label)} classes do not fit side by side: give up to {MOST_LABELS}."
        )
    if len(options.against) > 1:
        raise BadInput("More than two models do not fit side by side: give --against once.")
    for path in options.out:
        if path.suffix.lower() not in _SUFFIXES:
            raise BadInput(f"--out must name a .png file, a .tif or a .json, not '{path.name}'.")
        if picture and path.suffix.lower() == ".tif":
            raise BadInput(
                "A picture has no place on the ground, so there is no GeoTIFF of it: "
                "write a .png or .json file."
            )
        if not _is_folder(path.parent):
            raise BadInput(f"The folder '{path.parent}' does not exist: make it, or name another.")
        if _is_folder(path):
            raise BadInput(f"'{path.name}' is a folder: name a file for --out.")
    whatif.check(options, picture=picture)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that no file can have, which writing says
        return False


def _load(options: argparse.Namespace, level: str) -> list[_Asked]:
    """The model or two, which have the classes and the baseline that are asked for."""
    from landcover.explain import baselines  # noqa: PLC0415 - loads torch
    from landcover.models import registry  # noqa: PLC0415 - loads torch

    models, asked = registry.default(), []
    for name in (options.model or models.usual(level), *options.against):
        folder, model = models.folder(name), models.load(name, options.device)
        _labels(options.label, model)
        baselines.resolve_baseline(options.baseline, model.card)
        known = method_options.known_of(model, name, folder)
        asked.append(_Asked(model=model, folder=folder, known=known))
    if len({one.model.card.hash for one in asked}) < len(asked):
        raise BadInput(
            f"--against names '{options.against[0]}', which is explained anyway: name another."
        )
    return asked


def _labels(names: Sequence[str], model: Model) -> list[str]:
    """Full names, each once."""
    from landcover.core.classes import resolve  # noqa: PLC0415

    return list(dict.fromkeys(resolve(name, model.card.classes).name for name in names))


def _methods(names: Sequence[str], asked: Sequence[_Asked]) -> tuple[list[list[str]], list[str]]:
    """The methods for each model, which can be explained by them, and notes on the choice."""
    from landcover.explain import explanation  # noqa: PLC0415 - loads torch

    methods, notes = method_options.chosen(names, [one.known for one in asked])
    for one, own in zip(asked, methods, strict=True):
        for name in own:
            explanation.check_explainable(one.model, explanation.METHODS[name])
    return methods, notes


def _answers(
    asked: Sequence[_Asked], pixels: source_options.Pixels, options: argparse.Namespace
) -> list[_Answer]:
    """What each model predicts for the pixels."""
    from landcover.trust.result import predict  # noqa: PLC0415 - loads torch

    answers = []
    for one in asked:
        # With --stability the verdict depends on the stability, too.
        result = predict(one.model, pixels.raster, deep=options.stability)
        report = source_options.report_of(one.model, result, pixels, options)
        answers.append(_answer(one, result, report))
    return answers


def _answer(asked: _Asked, found: Result, report: ClassificationReport) -> _Answer:
    judged = found.verdict
    warnings = () if judged.decision == "answer" else (judged.reason,)
    quality = judged.quality.with_fields(warnings=warnings)
    return _Answer(asked=asked, prediction=found.prediction, quality=quality, report=report)


def _more(first: _Asked, patch: Raster, options: argparse.Namespace) -> dict[str, Any]:
    """Examples, changes and stability, where they were asked for: of the first model."""
    if patch.is_rgb:
        return {}
    return whatif.record_of(first.model, first.folder, patch, options)


def _maps(
    asked: Sequence[_Asked],
    patch: Raster,
    labels: list[str],
    methods: Sequence[list[str]],
    baseline: str,
) -> list[Explanation]:
    from landcover.explain import explanation  # noqa: PLC0415 - loads torch

    # Every model may refuse before the first map is computed.
    with progress.shown() as report:
        begun = [
            explanation.explain_many(
                one.model, patch, labels, own, baseline=baseline, report=report
            )
            for one, own in zip(asked, methods, strict=True)
        ]
        return [each for maps in begun for each in maps]


def _document(
    answers: Sequence[_Answer],
    patch: Raster,
    found: Sequence[Explanation],
    bands: Sequence[BandEvidence],
) -> ExplanationDocument:
    """What is said of the explanations, with what was measured of their methods."""
    from landcover.report.explanation_record import document  # noqa: PLC0415 - loads torch

    said = document(patch, found, bands)
    known = {one.asked.model.card.hash: one.asked.known for one in answers}
    return said.with_fields(
        explanations=tuple(
            each.with_fields(faithfulness=known[each.card_hash].word(each.method))
            for each in said.explanations
        )
    )


def _record(answers: Sequence[_Answer], said: ExplanationDocument, file: str) -> dict[str, Any]:
    """Answers and explanations, JSON-ready."""
    against = {"against": answers[1].report.as_dict()} if len(answers) > 1 else {}
    first = {**said.explanations[0].as_dict(), "file": file}
    return {**answers[0].report.as_dict(), "explanation": first, **said.as_dict(), **against}


def _content(
    path: Path,
    patch: Raster,
    answers: Sequence[_Answer],
    found: Sequence[Explanation],
    told: tuple[ExplanationDocument, dict[str, Any]],
) -> bytes:
    """What a file holds; ``told`` is what is said of the explanations, alone and with all else."""
    from landcover.report import explanation_files, patch_figure  # noqa: PLC0415 - loads torch

    suffix, (document, record) = path.suffix.lower(), told
    if suffix == ".tif":
        return explanation_files.as_geotiff(patch, found)
    if suffix == ".json":
        return explanation_files.as_json(record)
    first, said = answers[0], document.explanations[0]
    if len(found) > 1 or patch.is_rgb or first.quality.abstained:
        return _maps_figure(patch, answers, found, document)
    reading = f"{said.reading} {_believe(said)}"
    return patch_figure.as_png(
        patch, first.prediction, found[0], quality=first.quality, reading=reading
    )


def _maps_figure(
    patch: Raster,
    answers: Sequence[_Answer],
    found: Sequence[Explanation],
    document: ExplanationDocument,
) -> bytes:
    """All maps on one picture, below the verdict on each model's answer."""
    from landcover.report import explanation_figure  # noqa: PLC0415 - loads matplotlib

    several = len(answers) > 1
    of = {one.asked.model.card.hash: one for one in answers}
    sentences, captions, notes = [], [], []
    for each, said in zip(found, document.explanations, strict=True):
        own = f"{each.model}: " if several else ""
        rated = said.faithfulness
        believe = f"This method is {rated.word} for this model." if rated else _believe(said)
        sentences.append(f"{said.reading} {believe}")
        captions.append(f"{own}{_chance(each.label, of[each.card_hash].report)}")
        notes.append(f"{own}{_believe(said)}")
    return explanation_figure.as_png(
        patch,
        found,
        sentences,
        above=[_verdict(one, several=several) for one in answers],
        captions=captions,
        notes=list(dict.fromkeys(notes)),
    )


def _verdict(answer: _Answer, *, several: bool) -> str:
    from landcover.trust.verdict import DECISION_LABELS  # noqa: PLC0415 - most commands need it not

    judged = answer.report.verdict
    on = f" on {answer.asked.model.card.name}" if several else ""
    return f"Verdict{on}: {DECISION_LABELS[judged.decision]}. {judged.reason}"


def _chance(label: str, report: ClassificationReport) -> str:
    """How probable a class is, and whether it is called."""
    row = next(row for row in report.labels if row.label == label)
    word = "present" if row.predicted else "absent"
    return f"{row.probability:.0%}, {'no answer' if report.abstained else word}"


def _believe(said: ExplanationRecord) -> str:
    """Whether a method is faithful for the model, in a sentence."""
    rated = said.faithfulness
    return method_options.NOT_MEASURED if rated is None else rated.sentence


def _write(paths: Sequence[Path], contents: Sequence[bytes]) -> None:
    for path, content in zip(paths, contents, strict=True):
        try:
            path.write_bytes(content)
        except OSError as error:
            raise BadInput(
                f"'{path.name}' cannot be written ({error.strerror or error}): name another file."
            ) from None


def _text(
    answers: Sequence[_Answer],
    found: Sequence[Explanation],
    bands: Sequence[BandEvidence],
    told: tuple[ExplanationDocument, dict[str, Any]],
) -> str:
    from landcover.report import explanation_files, patch_report  # noqa: PLC0415 - loads torch

    document, record = told
    lines = [line for one in answers for line in _head(one.report)]
    for each, said in zip(found, document.explanations, strict=True):
        lines += [
            patch_report.explanation_text(each),
            f"  {said.reading}",
            f"  {_believe(said)}",
        ]
    for item in bands:
        own = f"{item.model}: " if len(answers) > 1 else ""
        lines.append(f"{own}{explanation_files.bands_text(item)}")
    lines += [index.reading for index in document.indices.values()]
    more = whatif.as_text(record)
    lines += [more] if more else []
    return "\n".join([*lines, *(f"Written: {name}" for name in record["files"])])


def _head(report: ClassificationReport) -> list[str]:
    """What a model says, and whether to believe it."""
    return [
        f"{report.source}: {report.summary}",
        f"  model {report.model}, card {report.provenance.card_hash}",
        *report.verdict_lines,
    ]
