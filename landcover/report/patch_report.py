"""What is said of a patch: as a record for programs, as text and tables for people.

A record is the object that ``landcover classify --json`` prints; text and CSV are made
from it, so that all three say the same.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from landcover import __version__
from landcover.core.bands import PIXEL_M
from landcover.core.classes import BY_NAME, CLASS_NAMES, THEMES
from landcover.core.raster import Raster
from landcover.core.text import place_text, plain, time_text
from landcover.explain.explanation import METHODS, Explanation
from landcover.models.model import Prediction
from landcover.models.thresholds import AIMS, DEFAULT_AIM
from landcover.trust.verdict import SAID, Quality, Verdict

__all__ = [
    "as_csv",
    "as_record",
    "as_text",
    "doubt_lines",
    "explanation_text",
    "models_text",
    "provenance_record",
    "verdict",
]

CSV_COLUMNS: Final = (
    "source",
    "acquired",
    "latitude",
    "longitude",
    "model",
    "card_hash",
    "theme",
    "label",
    "probability",
    "threshold",
    "predicted",
    "certainty",
    "aim",
)


def as_record(
    patch: Raster, prediction: Prediction, judged: Quality | Verdict, source: str
) -> dict[str, Any]:
    """What a model says of a patch, as JSON-ready values without NaN.

    Labels come in the nomenclature's order. Where the program abstains, no label is
    predicted and none has a certainty, whatever its probability.

    Args:
        patch: what was classified.
        prediction: of that patch.
        judged: the judgement of that answer, which the record then holds as ``verdict``, or
            the patch's quality alone.
        source: what the user named.
    """
    ordered = sorted(prediction.labels, key=lambda item: CLASS_NAMES.index(item.label))
    quality = judged.quality if isinstance(judged, Verdict) else judged
    doubt = {"verdict": judged.as_dict()} if isinstance(judged, Verdict) else {}
    return {
        **answer_record(prediction.with_fields(labels=tuple(ordered)), quality, source),
        **doubt,
        "provenance": provenance_record(patch, prediction),
    }


def answer_record(prediction: Prediction, quality: Quality, source: str) -> dict[str, Any]:
    """The part of a record that patches and pictures share: answer and quality."""
    return {
        "source": plain(source),
        "model": prediction.model,
        "aim": prediction.aim,
        "aim_fallback": list(prediction.aim_fallback),
        "labels": [
            {
                "label": item.label,
                "theme": BY_NAME[item.label].theme,
                "probability": item.probability,
                "threshold": item.threshold,
                "predicted": item.predicted and not quality.abstained,
                "certainty": None if quality.abstained else item.certainty,
            }
            for item in prediction.labels
        ],
        "abstained": quality.abstained,
        "quality": quality.as_dict(),
    }


def provenance_record(patch: Raster, prediction: Prediction) -> dict[str, Any]:
    """Where pixels and answer come from, as JSON-ready values.

    ``bounds`` are west, south, east, north in ``crs`` (metres); ``centre`` is WGS 84.
    """
    crs, (a, b, c, d, e, f) = patch.georeference
    corners = [(0, 0), (0, patch.width), (patch.height, 0), (patch.height, patch.width)]
    xs = [a * col + b * row + c for row, col in corners]
    ys = [d * col + e * row + f for row, col in corners]
    latitude, longitude = patch.centre
    return {
        **patch.provenance.as_dict(),
        "acquired": patch.acquired.isoformat() if patch.acquired else None,
        "crs": crs,
        "bounds": [min(xs), min(ys), max(xs), max(ys)],
        "centre": {"latitude": latitude, "longitude": longitude},
        "pixels": [patch.height, patch.width],
        "pixel_m": PIXEL_M,
        "bands": list(patch.bands),
        "model": prediction.model,
        "card_hash": prediction.card_hash,
        "landcover": __version__,
    }


def as_text(record: Mapping[str, Any]) -> str:
    """A record as a person reads it in a terminal: classes by theme, the likeliest first."""
    origin, labels = record["provenance"], record["labels"]
    place = place_text(origin["centre"]["latitude"], origin["centre"]["longitude"])
    lines = [
        f"{plain(record['source'])}: {verdict(record)}",
        f"  {time_text(origin['acquired'])}, {place}, {origin['crs']}",
        f"  model {record['model']}, card {origin['card_hash']}",
        *_aim_lines(record),
        *doubt_lines(record),
    ]
    for theme in _themes_by_probability(labels):
        lines += ["", f"  {theme}"]
        rows = [row for row in labels if row["theme"] == theme]
        lines += [_label_line(row) for row in sorted(rows, key=lambda r: -r["probability"])]
    return "\n".join(lines) + "\n"


def _aim_lines(record: Mapping[str, Any]) -> list[str]:
    if record["aim"] == DEFAULT_AIM:
        return []
    lines = [f"  aim: {AIMS[record['aim']].title}, as measured on validation"]
    if record["aim_fallback"]:
        kept = "; ".join(record["aim_fallback"])
        lines.append(f"  not brought there, so they keep their usual threshold: {kept}")
    return lines


def doubt_lines(record: Mapping[str, Any]) -> list[str]:
    """The verdict with its reason, and what else speaks against the answer, a line each."""
    judged = record.get("verdict")
    if judged is None:
        return [f"  warning: {text}" for text in record["quality"]["warnings"]]
    return [
        f"  verdict: {SAID[judged['decision']]}. {plain(judged['reason'])}",
        *(f"  warning: {plain(finding['sentence'])}" for finding in judged["findings"][1:]),
        *(f"  not checked: {plain(text)}" for text in judged["unchecked"]),
    ]


def verdict(record: Mapping[str, Any]) -> str:
    """The classes that are called, the most probable first, or why there are none."""
    if record["abstained"]:
        return "no answer, because the pixels cannot be trusted"
    found = [row for row in record["labels"] if row["predicted"]]
    if not found:
        return "no class reaches its threshold"
    ranked = sorted(found, key=lambda row: -row["probability"])
    return ", ".join(f"{BY_NAME[r['label']].short} {r['probability']:.0%}" for r in ranked)


def _themes_by_probability(labels: Sequence[Mapping[str, Any]]) -> list[str]:
    best = {
        theme: max((row["probability"] for row in labels if row["theme"] == theme), default=-1.0)
        for theme in THEMES
    }
    return sorted((theme for theme in THEMES if best[theme] >= 0), key=lambda t: -best[t])


def _label_line(row: Mapping[str, Any]) -> str:
    # Names come last: the longest has 86 letters and would push everything else aside.
    mark = "yes" if row["predicted"] else "-"
    chance, needed = 100 * row["probability"], 100 * row["threshold"]
    word = f"{row['certainty']:<11}" if row["certainty"] else ""
    return f"    {mark:<4}{chance:>5.1f} %   needs {needed:>5.1f} %   {word}{row['label']}"


def as_csv(record: Mapping[str, Any]) -> str:
    """A record as a CSV table, one class a row, with a heading."""
    origin = record["provenance"]
    shared = {
        "source": no_formula(record["source"]),
        "acquired": origin["acquired"] or "",
        "latitude": f"{origin['centre']['latitude']:.6f}",
        "longitude": f"{origin['centre']['longitude']:.6f}",
        "model": record["model"],
        "card_hash": origin["card_hash"],
    }
    return labels_as_csv(record, CSV_COLUMNS, {**shared, "aim": record["aim"]})


def labels_as_csv(
    record: Mapping[str, Any], columns: Sequence[str], shared: Mapping[str, Any]
) -> str:
    """A record's classes as a CSV table with a heading; each row has what is ``shared`` too."""
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows({**shared, **row} for row in record["labels"])
    return out.getvalue()


def no_formula(text: str) -> str:
    """A user's text that no spreadsheet runs: it would take ``=…`` for a formula."""
    return "'" + text if text.startswith(("=", "+", "-", "@")) else text


def explanation_text(explanation: Explanation) -> str:
    """An explanation's figures as a person reads them in a terminal."""
    method = METHODS[explanation.method]
    lines = [
        f"{explanation.label}: {method.title} on {explanation.model}, card {explanation.card_hash}",
        f"  {method.summary}",
        f"  compared with: {explanation.baseline}",
        f"  full colour: {explanation.scale:.3g} {explanation.unit}; {explanation.scale_rule}",
    ]
    if explanation.convergence_delta is not None:
        lines.append(f"  the sum misses the score's change by {explanation.convergence_delta:.2%}")
    if explanation.band_share is not None:
        ranked = sorted(explanation.band_share.items(), key=lambda item: -item[1])
        lines.append("  share of bands: " + ", ".join(f"{b} {share:.0%}" for b, share in ranked))
    return "\n".join(lines)


def models_text(rows: Iterable[Mapping[str, Any]]) -> str:
    """The registered models as a person reads them in a terminal.

    Args:
        rows: what :func:`landcover.evaluate.model_summary.describe` says of each.
    """
    return "\n".join(line for row in rows for line in _model_lines(row))


def _model_lines(row: Mapping[str, Any]) -> list[str]:
    default = " (default)" if row["default"] else ""
    size = row["weights_bytes"]
    weights = "no weights" if size is None else f"{size / 1e6:.1f} MB"
    title = f"{row['name']}{default}: {row['title']}, {row['parameters']:,} parameters, {weights}"
    return [title, f"  {row['summary']}", *(_report_line(each) for each in row["evaluations"])]


def _report_line(figures: Mapping[str, Any]) -> str:
    spans = figures["confidence_intervals"]
    parts = [
        f"{title} {figures[name]:.3f} [{spans[name][0]:.3f}, {spans[name][1]:.3f}]"
        for name, title in (("macro_ap", "macro AP"), ("micro_ap", "micro AP"))
        if figures[name] is not None and spans[name] is not None
    ]
    where = f"{figures['dataset']}, {figures['split']} ({figures['n']} patches)"
    return f"  {where}: {', '.join(parts) or 'too few positives for a figure'}"
