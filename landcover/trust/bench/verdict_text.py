"""The figures of ``bench.measure`` as text for a terminal, and as Markdown tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from landcover.trust.novelty import DETECTORS

KINDS: Final = {"bad": "bad", "elsewhere": "elsewhere", "good": "good"}
ORDERS: Final = {
    "confidence": "confidence alone",
    "novelty": "novelty alone",
    "verdict": "the verdict",
}
MIXTURES: Final = {"good": "good patches", "mixed": "good patches among spoilt ones"}


def of_fit(record: Mapping[str, Any]) -> str:
    """What was fitted."""
    lines = [
        f"{record['model']} ({record['card_hash']}) on {record['dataset']}",
        f"  {record['training']} training patches, bounds from {record['validation']} others",
        f"  detector on features: {record['detector']}, {DETECTORS[record['detector']]}",
        "  bounds: " + ", ".join(f"{name} {value:.4g}" for name, value in record["bounds"].items()),
        *_detectors(record["detectors"]),
    ]
    return "\n".join(lines)


def of_measure(record: Mapping[str, Any]) -> str:
    """False alarms, and what is caught."""
    good = record["good"]
    lines = [
        f"{record['model']} ({record['card_hash']}) on {record['dataset']}, {record['split']}",
        "",
        f"{good['n']} good patches of {good['places']} places",
        f"  {'false alarms of the pixels':<34}{share(good['alarms'])}",
        f"  {'no answer given':<34}{share(good['cannot_tell'])}",
        *(f"    {check:<32}{share(value)}" for check, value in good["checks"].items()),
        *(
            f"  {f'not an alarm: {check}':<34}{share(value)}"
            for check, value in good["not_alarms"].items()
        ),
        "",
        f"{'':<22}{'caught by pixels':<32}{'answer':>7}{'warn':>7}{'none':>7}",
        *(_group(group) for group in record["groups"]),
        "",
        *_unseen(record),
        *_cells(record),
        *(
            f"bad, {name}: {share(total)}; mean of {total['groups']} groups "
            f"{_percent(total['mean_of_groups'])}"
            for name, total in record["bad"].items()
        ),
        "",
        *(line for name in MIXTURES for line in _risk(name, record["selective"][name])),
        "",
        record["note"],
    ]
    return "\n".join(lines)


def as_markdown(record: Mapping[str, Any]) -> str:
    """The same as tables for ``docs/trust.md``."""
    good = record["good"]
    lines = [
        *_alarm_rows("good patches", good),
        *_unseen_rows(record),
        "",
        "| patches | what | kind | caught by pixels | answer / warning / no answer | checks |",
        "|---|---|---|---|---|---|",
        *(_row(group) for group in record["groups"]),
        *_cell_rows(record),
    ]
    return "\n".join(lines) + "\n"


def _alarm_rows(what: str, good: Mapping[str, Any]) -> Iterator[str]:
    yield f"| check | false alarms on {what} |"
    yield "|---|---|"
    yield f"| **all checks of the pixels** | **{share(good['alarms'])}** |"
    yield f"| of these, no answer given | {share(good['cannot_tell'])} |"
    yield from (f"| {check} | {share(value)} |" for check, value in good["checks"].items())


def _unseen_rows(record: Mapping[str, Any]) -> Iterator[str]:
    if record["good_test"]:
        yield ""
        yield from _alarm_rows("good test patches", record["good_test"])


def _cell_rows(record: Mapping[str, Any]) -> Iterator[str]:
    if record["sky_cells"]:
        yield from ("", "| cells of 60 m | recall | precision |", "|---|---|---|")
        for name, value in record["sky_cells"].items():
            yield f"| {name} | {share(value['recall'])} | {share(value['precision'])} |"


def _unseen(record: Mapping[str, Any]) -> Iterator[str]:
    good = record["good_test"]
    if good:
        yield f"{good['n']} good patches of {good['places']} places of the test split"
        yield f"  {'false alarms of the pixels':<34}{share(good['alarms'])}"
        yield f"  {'no answer given':<34}{share(good['cannot_tell'])}"
        yield from (f"    {check:<32}{share(value)}" for check, value in good["checks"].items())
        yield ""


def _cells(record: Mapping[str, Any]) -> Iterator[str]:
    for name, value in (record["sky_cells"] or {}).items():
        yield (
            f"cells of 60 m, {name}: recall {share(value['recall'])}, precision "
            f"{share(value['precision'])}"
        )


def share(value: Mapping[str, Any]) -> str:
    """Such as ``3.4% [1.6%, 6.8%] of 209``."""
    if value["share"] is None:
        return "none to count"
    low, high = value["interval"]
    return f"{value['share']:.1%} [{low:.1%}, {high:.1%}] of {value['n']:,}"


def _percent(value: float | None) -> str:
    return "none" if value is None else f"{value:.1%}"


def _group(group: Mapping[str, Any]) -> str:
    counts = "".join(f"{count:>7}" for count in group["decisions"].values())
    return f"{group['name']:<22}{share(group['pixels']):<32}{counts}"


def _row(group: Mapping[str, Any]) -> str:
    kind = f"{KINDS[group['kind']]}, {'real' if group['real'] else 'made'}"
    counts = " / ".join(str(count) for count in group["decisions"].values())
    checks = ", ".join(f"{name} {count}" for name, count in list(group["checks"].items())[:4])
    return (
        f"| {group['name']} | {group['title']} ({group['made_of']}) | {kind} | "
        f"{share(group['pixels'])} | {counts} | {checks} |"
    )


def _detectors(table: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    for name, shares in sorted(table.items(), key=lambda item: -item[1]["mean"]):
        yield f"  {name:<12} catches {shares['mean']:.1%} of spoilt patches: " + ", ".join(
            f"{group} {value:.0%}" for group, value in shares.items() if group != "mean"
        )


def _risk(name: str, curves: Mapping[str, Any]) -> Iterator[str]:
    yield (
        f"{MIXTURES[name]} ({curves['n']}): {curves['loss']} {curves['everything']:.4f}; area "
        "below risk against coverage, lower is better:"
    )
    for order, title in ORDERS.items():
        low, high = curves[order]["area_interval"]
        yield f"  {title:<20}{curves[order]['area']:.4f} [{low:.4f}, {high:.4f}]"
    for decision, value in curves["decisions"].items():
        said = "none" if value["loss"] is None else f"{value['loss']:.4f}"
        yield f"  {decision:<20}{said} in {value['n']}"
