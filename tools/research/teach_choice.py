"""Compare ways to choose the next patch to correct: the table in docs/teach.md.

``python -m tools.research.teach_choice OUT ROOT… --left-out COUNTRY…``, with the options of
:mod:`tools.research.teach`. In each country 50 patches are candidates, of which the
first to correct is drawn at random. The rest of the country is scored, without the patches that
touch a corrected one.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Final

import numpy as np

from landcover.adapt.head import Examples
from landcover.adapt.suggestion import next_to_correct
from landcover.core.raster import BoolArray
from landcover.datasets.split_distance import proximity
from landcover.metrics.scores import average_precision
from tools.research.teach import Country, add_options, chosen, used

CANDIDATES: Final = 50
DRAWS: Final = 8
COUNTS: Final = (5, 10, 20)


def _unlike(given: Examples, taken: BoolArray, random: np.random.Generator) -> int:
    del random
    return next_to_correct(given.features, given.scores, taken)[0]


def _at_random(given: Examples, taken: BoolArray, random: np.random.Generator) -> int:
    del given
    return int(random.choice(np.flatnonzero(~taken)))


def _uncertain(given: Examples, taken: BoolArray, random: np.random.Generator) -> int:
    del random
    chance = 0.5 * (1 + np.tanh(used(given.part(taken), given) / 2))
    chance = np.clip(chance, 1e-6, 1 - 1e-6)
    entropy = -(chance * np.log(chance) + (1 - chance) * np.log(1 - chance)).sum(axis=1)
    return int(np.argmax(np.where(taken, -np.inf, entropy)))


CHOICES: Final[dict[str, Callable[[Examples, BoolArray, np.random.Generator], int]]] = {
    "at random": _at_random,
    "least like any corrected": _unlike,
    "most uncertain": _uncertain,
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    found = chosen(parser, parser.parse_args())
    print("| choice | " + " | ".join(f"{count} corrections" for count in COUNTS) + " |")
    print("|---|" + "---|" * len(COUNTS))
    for name, choose in CHOICES.items():
        cells = []
        for count in COUNTS:
            gains = [
                _gain(one, count, choose, np.random.default_rng(seed))
                for one in found
                for seed in range(DRAWS)
            ]
            cells.append(f"{np.mean(gains):+.3f}, worst {min(gains):+.3f}")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def _gain(
    country: Country,
    count: int,
    choose: Callable[[Examples, BoolArray, np.random.Generator], int],
    random: np.random.Generator,
) -> float:
    """Gain in micro average precision on the rest of a country."""
    most = min(CANDIDATES, len(country.ids) // 2)
    rows = np.sort(random.choice(len(country.ids), most, replace=False))
    inside = np.zeros(len(country.ids), dtype=bool)
    inside[rows] = True
    given = country.examples.part(inside)
    taken = np.zeros(most, dtype=bool)
    taken[random.integers(most)] = True
    while taken.sum() < count:
        taken[choose(given, taken, random)] = True
    ids, rest = np.array(country.ids), np.ones(len(country.ids), dtype=bool)
    rest[rows[taken]] = False
    rest[rest] = ~proximity(ids[rest].tolist(), ids[rows[taken]].tolist()).touching
    scored = country.examples.part(rest)
    truth = scored.truth.ravel()
    before, after = scored.scores.double().numpy(), used(given.part(taken), scored)
    return average_precision(truth, after.ravel()) - average_precision(truth, before.ravel())


if __name__ == "__main__":
    main()
