"""Options of ``landcover explain`` for similar patches, changes and stability.

A change is written as ``NAME=VALUE``, see :data:`FORMS`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from landcover.core.errors import BadInput

# Torch is imported when the options are used, so that `landcover --help` is fast.
if TYPE_CHECKING:
    from landcover.core.raster import Raster
    from landcover.explain.what_if import Change
    from landcover.models.model import Model

__all__ = [
    "FORMS",
    "MAX_NEIGHBOURS",
    "add_options",
    "as_text",
    "check",
    "parse_change",
    "record_of",
]

FORMS: Final[dict[str, str]] = {
    "bands": "bands=B11,B12 (off)",
    "cloud": "cloud=SIZE or cloud=SIZE,OPACITY (0 to 1)",
    "season": "season=winter or season=winter,STRENGTH (0 to 1)",
    "gain": "gain=1.2",
    "shift": "shift=EAST,NORTH (metres)",
}
"""Name of a change → its syntax."""
MAX_NEIGHBOURS: Final = 50


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--neighbours``, ``--what-if`` and ``--stability``."""
    parser.add_argument(
        "--neighbours", type=int, default=0, metavar="K", help="list the K most similar patches"
    )
    parser.add_argument(
        "--what-if",
        action="append",
        default=[],
        metavar="CHANGE",
        help="predict the changed patch; if repeated, all changes are made together: "
        + "; ".join(FORMS.values()),
    )
    parser.add_argument(
        "--stability",
        action="store_true",
        help="measure how stable the prediction is when the window moves",
    )


def parse_change(text: str) -> Change:
    """Parse a change such as ``cloud=0.5``.

    Raises:
        BadInput: it is not a change, or its values are out of range.
    """
    name, _, value = text.strip().partition("=")
    if name not in FORMS or not value:
        raise BadInput(f"'{text[:60]}' is not a change: give one of {'; '.join(FORMS.values())}.")
    try:
        return _MAKERS[name]([part.strip() for part in value.split(",")])
    except (ValueError, IndexError, TypeError):
        raise BadInput(f"'{text[:60]}' cannot be read: write {FORMS[name]}.") from None


def check(options: argparse.Namespace, *, picture: bool) -> None:
    """Check the options before anything is loaded or computed.

    Args:
        options: with those of :func:`add_options`.
        picture: whether the source is a colour picture.

    Raises:
        BadInput: a change is invalid, there are too many neighbours, or an option does not
            apply to pictures.
    """
    for text in options.what_if:
        parse_change(text)
    if not 0 <= options.neighbours <= MAX_NEIGHBOURS:
        raise BadInput(f"--neighbours must be between 0 and {MAX_NEIGHBOURS}.")
    requested = {
        "--neighbours": options.neighbours,
        "--what-if": options.what_if,
        "--stability": options.stability,
    }
    given = [name for name, value in requested.items() if value]
    if picture and given:
        raise BadInput(
            "A colour picture has neither infrared bands nor a place, so this cannot be computed: "
            f"drop {', '.join(given)}, or give a Sentinel-2 patch."
        )


def record_of(
    model: Model, folder: Path, patch: Raster, options: argparse.Namespace
) -> dict[str, Any]:
    """Compute the results of the options, JSON-ready; empty without such options.

    Args:
        model: the model.
        folder: its folder, with the index of training patches.
        patch: the window to classify.
        options: with those of :func:`add_options`.

    Raises:
        BadInput: a change is invalid, there are too many neighbours, or there is no index.
        CorruptModel: the index is damaged or belongs to another card.
        ModelMismatch: the patch does not fit the model.
    """
    check(options, picture=False)
    record: dict[str, Any] = {}
    changes = [parse_change(text) for text in options.what_if]
    if options.neighbours:
        record["neighbours"] = _neighbours(model, folder, patch, options.neighbours)
    if changes:
        record["what_if"] = _what_if(model, patch, changes)
    if options.stability:
        from landcover.trust.shift_stability import stability  # noqa: PLC0415 - see the top

        found = stability(model, patch)
        record["stability"] = {**found.as_dict(), "sentence": found.sentence}
    return record


def as_text(record: dict[str, Any]) -> str:
    """Format the record as text; empty if the record is empty."""
    lines: list[str] = []
    if "neighbours" in record:
        lines.append(record["neighbours"]["sentence"])
        for one in record["neighbours"]["patches"]:
            when = ", ".join(
                part for part in (one["country"], (one["acquired"] or "")[:10]) if part
            )
            lines.append(f"  {one['distance']:.2f}  {one['patch_id']}  {when}")
            lines.append(f"        {'; '.join(one['labels'])}")
    if "what_if" in record:
        lines.append(f"What if: {'; '.join(record['what_if']['changes'])}.")
        for row in record["what_if"]["labels"]:
            turned = "  turns" if row["turned"] else ""
            lines.append(f"  {row['before']:.3f} → {row['after']:.3f}  {row['label']}{turned}")
        verdict = record["what_if"]["verdict"]
        from landcover.trust.verdict import DECISION_LABELS  # noqa: PLC0415 - see the top

        label = DECISION_LABELS[verdict["decision"]]
        lines.append(f"  The verdict then: {label}. {verdict['reason']}")
        if record["what_if"]["mirrored"]:
            lines.append(
                f"  {record['what_if']['mirrored']:.0%} of the pixels are mirrored at the border, "
                "because the land beyond is not available."
            )
    if "stability" in record:
        lines.append(f"{record['stability']['sentence']} Score {record['stability']['score']:.2f}.")
    return "\n".join(lines)


def _neighbours(model: Model, folder: Path, patch: Raster, count: int) -> dict[str, Any]:
    from landcover.core.bands import PATCH_M  # noqa: PLC0415
    from landcover.explain import neighbours  # noqa: PLC0415 - see the top

    if model.folder is None:
        raise BadInput(
            "Similar training patches are found by all twelve bands, and this source lacks some: "
            "leave --neighbours out."
        )
    index = neighbours.load(folder, model.card.hash)
    if index is None:
        raise BadInput(
            f"{model.card.title} has no index of training patches: make one with `landcover trust "
            "neighbours --save`, or choose another model."
        )
    found = neighbours.query(index, model, patch, count, apart_m=PATCH_M)
    return {
        "sentence": neighbours.sentence(found),
        "patches": [one.as_dict() for one in found],
        "index": {**index.origin, "n": len(index)},
    }


def _what_if(model: Model, patch: Raster, changes: Sequence[Change]) -> dict[str, Any]:
    from landcover.explain.what_if import what_if  # noqa: PLC0415 - see the top
    from landcover.trust.assessment import assess  # noqa: PLC0415 - see the top

    found = what_if(model, patch, changes)
    rows = [
        {
            "label": item.label,
            "before": found.before.of(item.label).probability,
            "after": item.probability,
            "turned": item.label in found.flipped,
        }
        for item in found.after.labels
    ]
    rows.sort(key=lambda row: -abs(float(row["after"]) - float(row["before"])))  # type: ignore[arg-type]
    return {
        "changes": list(found.descriptions),
        "mirrored": found.mirrored,
        "labels": rows,
        "verdict": assess(model, found.patch, found.after).as_dict(),
    }


def _bands(values: list[str]) -> Change:
    from landcover.explain.what_if import BandsOff  # noqa: PLC0415 - see the top

    return BandsOff(bands=tuple(value.upper() for value in values))


def _cloud(values: list[str]) -> Change:
    from landcover.explain.what_if import Cloud  # noqa: PLC0415 - see the top

    size, opacity = (*map(float, values), 1.0)[:2]
    _no_more(values, 2)
    return Cloud(size=size, opacity=opacity)


def _season(values: list[str]) -> Change:
    from landcover.explain.what_if import Season  # noqa: PLC0415 - see the top

    _no_more(values, 2)
    return Season(to=values[0].lower(), strength=float(values[1]) if len(values) > 1 else 1.0)


def _gain(values: list[str]) -> Change:
    from landcover.explain.what_if import Brightness  # noqa: PLC0415 - see the top

    _no_more(values, 1)
    return Brightness(gain=float(values[0]))


def _shift(values: list[str]) -> Change:
    from landcover.explain.what_if import Shift  # noqa: PLC0415 - see the top

    east, north = map(float, values)
    return Shift(east_m=east, north_m=north)


def _no_more(values: list[str], most: int) -> None:
    if len(values) > most:
        raise ValueError(values)


_MAKERS: Final[dict[str, Callable[[list[str]], Change]]] = {
    "bands": _bands,
    "cloud": _cloud,
    "season": _season,
    "gain": _gain,
    "shift": _shift,
}
