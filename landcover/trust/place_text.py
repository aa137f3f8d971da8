"""Format decisions by place for a terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from landcover.decide.conformal_fit import fewest
from landcover.evaluate.report import LabelSetShares, Share
from landcover.evaluate.report_text import decimals, short, with_span
from landcover.trust.place_record import WAYS, NoveltyByPlace, PlaceDecisions, PlaceScores, Way

__all__ = ["as_markdown", "as_text", "guarantee", "share_text"]

_SCORES: Final = (
    ("log_loss", "log loss"),
    ("ece", "ECE"),
    ("macro_f1", "macro F1"),
    ("micro_f1", "micro F1"),
)
_ALL: Final = "all"
Table = tuple[Sequence[str], Sequence[Sequence[str]]]
"""Heads of the columns, and rows."""


def as_text(found: PlaceDecisions) -> str:
    """Format the record for a terminal."""
    parts = [_intro(found)]
    for title, (heads, rows) in _tables(found):
        widths = [max(len(row[k]) for row in (heads, *rows)) for k in range(len(heads))]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in (heads, *rows)
        ]
        parts.append("\n".join([f"{title}:", *(f"  {line}" for line in lines)]))
    return "\n\n".join([*parts, *_ends(found)])


def as_markdown(found: PlaceDecisions) -> str:
    """Format the record as Markdown."""
    parts = [_intro(found)]
    for title, (heads, rows) in _tables(found):
        lines = [heads, ["---"] * len(heads), *rows]
        parts.append(
            "\n".join([f"{title}:", "", *("| " + " | ".join(line) + " |" for line in lines)])
        )
    return "\n\n".join([*parts, *_ends(found)])


def guarantee(found: PlaceDecisions) -> str:
    """Say what a measured coverage is worth in another country."""
    needed = fewest(1 - found.wanted_coverage)
    start = "This was measured in these countries and is no promise for another one"
    if len(found.places) >= needed:
        return f"{start}."
    return (
        f"{start}: to promise {found.wanted_coverage:.0%} takes at least {needed} countries drawn "
        f"at random, and there are {len(found.places)}."
    )


def share_text(share: Share) -> str:
    """Format such as ``93.5 % [64.3 %, 99.9 %] of 31``."""
    if share.share is None:
        return "none"
    span = ""
    if share.interval is not None:
        span = f" [{share.interval[0]:.1%}, {share.interval[1]:.1%}]"
    return f"{share.share:.1%}{span} of {share.n:,}"


def _intro(found: PlaceDecisions) -> str:
    return (
        f"{found.model} on {found.dataset}: {found.n:,} patches of {found.products} products in "
        f"{len(found.places)} countries. Each country was scored by a net, and decided by choices, "
        "that had not seen it. Intervals: 95 % over products.\n"
        + "\n".join(f"- {way}: {meaning}" for way, meaning in WAYS.items() if _has(found, way))
    )


def _has(found: PlaceDecisions, way: Way) -> bool:
    return way in found.overall.ways or way in found.label_sets


def _tables(found: PlaceDecisions) -> Iterator[tuple[str, Table]]:
    heads: tuple[str, ...] = ("country", "patches", "way", *(title for _, title in _SCORES))
    rows = [
        row
        for name, part in ((_ALL, found.overall), *found.per_country.items())
        for row in _score_rows(name, part)
    ]
    yield "Calibration (lower is better) and F1", (heads, rows)
    wanted = f"{found.wanted_coverage:.0%}"
    heads = (
        "country",
        "way",
        f"certain, and there (target {wanted})",
        "certain per patch",
        f"there, and not ruled out (target {wanted})",
        "ruled out, and not there",
        "ruled out per patch",
    )
    sizes = {name: part.n for name, part in found.per_country.items()}
    rows = []
    for name, n in {_ALL: found.n, **sizes}.items():
        for way, one in found.label_sets.items():
            shares = one.overall if name == _ALL else one.per_country[name]
            rows.append(_set_row(name, way, shares, n))
    yield "Label sets", (heads, rows)
    yield (
        "Land covers that are called certain in left-out countries",
        (
            ("land cover", "way", "certain, and there", "there, and not ruled out"),
            [
                (short(label), way, share_text(item.certain), share_text(item.present))
                for way, one in found.label_sets.items()
                for label, item in one.per_class.items()
                if item.certain.n
            ],
        ),
    )
    if found.novelty is not None:
        yield from _novelty(found.novelty)


def _novelty(found: NoveltyByPlace) -> Iterator[tuple[str, Table]]:
    heads = ("country", "patches", "unlike", "no labels", "no labels, with the measured multiple")
    rows = [
        (
            name,
            f"{rates.n:,}",
            share_text(rates.unlike),
            share_text(rates.cannot_tell),
            share_text(rates.cannot_tell_by_place),
        )
        for name, rates in ((_ALL, found.overall), *found.per_country.items())
    ]
    named = " and ".join(found.distances)
    yield f"Good patches that are called unlike the training data ({named})", (heads, rows)


def _errors(found: NoveltyByPlace) -> str:
    multiples = ", ".join(f"{name} {value:.2f}" for name, value in found.severe.items())
    return (
        f"Share of classes decided wrongly: {decimals(found.wrong_unlike)} in patches that are "
        f"called unlike, {decimals(found.wrong_others)} in the others; difference "
        f"{with_span(found.difference.value, found.difference.interval, '+')}. Labels are withheld "
        f"beyond this multiple of the bound: {multiples}."
    )


def _score_rows(name: str, part: PlaceScores) -> list[tuple[str, ...]]:
    return [
        (
            name,
            f"{part.n:,}",
            way,
            *(with_span((e := getattr(one, key)).value, e.interval) for key, _ in _SCORES),
        )
        for way, one in part.ways.items()
    ]


def _set_row(name: str, way: str, shares: LabelSetShares, patches: int) -> tuple[str, ...]:
    out = shares.ruled_out
    return (
        name,
        way,
        share_text(shares.certain),
        f"{shares.certain.n / patches:.2f}",
        share_text(shares.present),
        "–" if out is None else share_text(out),
        "–" if out is None else f"{out.n / patches:.1f}",
    )


def _ends(found: PlaceDecisions) -> list[str]:
    errors = [] if found.novelty is None else [_errors(found.novelty)]
    return [*errors, _said(found), guarantee(found)]


def _said(found: PlaceDecisions) -> str:
    named = ", ".join(map(short, found.said)) or "none"
    return (
        f"Can be called certain: {named}. Share of the allowed errors that was aimed at: "
        + ", ".join(f"{side} {value:g}" for side, value in found.strictness.items())
        + "."
    )
