"""The faithfulness of a model's explanations as a person reads it: a table and sentences."""

from __future__ import annotations

from typing import Any, Final

from landcover.explain.faithfulness.ratings import STEADY, Faithfulness

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
    """The figures of one model as a person reads them in a terminal."""
    figures = found.figures
    where = figures.get("measured_on", {})
    split = f" of {where['dataset']}, split {where['split']}" if where else ""
    classes = ", ".join(f"{label} {count}" for label, count in figures["classes"].items())
    rows = [_HEADS, *(_row(found, name) for name in found.methods), *_reference_rows(figures)]
    widths = [max(len(row[k]) for row in rows) for k in range(len(_HEADS))]
    table = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    parts = (
        [
            f"{found.model} ({found.card_hash}): {figures['n']} patches{split}",
            f"explained: {classes}",
        ],
        table,
        _legend(figures),
        [found.verdict(name).sentence for name in found.methods],
        [f"best: {found.best or 'none'}; offered: {', '.join(found.offered) or 'none'}"],
    )
    return "\n\n".join("\n".join(lines) for lines in parts)


def as_markdown(found: Faithfulness) -> str:
    """The heading and table of one model for a document, without the legend."""
    rows = [_row(found, name) for name in found.methods]
    rows += _reference_rows(found.figures)
    lines = [_HEADS, tuple("---" for _ in _HEADS), *rows]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    n, seconds = found.figures["n"], found.figures["seconds"]
    head = f"### {found.model} ({found.card_hash}), {n} patches, {seconds:.0f} s of a processor"
    return f"{head}\n\n{table}"


def _row(found: Faithfulness, name: str) -> tuple[str, ...]:
    figures = found.figures["methods"][name]
    mean, blurred = (figures["curves"][kind]["gain"] for kind in ("mean", "blurred"))
    pointing = figures["pointing"]
    return (
        name + (" (best)" if name == found.best else ""),
        found.verdict(name).word,
        _span(mean),
        _span(blurred),
        f"{figures['randomisation']['likeness']['mean']:.2f}",
        f"{figures['stability']['mean_sensitivity']:.0%}",
        f"{pointing['halves']['energy']:.2f}" if "halves" in pointing else "–",
        f"{pointing['maps']['energy_ratio']['mean']:.2f}" if "maps" in pointing else "–",
        f"{figures['seconds']:.2f}",
    )


def _reference_rows(figures: dict[str, Any]) -> list[tuple[str, ...]]:
    mean, blurred = (figures["references"][kind] for kind in ("mean", "blurred"))
    return [
        (name, "reference", _span(mean[name]["gain"]), _span(blurred[name]["gain"]), *["–"] * 5)
        for name in mean
    ]


def _legend(figures: dict[str, Any]) -> list[str]:
    one = next(iter(figures["methods"].values()))
    shuffled, noisy = one["randomisation"], one["stability"]["n"]
    maps = [m["pointing"]["maps"] for m in figures["methods"].values() if "maps" in m["pointing"]]
    spoilt = shuffled["by_share"][-1]["n"]
    lines = [
        "gain over random: area under insertion less area under deletion, in probability,",
        "  less that of random orders, with a 95 % bootstrap interval over patches; land",
        "  becomes average, or (blurred) the patch's own blur",
        "shuffled: mean |Spearman| of cells of 80 m before and after shuffling all weights, of",
        f"  {spoilt} patches; at most {figures['bound']:.2f} passes",
        f"noise: change of the map, in parts of its size, under {figures['noise']:.0%} of other",
        f"  noise, of {noisy} patches; below {STEADY:.0%} is steady",
        "halves: share of the positive attribution on the half that has the class; 0.5 is chance",
    ]
    if maps:
        n, places, called = (maps[0][key] for key in ("n", "places", "called"))
        lines += [
            "maps: positive attribution on the mapped cover in parts of its share of the area;",
            f"  1 is chance; {n} windows of {places} places, in {called} the class is called",
        ]
    return lines


def _span(value: dict[str, Any]) -> str:
    low, high = value["interval"]
    return f"{value['mean']:+.3f} [{low:+.3f}, {high:+.3f}]"
