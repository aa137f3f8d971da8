"""All that says whether a model's explanations are true, measured in one run.

On each patch one class is explained: of those that the model calls there the one that was
explained least so far, so that many classes are among few patches. Attribution methods are
compared on the same patches, classes, noise and shuffled weights. Everything is drawn from
fixed seeds: the same model, patches and library give the same metrics, save for times.

The patches may have been in training: what is asked is whether a map is true of the net,
not whether the net is right about the land.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations
from threading import Event
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from landcover.core.errors import BadInput
from landcover.core.progress import Report, ignore
from landcover.core.raster import Raster
from landcover.explain import baselines, explanation
from landcover.explain.faithfulness.cases import (
    Case,
    Maps,
    Methods,
    Steps,
    attribute,
    case,
    choose,
    rounded,
    usable,
    with_interval,
)
from landcover.explain.faithfulness.curves import (
    REFERENCES,
    REPLACEMENTS,
    SHARES,
    Order,
    area,
    curves,
    order_of,
    reference_orders,
)
from landcover.explain.faithfulness.noise_stability import NOISE, noisy, sensitivity
from landcover.explain.faithfulness.pointing import Pointed, Scene, Target, halves, point, targets
from landcover.explain.faithfulness.randomisation import BOUND, DEPTHS, layers_from_output, shuffled
from landcover.explain.faithfulness.ratings import RULE, Faithfulness
from landcover.explain.faithfulness.similarity import Doubles, cells, spearman, ssim
from landcover.models.inference import Scorer
from landcover.models.model import Model

__all__ = ["DRAWS", "HALF", "MIN_PATCHES", "QUARTER", "RANDOM", "UNRELATED", "measure"]

RANDOM: Final = ("random", "random patches")
"""The references whose mean is "random": cells alone, and connected land."""
HALF: Final = 2
"""Every second patch is measured with the blurred replacement, with all weights shuffled, with
other noise, and joined with another."""
QUARTER: Final = 4
"""Every fourth patch is explained with some of the weights shuffled."""
DRAWS: Final = 2
"""Of noise, a patch."""
MIN_PATCHES: Final = 4
"""Patches that a measurement takes at least."""
UNRELATED: Final = 95
"""The percentile of what maps of different patches have in common."""


def measure(
    model: Model,
    patches: Sequence[Raster],
    maps: Sequence[Scene] | None = None,
    report: Report | None = None,
    cancel: Event | None = None,
    *,
    methods: Methods | None = None,
) -> Faithfulness:
    """Measure a model's explanations.

    Args:
        model: to be explained.
        patches: real ones, of the kind that the model is made for; none of the test split.
        maps: places with land-cover maps for the pointing test, which is left out without.
        report: called with the progress.
        cancel: set to stop.
        methods: to be measured; all of :data:`landcover.explain.explanation.METHODS` otherwise.

    Raises:
        BadInput: fewer than four patches.
        ModelMismatch: the model cannot be explained, or was not made for these patches.
        Cancelled: ``cancel`` was set.
    """
    if len(patches) < MIN_PATCHES:
        raise BadInput(
            f"{len(patches)} patches cannot carry an interval: give {MIN_PATCHES} or more."
        )
    ways = usable(model, explanation.METHODS if methods is None else methods)
    cases = choose(model, patches)
    pointed = targets(maps or ()) if model.card.class_set == "bigearthnet-19" else ()
    begin = time.process_time()
    half, quarter = len(cases[::HALF]), len(cases[::QUARTER])
    total = 2 * len(cases) + (3 + DRAWS) * half + (len(DEPTHS) - 1) * quarter + len(pointed)
    steps = Steps(total=total, report=report or ignore, cancel=cancel)
    found, seconds = _explained(model, cases, ways, steps)
    drawn = {
        "mean": _all_curves(model, cases, found, steps, "mean"),
        "blurred": _all_curves(model, cases[::HALF], found[::HALF], steps, "blurred"),
    }
    spoilt = _randomised(model, cases, found, ways, steps)
    stable = _stability(model, cases[::HALF], found[::HALF], ways, steps)
    inside = {
        "halves": _halves(model, cases[::HALF], ways, steps),
        "maps": _maps(model, pointed, ways, steps),
    }
    values = {
        "version": 1,
        "model": model.card.name,
        "card_hash": model.card.hash,
        "rule": RULE,
        "n": len(cases),
        "classes": dict(Counter(asked.label for asked in cases)),
        "replacements": {
            kind: baselines.resolve_baseline(kind, model.card)[1] for kind in REPLACEMENTS
        },
        "noise": NOISE,
        "bound": BOUND,
        "shares": list(SHARES),
        "methods": {
            name: {
                "title": way.title,
                "curves": {kind: values[name] for kind, values in drawn.items()},
                "randomisation": spoilt[name],
                "stability": stable[name],
                "pointing": {kind: values[name] for kind, values in inside.items() if values},
                "seconds": seconds[name],
            }
            for name, way in ways.items()
        },
        "references": {
            kind: {name: values[name] for name in REFERENCES} for kind, values in drawn.items()
        },
        "agreement": _agreement(found),
        "seconds": rounded(time.process_time() - begin),
    }
    return Faithfulness.model_validate(values)


def _explained(
    model: Model, cases: Sequence[Case], ways: Methods, steps: Steps
) -> tuple[list[Maps], dict[str, float]]:
    """The maps of all methods on each patch, and each method's median processor seconds."""
    found: list[Maps] = []
    seconds = defaultdict(list)
    for asked in cases:
        steps.step("Explaining patches")
        maps = {}
        for name, way in ways.items():
            begin = time.process_time()
            maps[name] = attribute(model, asked, way)
            seconds[name].append(time.process_time() - begin)
        found.append(maps)
    return found, {name: rounded(np.median(took)) for name, took in seconds.items()}


def _all_curves(
    model: Model, cases: Sequence[Case], found: Sequence[Maps], steps: Steps, kind: str
) -> dict[str, dict[str, Any]]:
    """Method or reference → mean curves, and the gain over random orders with its interval."""
    scorer = Scorer(model.net, torch.cat([cases[0].pixels, cases[0].start]), "float32")
    random = np.random.default_rng(0)

    def score(pixels: Tensor) -> Tensor:
        return model.probabilities(scorer(pixels))

    lines: dict[str, list[tuple[Doubles, Doubles]]] = defaultdict(list)
    for asked, maps in zip(cases, found, strict=True):
        steps.step(f"Removing and adding land ({kind})")
        filled = baselines.baseline(model.card, asked.pixels, kind)
        whole, empty = score(torch.cat([asked.pixels, filled])).double().numpy()
        orders: dict[str, Order] = {
            **{name: order_of(values, random) for name, values in maps.items()},
            **reference_orders(asked.pixels, random),
        }
        for name, order in orders.items():
            deletion, insertion = curves(score, asked.pixels, filled, order, (whole, empty))
            lines[name].append((deletion[:, asked.target], insertion[:, asked.target]))
    gains = {
        name: np.array([area(insertion) - area(deletion) for deletion, insertion in pairs])
        for name, pairs in lines.items()
    }
    chance = np.mean([gains[name] for name in RANDOM], axis=0)
    return {
        name: {
            "n": len(pairs),
            "deletion": _mean([deletion for deletion, _ in pairs]),
            "insertion": _mean([insertion for _, insertion in pairs]),
            "gain": with_interval(gains[name] - chance),
            "over": {other: with_interval(gains[name] - gains[other]) for other in REFERENCES},
        }
        for name, pairs in lines.items()
    }


def _randomised(
    model: Model, cases: Sequence[Case], found: Sequence[Maps], ways: Methods, steps: Steps
) -> dict[str, dict[str, Any]]:
    layers = layers_from_output(model, cases[0].pixels)
    alike: dict[str, dict[float, list[tuple[float, float]]]] = {
        name: {share: [] for share in DEPTHS} for name in ways
    }
    for share in DEPTHS:
        for index in range(0, len(cases), HALF if share == DEPTHS[-1] else QUARTER):
            steps.step(f"Shuffling {share:.0%} of the layers")
            other = shuffled(model, layers, share, seed=index)
            for name, way in ways.items():
                before = cells(found[index][name])
                after = cells(attribute(other, cases[index], way))
                alike[name][share].append((spearman(before, after), ssim(before, after)))
    return {
        name: {**_of_shuffled(by_share), "unrelated": _unrelated([maps[name] for maps in found])}
        for name, by_share in alike.items()
    }


def _of_shuffled(by_share: Mapping[float, Sequence[tuple[float, float]]]) -> dict[str, Any]:
    ranks = {share: np.array([rank for rank, _ in pairs]) for share, pairs in by_share.items()}
    likeness = with_interval(np.abs(ranks[DEPTHS[-1]]))
    return {
        "likeness": likeness,
        "passed": likeness.mean <= BOUND,
        "by_share": [
            {
                "share": share,
                "n": len(ranks[share]),
                "absolute_spearman": rounded(np.abs(ranks[share]).mean()),
                "spearman": rounded(ranks[share].mean()),
                "ssim": rounded(np.mean([value for _, value in pairs])),
            }
            for share, pairs in by_share.items()
        ],
    }


def _unrelated(maps: Sequence[Any]) -> dict[str, float]:
    """Absolute Spearman of the maps of different patches: what chance alone makes alike."""
    coarse = [cells(values) for values in maps]
    ranks = [abs(spearman(one, two)) for one, two in combinations(coarse, 2)]
    return {"mean": rounded(np.mean(ranks)), "high": rounded(np.percentile(ranks, UNRELATED))}


def _stability(
    model: Model, cases: Sequence[Case], found: Sequence[Maps], ways: Methods, steps: Steps
) -> dict[str, dict[str, Any]]:
    random = np.random.default_rng(1)
    ranks: dict[str, list[float]] = defaultdict(list)
    moves: dict[str, list[float]] = defaultdict(list)
    for asked, maps in zip(cases, found, strict=True):
        for _ in range(DRAWS):
            steps.step("Adding noise")
            pixels = noisy(asked.pixels, model.card.bands, random)
            shaken = case(model, pixels, asked.label)
            for name, way in ways.items():
                after = attribute(model, shaken, way)
                ranks[name].append(spearman(cells(maps[name]), cells(after)))
                moves[name].append(sensitivity(maps[name], after))
    return {
        name: {
            "n": len(cases),
            "draws": DRAWS,
            "spearman": rounded(np.mean(ranks[name])),
            "mean_sensitivity": rounded(np.mean(moves[name])),
            "max_sensitivity": rounded(np.max(moves[name])),
        }
        for name in ways
    }


def _agreement(found: Sequence[Maps]) -> dict[str, dict[str, float]]:
    """Method → method → mean Spearman of their cells on the same class and patch."""
    coarse = {name: [cells(maps[name]) for maps in found] for name in found[0]}
    return {
        one: {
            two: rounded(np.mean([spearman(*pair) for pair in zip(first, second, strict=True)]))
            for two, second in coarse.items()
        }
        for one, first in coarse.items()
    }


def _halves(
    model: Model, cases: Sequence[Case], ways: Methods, steps: Steps
) -> dict[str, dict[str, Any]]:
    """Half of each patch beside half of the one on which its class is least probable."""
    with torch.inference_mode():
        scores = torch.cat([model.scores(asked.pixels) for asked in cases])
    found: dict[str, list[Pointed]] = defaultdict(list)
    for index, asked in enumerate(cases):
        steps.step("Joining halves of patches")
        other = cases[int(scores[:, asked.target].argmin())]
        pixels, mask = halves(asked.pixels, other.pixels, index)
        joined = case(model, pixels, asked.label)
        for name, way in ways.items():
            found[name].append(point(attribute(model, joined, way), mask))
    return {name: _of_pointed(values) for name, values in found.items()}


def _maps(
    model: Model, pointed: Sequence[Target], ways: Methods, steps: Steps
) -> dict[str, dict[str, Any]]:
    found: dict[str, list[Pointed]] = defaultdict(list)
    called = 0
    for target in pointed:
        steps.step("Comparing with land-cover maps")
        scores = [model.predict(target.patch).of(label) for label in target.labels]
        best = max(scores, key=lambda score: score.probability)
        called += best.predicted
        asked = case(model, model.tensor(target.patch)[None], best.label)
        for name, way in ways.items():
            found[name].append(point(attribute(model, asked, way), target.mask))
    places = len({target.place for target in pointed})
    return {
        name: {**_of_pointed(values), "places": places, "called": called}
        for name, values in found.items()
    }


def _of_pointed(values: Sequence[Pointed]) -> dict[str, Any]:
    hits = sum(value.strongest > value.share for value in values)
    return {
        "n": len(values),
        "share": rounded(np.mean([value.share for value in values])),
        "energy": rounded(np.mean([value.energy for value in values])),
        "strongest": rounded(np.mean([value.strongest for value in values])),
        "energy_ratio": with_interval(np.array([value.energy / value.share for value in values])),
        "hits": hits,
        "hit_rate": rounded(hits / len(values)),
    }


def _mean(lines: Sequence[Doubles]) -> list[float]:
    return [rounded(value) for value in np.mean(lines, axis=0)]
