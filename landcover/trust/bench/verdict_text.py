"""Results of ``bench.fit`` and ``bench.measure`` as text for a terminal and Markdown tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from landcover.trust.bench.records import (
    MIXTURES,
    ORDERS,
    GoodPatches,
    Rate,
    SelectiveRisk,
    TrustGroup,
    TrustMeasurement,
)
from landcover.trust.bench.surface_alarms import SurfaceAlarms
from landcover.trust.novelty import DETECTORS
from landcover.trust.verdict import CHECKED_DECISIONS

__all__ = ["as_markdown", "fit_text", "measurement_text", "share", "surfaces_markdown"]


def fit_text(record: Mapping[str, Any]) -> str:
    """Format the result of a fit."""
    lines = [
        f"{record['model']} ({record['card_hash']}) on {record['dataset']}",
        f"  {record['training']} training patches, bounds from {record['validation']} others",
        f"  detector on features: {record['detector']}, {DETECTORS[record['detector']]}",
        "  bounds: " + ", ".join(f"{name} {value:.4g}" for name, value in record["bounds"].items()),
        *_detectors(record["detectors"]),
    ]
    return "\n".join(lines)


def measurement_text(found: TrustMeasurement, model: str, card_hash: str) -> str:
    """Format the false alarms and detection rates of a model."""
    good = found.good
    lines = [
        f"{model} ({card_hash}) on {found.dataset}, {found.split}",
        "",
        f"{good.n} good patches of {good.places} places",
        f"  {'false alarms of the pixels':<34}{share(good.alarms)}",
        f"  {'no labels given':<34}{share(good.cannot_tell)}",
        *(f"    {check:<32}{share(value)}" for check, value in good.checks.items()),
        *(
            f"  {f'not an alarm: {check}':<34}{share(value)}"
            for check, value in good.not_alarms.items()
        ),
        "",
        f"{'':<22}{'flagged for pixels':<32}{'answer':>7}{'warn':>7}{'none':>7}",
        *(_group(group) for group in found.groups),
        "",
        *_unseen(found),
        *_cells(found),
        *(
            f"bad, {name}: {share(total)}; mean of {total.groups} groups "
            f"{_percent(total.mean_of_groups)}"
            for name, total in found.bad.items()
        ),
        "",
        *(line for name, title in MIXTURES.items() for line in _risk(title, found.selective[name])),
        "",
        found.note,
    ]
    return "\n".join(lines)


def as_markdown(found: TrustMeasurement) -> str:
    """Format the same results as tables for ``docs/trust.md``."""
    lines = [
        *_alarm_rows("good patches", found.good),
        *_unseen_rows(found),
        "",
        "| patches | what | kind | caught by pixels | reliable / check / can't tell | checks |",
        "|---|---|---|---|---|---|",
        *(_row(group) for group in found.groups),
        *_cell_rows(found),
    ]
    return "\n".join(lines) + "\n"


def surfaces_markdown(found: Mapping[str, SurfaceAlarms]) -> str:
    """Format the false alarms for each kind of ground as a table for ``docs/trust.md``."""
    lines = ["| ground | patches | flagged by any check | checks |", "|---|---|---|---|"]
    for name, one in found.items():
        checks = ", ".join(f"{check} {rate.hits}" for check, rate in one.checks.items()) or "none"
        lines.append(f"| {name} | {one.rule} | {share(one.any_check)} | {checks} |")
    return "\n".join(lines)


def share(value: Rate) -> str:
    """Format a rate, such as ``3.4% [1.6%, 6.8%] of 209``."""
    if value.share is None:
        return "no patches"
    low, high = value.interval
    return f"{value.share:.1%} [{low:.1%}, {high:.1%}] of {value.n:,}"


def _alarm_rows(what: str, good: GoodPatches) -> Iterator[str]:
    yield f"| check | false alarms on {what} |"
    yield "|---|---|"
    yield f"| **all checks of the pixels** | **{share(good.alarms)}** |"
    yield f"| of these, no answer given | {share(good.cannot_tell)} |"
    yield from (f"| {check} | {share(value)} |" for check, value in good.checks.items())


def _unseen_rows(found: TrustMeasurement) -> Iterator[str]:
    if found.good_test is not None:
        yield ""
        yield from _alarm_rows("good test patches", found.good_test)


def _cell_rows(found: TrustMeasurement) -> Iterator[str]:
    if found.sky_cells:
        yield from ("", "| cells of 60 m | recall | precision |", "|---|---|---|")
        for name, value in found.sky_cells.items():
            yield f"| {name} | {share(value.recall)} | {share(value.precision)} |"


def _unseen(found: TrustMeasurement) -> Iterator[str]:
    good = found.good_test
    if good is not None:
        yield f"{good.n} good patches of {good.places} places of the test split"
        yield f"  {'false alarms of the pixels':<34}{share(good.alarms)}"
        yield f"  {'no labels given':<34}{share(good.cannot_tell)}"
        yield from (f"    {check:<32}{share(value)}" for check, value in good.checks.items())
        yield ""


def _cells(found: TrustMeasurement) -> Iterator[str]:
    for name, value in (found.sky_cells or {}).items():
        yield (
            f"cells of 60 m, {name}: recall {share(value.recall)}, precision "
            f"{share(value.precision)}"
        )


def _percent(value: float | None) -> str:
    return "none" if value is None else f"{value:.1%}"


def _group(group: TrustGroup) -> str:
    counts = "".join(f"{group.decisions[decision]:>7}" for decision in CHECKED_DECISIONS)
    return f"{group.name:<22}{share(group.pixels):<32}{counts}"


def _row(group: TrustGroup) -> str:
    kind = f"{group.kind}, {'real' if group.real else 'made'}"
    counts = " / ".join(str(group.decisions[decision]) for decision in CHECKED_DECISIONS)
    checks = ", ".join(f"{name} {count}" for name, count in list(group.checks.items())[:4])
    return (
        f"| {group.name} | {group.title} ({group.made_of}) | {kind} | "
        f"{share(group.pixels)} | {counts} | {checks} |"
    )


def _detectors(table: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    for name, shares in sorted(table.items(), key=lambda item: -item[1]["mean"]):
        yield f"  {name:<12} detects {shares['mean']:.1%} of corrupted patches: " + ", ".join(
            f"{group} {value:.0%}" for group, value in shares.items() if group != "mean"
        )


def _risk(title: str, found: SelectiveRisk) -> Iterator[str]:
    yield (
        f"{title} ({found.n}): {found.loss} {found.everything:.4f}; area "
        "under the risk-coverage curve, lower is better:"
    )
    for order, words in ORDERS.items():
        curve = found.orders[order]
        low, high = curve.area_interval
        yield f"  {words:<20}{curve.area:.4f} [{low:.4f}, {high:.4f}]"
    for decision, value in found.decisions.items():
        loss = "none" if value.loss is None else f"{value.loss:.4f}"
        yield f"  {decision:<20}{loss} in {value.n}"
