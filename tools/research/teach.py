"""Measure what corrections bring in a country that no fit has seen: the curve of docs/teach.md.

``python -m tools.research.teach OUT ROOT… --left-out Finland Portugal`` fits a SpectralLite to the
training and validation patches of all other countries (ten passes, no mixed patches, from the trunk
of the shipped EuroSAT net) and keeps its features and logits of the country in OUT.

``--nets DIR`` uses nets that were fitted before, of any recipe: DIR has a model folder for each
country that was left out, such as ``DIR/Austria/card.json``. With ``--model`` one model is used as
it is; then give only folders with patches that it was not trained on.

For each country and number of corrections, patches are drawn at random and corrected with all 19
classes (``--partial``: what is called at 0.5 is confirmed or struck out and what is missing is
added; nothing is said of other classes). The rest of the country is scored before and after,
without the patches that touch a corrected one. ``--heads`` compares heads. The test split is not
read.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import torch

from landcover.adapt.adaptation import calibrated, places_of
from landcover.adapt.head import Examples, fit
from landcover.adapt.judgement import judge
from landcover.core.bands import BAND_NAMES
from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import BadInput, LandcoverError
from landcover.core.raster import BoolArray
from landcover.datasets import folds, open_dataset
from landcover.datasets.arrays import NativeStore
from landcover.datasets.patch_names import place
from landcover.datasets.split_distance import proximity
from landcover.metrics.bootstrap import weighted_average_precision
from landcover.metrics.crossfit import places as products
from landcover.metrics.scores import average_precision, counted_classes
from landcover.models import registry
from landcover.models.features import features_and_scores
from landcover.models.model import Model, load_model
from landcover.nets.adapted import Adapted
from landcover.nets.spectral_lite0 import SpectralLite, inflate
from landcover.train.loop import train
from landcover.train.recipes.mosaic import initial_weights
from landcover.train.recipes.mosaic_parts import settings
from landcover.train.recipes.order import Order
from tools.research.teach_heads import HEADS

Doubles = np.ndarray
Head = Callable[[Examples, Examples], Doubles]

COUNTS: Final = (5, 10, 20, 40)
LEAST: Final = 10
"""Fewest patches of a country that are left to score."""
PASSES: Final = 10
RESAMPLES: Final = 200


@dataclass(frozen=True)
class Country:
    """The patches of a country."""

    name: str
    ids: tuple[str, ...]
    examples: Examples
    thresholds: Doubles
    """Of the model, ``(class,)``; one half for a net without a card."""


@dataclass(frozen=True)
class Draw:
    """What one draw of corrections changes on the rest of a country."""

    micro: float
    macro: float
    spread: Doubles
    """Gain in micro average precision of each resample of the country's products."""
    before: float


def main() -> None:
    """Print the curve, or the comparison of heads."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--partial", action="store_true")
    parser.add_argument("--heads", action="store_true")
    parser.add_argument("--judge", action="store_true", help="also count what is claimed to help")
    options = parser.parse_args()
    found = chosen(parser, options)
    if options.heads:
        _compare(found, options)
        return
    print("| country | n | corrections | micro AP before | gain | worst draw | macro AP, gain |")
    print("|---|---|---|---|---|---|---|")
    for country in found:
        for count in COUNTS:
            if count + LEAST <= len(country.ids):
                print(_row(country, count, options), flush=True)
    if options.judge:
        _claims(found, options)


def _row(country: Country, count: int, options: argparse.Namespace) -> str:
    found = [_draw(country, count, seed, used, options) for seed in range(options.draws)]
    micro, macro = (np.array([getattr(one, key) for one in found]) for key in ("micro", "macro"))
    low, high = np.nanpercentile(np.mean([one.spread for one in found], axis=0), [2.5, 97.5])
    before = np.mean([one.before for one in found])
    return (
        f"| {country.name} | {len(country.ids)} | {count} | {before:.3f} | {micro.mean():+.3f} "
        f"[{low:+.3f}, {high:+.3f}] | {micro.min():+.3f} | {np.nanmean(macro):+.3f} |"
    )


def used(given: Examples, rest: Examples) -> Doubles:
    """The head of the product."""
    head = Adapted(torch.nn.Identity(), features=given.features.shape[1], classes=len(CLASS_NAMES))
    fit(head, given)
    with torch.no_grad():
        return head.corrected(rest.features, rest.scores).double().numpy()


def _draw(country: Country, count: int, seed: int, head: Head, options: argparse.Namespace) -> Draw:
    given, rest, rows = parts(country, count, seed, partial=options.partial)
    before, after, truth = rest.scores.double().numpy(), head(given, rest), rest.truth
    # The products of the whole country are drawn, the same for every draw of corrections.
    product = np.unique(products(country.ids), return_inverse=True)[1]
    random = np.random.default_rng(0)
    units = int(product.max()) + 1
    drawn = random.multinomial(units, np.full(units, 1 / units), RESAMPLES)[:, product[rows]]
    weights = np.repeat(drawn.astype(np.float64), truth.shape[1], axis=1)
    spread = weighted_average_precision(
        truth.ravel(), after.ravel(), weights
    ) - weighted_average_precision(truth.ravel(), before.ravel(), weights)
    first = average_precision(truth.ravel(), before.ravel())
    counted = counted_classes(truth)
    macro = [
        average_precision(truth[:, k], after[:, k]) - average_precision(truth[:, k], before[:, k])
        for k in counted
    ]
    return Draw(
        micro=average_precision(truth.ravel(), after.ravel()) - first,
        macro=float(np.mean(macro)) if macro else np.nan,
        spread=spread,
        before=first,
    )


def parts(
    country: Country, count: int, seed: int, *, partial: bool
) -> tuple[Examples, Examples, Doubles]:
    """Draw corrections; return them, the rest of the country, and the rows of the rest."""
    taken = np.zeros(len(country.ids), dtype=bool)
    taken[np.random.default_rng(seed).choice(len(taken), count, replace=False)] = True
    ids = np.array(country.ids)
    rest = ~taken
    rest[rest] = ~proximity(ids[rest].tolist(), ids[taken].tolist()).touching
    given = country.examples.part(taken)
    if partial:
        called: BoolArray = given.scores.numpy() >= 0
        given = replace(given, known=called | given.truth)
    return given, country.examples.part(rest), np.flatnonzero(rest)


def _claims(found: Sequence[Country], options: argparse.Namespace) -> None:
    """Count the draws for which help is claimed, and what the rest of the country gained."""
    print("\n| corrections | draws | help claimed | gain where claimed | gain where not |")
    print("|---|---|---|---|---|")
    for count in COUNTS:
        rows = []
        for country in found:
            if count + LEAST > len(country.ids):
                continue
            for seed in range(options.draws):
                given, *_ = parts(country, count, seed, partial=options.partial)
                gain = _draw(country, count, seed, used, options).micro
                rows.append((judge(given, CLASS_NAMES).helps, gain))
        said = np.array([one for one, _ in rows])
        gains = np.array([gain for _, gain in rows])
        means = [f"{gains[mask].mean():+.3f}" if mask.any() else "–" for mask in (said, ~said)]
        print(
            f"| {count} | {len(rows)} | {said.mean():.0%} | {means[0]} | {means[1]} |", flush=True
        )


def _compare(found: Sequence[Country], options: argparse.Namespace) -> None:
    print("| head | micro AP, gain from 5 | from 10 | from 20 | from 40 | worst draw of 5 |")
    print("|---|---|---|---|---|---|")
    for name, head in HEADS.items():
        cells, worst = [], np.inf
        for count in COUNTS:
            draws = [
                [_draw(one, count, seed, head, options) for seed in range(options.draws)]
                for one in found
                if count + LEAST <= len(one.ids)
            ]
            cells.append(f"{np.mean([[d.micro for d in own] for own in draws]):+.3f}")
            if count == COUNTS[0]:
                worst = min(d.micro for own in draws for d in own)
        print(f"| {name} | {' | '.join(cells)} | {worst:+.3f} |", flush=True)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that name countries and nets."""
    parser.add_argument("out", type=Path)
    parser.add_argument("roots", type=Path, nargs="+")
    parser.add_argument("--left-out", nargs="*", default=[], metavar="COUNTRY")
    parser.add_argument("--nets", type=Path, help="a folder with a model folder for each country")
    parser.add_argument("--model")


def chosen(parser: argparse.ArgumentParser, options: argparse.Namespace) -> list[Country]:
    """Read the countries that the options name."""
    try:
        return list(
            countries(
                options.out,
                options.roots,
                left_out=options.left_out,
                model=options.model,
                nets=options.nets,
            )
        )
    except LandcoverError as error:
        parser.error(str(error))


def countries(
    out: Path,
    roots: Sequence[Path],
    *,
    left_out: Sequence[str] = (),
    model: str | None = None,
    nets: Path | None = None,
) -> Iterator[Country]:
    """Read the patches of countries, with what a net makes of them.

    Args:
        out: where this is kept.
        roots: folders of the data set.
        left_out: countries, each with a net that is fitted to all others; of ``nets``, those to
            use (by default all).
        model: a model to use for all countries instead.
        nets: a folder with the model folder of each country that was left out.

    Raises:
        BadInput: a country is none of the data set, or has no model folder.
    """
    pool = folds.pool([open_dataset("bigearthnet", root) for root in roots])
    store = pool.load()
    out.mkdir(parents=True, exist_ok=True)
    by_name = {fold.name: fold for fold in folds.folds(pool.records, "country")}
    if model is not None:
        loaded = registry.default().load(model, "cpu")
        for name, fold in sorted(by_name.items()):
            if COUNTS[0] + LEAST <= len(fold.held_out):
                yield _read_by(loaded, name, store, fold.held_out, out)
        return
    if nets is not None and not left_out:
        left_out = sorted(path.parent.name for path in nets.glob("*/card.json"))
    for name in left_out:
        if name not in by_name:
            raise BadInput(f"'{name}' is no country of the data: choose of {sorted(by_name)}.")
        held_out = by_name[name].held_out
        if nets is not None:
            if COUNTS[0] + LEAST <= len(held_out):
                yield _read_by(load_model(nets / name, "cpu"), name, store, held_out, out)
            continue
        path = out / f"left-out-{name}.npz"
        if not path.exists():
            net = _trained(store.subset(list(by_name[name].fitted)), out / f"run-{name}")
            _save(path, *_read(net, store, held_out))
        yield _country(name, store, held_out, path)


def _read_by(
    model: Model, name: str, store: NativeStore, rows: Sequence[int], out: Path
) -> Country:
    """The patches of a country with what a model makes of them."""
    path = out / f"{model.card.hash}-{name}.npz"
    if not path.exists():
        order = [BAND_NAMES.index(band) for band in model.card.bands]
        found = [features_and_scores(model, store.pixels([row])[:, order]) for row in rows]
        features, scores = (torch.cat(each) for each in zip(*found, strict=True))
        _save(path, features.numpy(), calibrated(model.card, scores).numpy())
    own = model.card.thresholds
    country = _country(name, store, rows, path)
    return replace(country, thresholds=np.array([own[label] for label in CLASS_NAMES]))


def _country(name: str, store: NativeStore, rows: Sequence[int], path: Path) -> Country:
    """The patches of a country with what a net made of them, from a file."""
    saved = np.load(path)
    ids = tuple(store.ids[row] for row in rows)
    truth = np.asarray(store.targets[list(rows)]) > 0
    centres = [place(one) or (0.0, 0.0) for one in ids]
    examples = Examples(
        features=torch.from_numpy(saved["features"]),
        scores=torch.from_numpy(saved["scores"]),
        truth=truth,
        known=np.ones_like(truth),
        places=places_of(centres),
    )
    return Country(name, ids, examples, np.full(len(CLASS_NAMES), 0.5))


def _trained(patches: NativeStore, run: Path) -> SpectralLite:
    lite = settings(Order()).lite
    config = replace(
        lite,
        epochs=PASSES,
        precision="auto",
        validate_every=100,
        augmentation=replace(lite.augmentation, few_bands=0.0),
    )
    result = train(config, patches, None, run, None, initial=inflate(initial_weights()))
    net = SpectralLite(**config.net_options)
    net.load_state_dict(result.state)
    return net.eval()


def _read(net: SpectralLite, store: NativeStore, rows: Sequence[int]) -> tuple[Doubles, Doubles]:
    with torch.no_grad():
        found = [net.read(store.pixels(rows[k : k + 8])) for k in range(0, len(rows), 8)]
    return (
        torch.cat([one.features for one in found]).numpy(),
        torch.cat([one.scores for one in found]).numpy(),
    )


def _save(path: Path, features: Doubles, scores: Doubles) -> None:
    np.savez(path, features=features, scores=scores)


if __name__ == "__main__":
    main()
