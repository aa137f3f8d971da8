"""Measure calibration, thresholds and label sets of adapted models: tables of docs/teach.md.

``python -m tools.research.teach_decisions OUT ROOT… --left-out COUNTRY…``, with the options of
:mod:`tools.research.teach`. Corrections are drawn at random; what is decided from them is measured
on the rest of the country. F1 is over all pairs of patch and class, at the thresholds of the net.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from landcover.adapt.decisions import Decisions, decide
from landcover.adapt.judgement import left_out
from landcover.core.classes import CLASS_NAMES
from landcover.core.raster import BoolArray
from landcover.decide import calibration
from landcover.decide.calibration_fit import log_loss
from landcover.decide.conformal import certainty_codes
from landcover.metrics.scores import calibration_error
from tools.research.teach import COUNTS, LEAST, Country, add_options, chosen, parts, used

Doubles = np.ndarray

STAGES: Final = ("before", "adapted", "and calibrated")


@dataclass(frozen=True)
class Shares:
    """What label sets say of the rest of a country, in counts of pairs of patch and class."""

    certain: int
    right: int
    there: int
    kept: int
    """Of those that are there, how many are not called absent."""
    possible: int
    patches: int


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    parser.add_argument("--draws", type=int, default=8)
    parser.add_argument("--partial", action="store_true", help="see tools.research.teach")
    options = parser.parse_args()
    found = chosen(parser, options)
    print("| corrections | | log loss | calibration error | micro F1 |")
    print("|---|---|---|---|---|")
    sets: dict[int, dict[str, list[Shares | None]]] = {}
    for count in COUNTS:
        drawn = [
            (country, *_drawn(country, count, seed, partial=options.partial))
            for country in found
            if count + LEAST <= len(country.ids)
            for seed in range(options.draws)
        ]
        if not drawn:
            continue
        means = np.mean([metrics for _, metrics, _ in drawn], axis=0)
        for stage, (name, row) in enumerate(zip(STAGES, means, strict=True)):
            cells = " | ".join(f"{value:.3f}" for value in row)
            print(f"| {'' if stage else count} | {name} | {cells} |", flush=True)
        for country, _, shares in drawn:
            sets.setdefault(count, {}).setdefault(country.name, []).append(shares)
    print(
        "\n| corrections | “certain” is said | and right | worst country "
        "| there and not ruled out | worst country | certain a patch | possible a patch |"
    )
    print("|---" * 8 + "|")
    for count, own in sets.items():
        print(_set_row(count, own))


def _drawn(
    country: Country, count: int, seed: int, *, partial: bool
) -> tuple[list[tuple[float, float, float]], Shares | None]:
    """Draw corrections; return the metrics of each stage, and what sets say."""
    given, rest, _ = parts(country, count, seed, partial=partial)
    decisions = decide(left_out(given), given, CLASS_NAMES)
    logits = (rest.scores.double().numpy(), used(given, rest))
    chances = [0.5 * (1 + np.tanh(made / 2)) for made in logits]
    chances.append(
        calibration.apply(decisions.calibration, CLASS_NAMES, torch.from_numpy(logits[1])).numpy()
    )
    metrics = [_metrics(chance, rest.truth, country.thresholds) for chance in chances]
    return metrics, _shares(decisions, chances[-1], rest.truth)


def _metrics(chance: Doubles, truth: BoolArray, thresholds: Doubles) -> tuple[float, float, float]:
    called = chance >= thresholds
    logits = np.log(np.clip(chance, 1e-9, 1) / np.clip(1 - chance, 1e-9, 1))
    return (
        float(log_loss(logits, truth).mean()),
        float(calibration_error(truth, chance)),
        2 * int((called & truth).sum()) / max(1, int(called.sum() + truth.sum())),
    )


def _shares(decisions: Decisions, chance: Doubles, truth: BoolArray) -> Shares | None:
    if decisions.label_sets is None:
        return None
    codes = certainty_codes(decisions.label_sets, chance, CLASS_NAMES)
    return Shares(
        certain=int((codes == 2).sum()),
        right=int((truth & (codes == 2)).sum()),
        there=int(truth.sum()),
        kept=int((truth & (codes > 0)).sum()),
        possible=int((codes == 1).sum()),
        patches=len(truth),
    )


def _set_row(count: int, own: dict[str, list[Shares | None]]) -> str:
    every = [one for shares in own.values() for one in shares]
    made = [one for one in every if one is not None]
    if not made:
        return f"| {count} | never: too few |" + " – |" * 6
    said = [one for one in made if one.certain]
    right = {name: _ratio(shares, "right", "certain") for name, shares in own.items()}
    kept = {name: _ratio(shares, "kept", "there") for name, shares in own.items()}
    return (
        f"| {count} | in {len(said) / len(every):.0%} of the draws "
        f"| {_ratio(made, 'right', 'certain'):.3f} | {np.nanmin([*right.values()]):.3f} "
        f"| {_ratio(made, 'kept', 'there'):.3f} | {np.nanmin([*kept.values()]):.3f} "
        f"| {_ratio(made, 'certain', 'patches'):.2f} | {_ratio(made, 'possible', 'patches'):.2f} |"
    )


def _ratio(shares: Sequence[Shares | None], part: str, whole: str) -> float:
    made = [one for one in shares if one is not None]
    total = sum(getattr(one, whole) for one in made)
    return sum(getattr(one, part) for one in made) / total if total else np.nan


if __name__ == "__main__":
    main()
