"""The faithfulness of a model's explanations as text: a table and sentences."""

from __future__ import annotations

from typing import Final

from landcover.core.schema import Mean
from landcover.explain.faithfulness.ratings import STEADY, Faithfulness, Replacement

__all__ = ["REPLACEMENTS", "as_markdown", "as_text"]

REPLACEMENTS: Final[tuple[Replacement, ...]] = ("mean", "blurred")
_HEADS: Final = (
    "method",
    "verdict",
    "gain over random",
    "… blurred",
    "shuffled",
    "noise",
    "halves",
    "maps",
    "CPU s a map",
)


def as_text(found: Faithfulness) -> str:
    """Format the measurement of one model for a terminal."""
    where = found.measured_on
    split = f" of {where.dataset}, split {where.split}" if where else ""
    classes = ", ".join(f"{label} {count}" for label, count in found.classes.items())
    rows = [_HEADS, *(_row(found, name) for name in found.by_gain), *_reference_rows(found)]
    widths = [max(len(row[k]) for row in rows) for k in range(len(_HEADS))]
    table = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    parts = (
        [
            f"{found.model} ({found.card_hash}): {found.n} patches{split}",
            f"explained: {classes}",
        ],
        table,
        _legend(found),
        [found.verdict(name).sentence for name in found.by_gain],
        [f"best: {found.best or 'none'}; offered: {', '.join(found.offered) or 'none'}"],
    )
    return "\n\n".join("\n".join(lines) for lines in parts)


def as_markdown(found: Faithfulness) -> str:
    """Format heading and table of one model for a document, without the legend."""
    rows = [_row(found, name) for name in found.by_gain]
    rows += _reference_rows(found)
    lines = [_HEADS, tuple("---" for _ in _HEADS), *rows]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    cost = f"{found.n} patches, {found.seconds:.0f} s of a processor"
    return f"### {found.model} ({found.card_hash}), {cost}\n\n{table}"


def _row(found: Faithfulness, name: str) -> tuple[str, ...]:
    one = found.methods[name]
    halves, maps = one.pointing.halves, one.pointing.maps
    return (
        name + (" (best)" if name == found.best else ""),
        found.verdict(name).word,
        _span(one.curves["mean"].gain),
        _span(one.curves["blurred"].gain),
        f"{one.randomisation.likeness.mean:.2f}",
        f"{one.stability.mean_sensitivity:.0%}",
        f"{halves.energy:.2f}" if halves else "–",
        f"{maps.energy_ratio.mean:.2f}" if maps else "–",
        "–" if one.seconds is None else f"{one.seconds:.2f}",
    )


def _reference_rows(found: Faithfulness) -> list[tuple[str, ...]]:
    mean, blurred = (found.references.get(kind, {}) for kind in REPLACEMENTS)
    return [
        (name, "reference", _span(one.gain), _span(blurred[name].gain), *["–"] * 5)
        for name, one in mean.items()
        if name in blurred
    ]


def _legend(found: Faithfulness) -> list[str]:
    one = next(iter(found.methods.values()))
    steps = one.randomisation.by_share
    maps = next((m.pointing.maps for m in found.methods.values() if m.pointing.maps), None)
    lines = [
        "gain over random: area under insertion minus area under deletion, in probability,",
        "  minus that of random orders, with a 95 % bootstrap interval over patches; land is",
        "  replaced by average land, or (blurred) by the blurred patch",
        "shuffled: mean |Spearman| of cells of 80 m before and after shuffling all weights, for",
        f"  {steps[-1].n if steps else 0} patches; at most {found.bound:.2f} passes",
        f"noise: change of the map relative to its size under {found.noise:.0%} of additional",
        f"  noise, for {one.stability.n} patches; below {STEADY:.0%} is steady",
        "halves: share of the positive attribution on the half with the class; 0.5 is chance",
    ]
    if maps:
        lines += [
            "maps: share of the positive attribution on the mapped land cover relative to its",
            f"  share of the area; 1 is chance; {maps.n} windows of {maps.places} places; the",
            f"  class is predicted in {maps.called}",
        ]
    return lines


def _span(value: Mean) -> str:
    low, high = value.interval
    return f"{value.mean:+.3f} [{low:+.3f}, {high:+.3f}]"
