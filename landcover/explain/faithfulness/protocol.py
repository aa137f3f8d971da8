"""Measure the faithfulness of a model's explanations in one run.

One class is explained for each patch: of the predicted classes, the one that was
explained least often so far, so that a few patches cover many classes. Attribution methods are
compared on the same patches, classes, noise and shuffled weights. All random values have
fixed seeds: the same model, patches and library give the same metrics, except for times.

The patches may be training data: the measurement shows whether a map is faithful to the net,
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
"""The references whose mean is "random": single cells, and connected land."""
HALF: Final = 2
"""Every second patch is measured with the blurred replacement, with all weights shuffled, with
additional noise, and joined with another patch."""
QUARTER: Final = 4
"""Every fourth patch is explained with some of the weights shuffled."""
DRAWS: Final = 2
"""Draws of noise per patch."""
MIN_PATCHES: Final = 4
"""Minimum number of patches."""
UNRELATED: Final = 95
"""Percentile of the correlation of maps of different patches."""


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
        model: the model to explain.
        patches: real patches of the kind that the model is made for, none of the test split.
        maps: places with land-cover maps for the pointing test, which is skipped without them.
        report: called with the progress.
        cancel: set to stop.
        methods: the methods to measure; by default :data:`landcover.explain.explanation.METHODS`.

    Raises:
        BadInput: fewer than four patches.
        ModelMismatch: the model cannot be explained, or was not made for these patches.
        Cancelled: ``cancel`` was set.
    """
    if len(patches) < MIN_PATCHES:
        raise BadInput(
            f"{len(patches)} patches are too few for a confidence interval: "
            f"give {MIN_PATCHES} or more."
        )
    methods = usable(model, explanation.METHODS if methods is None else methods)
    cases = choose(model, patches)
    pointed = targets(maps or ()) if model.card.class_set == "bigearthnet-19" else ()
    begin = time.process_time()
    half, quarter = len(cases[::HALF]), len(cases[::QUARTER])
    total = 2 * len(cases) + (3 + DRAWS) * half + (len(DEPTHS) - 1) * quarter + len(pointed)
    steps = Steps(total=total, report=report or ignore, cancel=cancel)
    found, seconds = _explained(model, cases, methods, steps)
    drawn = {
        "mean": _all_curves(model, cases, found, steps, "mean"),
        "blurred": _all_curves(model, cases[::HALF], found[::HALF], steps, "blurred"),
    }
    randomised = _randomised(model, cases, found, methods, steps)
    stable = _stability(model, cases[::HALF], found[::HALF], methods, steps)
    inside = {
        "halves": _halves(model, cases[::HALF], methods, steps),
        "maps": _maps(model, pointed, methods, steps),
    }
    values = {
        "version": 1,
        "model": model.card.name,
        "card_hash": model.card.hash,
        "rule": RULE,
        "n": len(cases),
        "classes": dict(Counter(item.label for item in cases)),
        "replacements": {
            kind: baselines.resolve_baseline(kind, model.card)[1] for kind in REPLACEMENTS
        },
        "noise": NOISE,
        "bound": BOUND,
        "shares": list(SHARES),
        "methods": {
            name: {
                "title": method.title,
                "curves": {kind: values[name] for kind, values in drawn.items()},
                "randomisation": randomised[name],
                "stability": stable[name],
                "pointing": {kind: values[name] for kind, values in inside.items() if values},
                "seconds": seconds[name],
            }
            for name, method in methods.items()
        },
        "references": {
            kind: {name: values[name] for name in REFERENCES} for kind, values in drawn.items()
        },
        "agreement": _agreement(found),
        "seconds": rounded(time.process_time() - begin),
    }
    return Faithfulness.model_validate(values)


def _explained(
    model: Model, cases: Sequence[Case], methods: Methods, steps: Steps
) -> tuple[list[Maps], dict[str, float]]:
    """Compute the maps of all methods, and each method's median processor time in seconds."""
    found: list[Maps] = []
    seconds = defaultdict(list)
    for item in cases:
        steps.step("Explaining patches")
        maps = {}
        for name, method in methods.items():
            begin = time.process_time()
            maps[name] = attribute(model, item, method)
            seconds[name].append(time.process_time() - begin)
        found.append(maps)
    return found, {name: rounded(np.median(took)) for name, took in seconds.items()}


def _all_curves(
    model: Model, cases: Sequence[Case], found: Sequence[Maps], steps: Steps, kind: str
) -> dict[str, dict[str, Any]]:
    """Measure mean curves and the gain over random orders of each method and reference."""
    scorer = Scorer(model.net, torch.cat([cases[0].pixels, cases[0].start]), "float32")
    random = np.random.default_rng(0)

    def score(pixels: Tensor) -> Tensor:
        return model.probabilities(scorer(pixels))

    lines: dict[str, list[tuple[Doubles, Doubles]]] = defaultdict(list)
    for item, maps in zip(cases, found, strict=True):
        steps.step(f"Removing and adding land ({kind})")
        filled = baselines.baseline(model.card, item.pixels, kind)
        full, empty = score(torch.cat([item.pixels, filled])).double().numpy()
        orders: dict[str, Order] = {
            **{name: order_of(values, random) for name, values in maps.items()},
            **reference_orders(item.pixels, random),
        }
        for name, order in orders.items():
            deletion, insertion = curves(score, item.pixels, filled, order, (full, empty))
            lines[name].append((deletion[:, item.target], insertion[:, item.target]))
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
    model: Model, cases: Sequence[Case], found: Sequence[Maps], methods: Methods, steps: Steps
) -> dict[str, dict[str, Any]]:
    layers = layers_from_output(model, cases[0].pixels)
    similarities: dict[str, dict[float, list[tuple[float, float]]]] = {
        name: {share: [] for share in DEPTHS} for name in methods
    }
    for share in DEPTHS:
        for index in range(0, len(cases), HALF if share == DEPTHS[-1] else QUARTER):
            steps.step(f"Shuffling {share:.0%} of the layers")
            other = shuffled(model, layers, share, seed=index)
            for name, method in methods.items():
                before = cells(found[index][name])
                after = cells(attribute(other, cases[index], method))
                similarities[name][share].append((spearman(before, after), ssim(before, after)))
    return {
        name: {**_of_shuffled(by_share), "unrelated": _unrelated([maps[name] for maps in found])}
        for name, by_share in similarities.items()
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
    """Compute the absolute Spearman correlation of maps of different patches, as by chance."""
    coarse = [cells(values) for values in maps]
    ranks = [abs(spearman(one, two)) for one, two in combinations(coarse, 2)]
    return {"mean": rounded(np.mean(ranks)), "high": rounded(np.percentile(ranks, UNRELATED))}


def _stability(
    model: Model, cases: Sequence[Case], found: Sequence[Maps], methods: Methods, steps: Steps
) -> dict[str, dict[str, Any]]:
    random = np.random.default_rng(1)
    ranks: dict[str, list[float]] = defaultdict(list)
    changes: dict[str, list[float]] = defaultdict(list)
    for item, maps in zip(cases, found, strict=True):
        for _ in range(DRAWS):
            steps.step("Adding noise")
            pixels = noisy(item.pixels, model.card.bands, random)
            noisy_case = case(model, pixels, item.label)
            for name, method in methods.items():
                after = attribute(model, noisy_case, method)
                ranks[name].append(spearman(cells(maps[name]), cells(after)))
                changes[name].append(sensitivity(maps[name], after))
    return {
        name: {
            "n": len(cases),
            "draws": DRAWS,
            "spearman": rounded(np.mean(ranks[name])),
            "mean_sensitivity": rounded(np.mean(changes[name])),
            "max_sensitivity": rounded(np.max(changes[name])),
        }
        for name in methods
    }


def _agreement(found: Sequence[Maps]) -> dict[str, dict[str, float]]:
    """Compute the mean Spearman correlation of each two methods: method → method → value."""
    coarse = {name: [cells(maps[name]) for maps in found] for name in found[0]}
    return {
        one: {
            two: rounded(np.mean([spearman(*pair) for pair in zip(first, second, strict=True)]))
            for two, second in coarse.items()
        }
        for one, first in coarse.items()
    }


def _halves(
    model: Model, cases: Sequence[Case], methods: Methods, steps: Steps
) -> dict[str, dict[str, Any]]:
    """Join half of each patch with half of the one with the lowest score of its class."""
    with torch.inference_mode():
        scores = torch.cat([model.scores(item.pixels) for item in cases])
    found: dict[str, list[Pointed]] = defaultdict(list)
    for index, item in enumerate(cases):
        steps.step("Joining halves of patches")
        other = cases[int(scores[:, item.target].argmin())]
        pixels, mask = halves(item.pixels, other.pixels, index)
        joined = case(model, pixels, item.label)
        for name, method in methods.items():
            found[name].append(point(attribute(model, joined, method), mask))
    return {name: _of_pointed(values) for name, values in found.items()}


def _maps(
    model: Model, pointed: Sequence[Target], methods: Methods, steps: Steps
) -> dict[str, dict[str, Any]]:
    found: dict[str, list[Pointed]] = defaultdict(list)
    called = 0
    for target in pointed:
        steps.step("Comparing with land-cover maps")
        scores = [model.predict(target.patch).of(label) for label in target.labels]
        best = max(scores, key=lambda score: score.probability)
        called += best.predicted
        item = case(model, model.tensor(target.patch)[None], best.label)
        for name, method in methods.items():
            found[name].append(point(attribute(model, item, method), target.mask))
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
