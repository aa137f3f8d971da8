"""How often good patches of a left-out country are called unlike the training data.

The distances of :mod:`landcover.trust.novelty` are fitted again without each country, as
``landcover trust fit`` does it: distances on the training split, bounds on the validation split.
The labelled patches of the country are good ones, so each that exceeds a bound is a false alarm.

A distance above twice its bound withholds the labels, which is a heavy answer to what may only be
another country. So the multiple that 98.5 % of the patches of left-out countries stay within is
measured as well, and where it is larger than two, labels are withheld beyond it only. The
warning stays at the bound.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from landcover.core.progress import Progress, Report, ignore
from landcover.core.raster import BoolArray, FloatArray, Raster
from landcover.evaluate import decision_scores
from landcover.evaluate.report import Share
from landcover.metrics.crossfit import places as products_of
from landcover.metrics.intervals import of_places
from landcover.models.model import Model
from landcover.trust import place_record
from landcover.trust.novelty import (
    SEVERE_RATIO,
    Doubles,
    Gauss,
    Novelty,
    Space,
    bound_of,
    logarithms,
)
from landcover.trust.pixel_checks import MIN_CELLS, cells
from landcover.trust.place_record import NoveltyByPlace, NoveltyRates

__all__ = [
    "DETECTOR",
    "PlaceFeatures",
    "PlacedPatch",
    "measure",
    "severe_ratio",
    "spectra",
    "spectrum_ratios",
    "with_severe",
]

DETECTOR: Final = "residual"
"""The detector on the net's features that is measured; it needs no scores."""
_ROUNDING: Final = 1e-4
_LEAST: Final = 20
"""Least patches of a split to fit distances or bounds on; with fewer, all patches are used."""


class PlacedPatch(Protocol):
    """A labelled patch whose country and split are known."""

    @property
    def patch_id(self) -> str:
        """Its name."""

    @property
    def country(self) -> str:
        """Its country."""

    @property
    def split(self) -> str:
        """Its split."""

    def patch(self) -> Raster:
        """Read its pixels."""


class PlaceFeatures(Protocol):
    """Features of a net that was fitted without some patches."""

    @property
    def ids(self) -> tuple[str, ...]:
        """Names of these patches."""

    @property
    def held_out(self) -> FloatArray:
        """Their features, ``(patch, feature)``."""

    @property
    def fitted_ids(self) -> tuple[str, ...]:
        """Names of the patches that it was fitted to."""

    @property
    def fitted(self) -> FloatArray:
        """Their features, ``(patch, feature)``."""


def spectra(records: Iterable[PlacedPatch], report: Report = ignore, total: int = 0) -> Doubles:
    """Compute the mean log spectrum of each patch, ``(patch, 12)``; NaN with too few pixels.

    Args:
        records: the patches.
        report: progress callback.
        total: number of patches, for the progress.
    """
    found = []
    for done, record in enumerate(records, start=1):
        logs = logarithms(cells(record.patch()))
        found.append(logs.mean(axis=0) if len(logs) >= MIN_CELLS else np.full(12, np.nan))
        report(Progress(what="Reading spectra", done=done, total=total, unit="patches"))
    return np.array(found)


def measure(
    records: Sequence[PlacedPatch],
    means: Doubles,
    wrong: Doubles,
    features: Sequence[PlaceFeatures] = (),
) -> NoveltyByPlace:
    """Measure how unlike the training data the patches of left-out countries are.

    Args:
        records: labelled patches of at least two countries.
        means: their :func:`spectra`.
        wrong: share of classes decided wrongly in each, by a net and choices that had not seen
            its country, ``(patch,)``.
        features: of the net of each fold; empty to measure the spectrum alone.
    """
    country = np.array([record.country for record in records])
    products = products_of([record.patch_id for record in records])
    ratios = {"spectrum": spectrum_ratios(records, means)}
    if features:
        ratios["features"] = _feature_ratios(records, features)
    table = np.stack(list(ratios.values()))
    largest = np.nan_to_num(table, nan=0.0).max(axis=0)
    unlike = largest > 1 + _ROUNDING
    withheld = largest > SEVERE_RATIO
    elsewhere = np.zeros(len(records), dtype=bool)
    for place in np.unique(country):
        out = country == place
        limits = np.array([severe_ratio(own[~out]) for own in table])
        elsewhere[out] = (np.nan_to_num(table[:, out], nan=0.0) > limits[:, None]).any(axis=0)

    def rates(rows: BoolArray) -> NoveltyRates:
        flags = (unlike, withheld, elsewhere)
        shares = [share_of(flag[rows], products[rows]) for flag in flags]
        return NoveltyRates(
            n=int(rows.sum()),
            unlike=shares[0],
            cannot_tell=shares[1],
            cannot_tell_by_place=shares[2],
        )

    return NoveltyByPlace(
        distances=tuple(ratios),
        overall=rates(np.ones(len(records), dtype=bool)),
        per_country={str(name): rates(country == name) for name in np.unique(country)},
        wrong_unlike=round(float(wrong[unlike].mean()), 6) if unlike.any() else None,
        wrong_others=round(float(wrong[~unlike].mean()), 6) if not unlike.all() else None,
        difference=decision_scores.difference(wrong, unlike, products),
        severe={name: round(severe_ratio(own), 6) for name, own in ratios.items()},
    )


def severe_ratio(ratios: Doubles) -> float:
    """Return the multiple of a bound beyond which labels are withheld; at least two.

    Args:
        ratios: of good patches of left-out countries to their bound; NaN where not measured.
    """
    known = ratios[np.isfinite(ratios)]
    return max(SEVERE_RATIO, bound_of(known)) if len(known) else SEVERE_RATIO


def with_severe(fitted: Novelty, model: Model) -> Novelty:
    """Return a fit with the multiples that were measured in left-out countries, if they were.

    Raises:
        CorruptModel: the model's measurement is damaged.
    """
    if model.folder is None:
        return fitted
    record = place_record.load(model.folder, model.card.hash)
    if record is None or record.novelty is None:
        return fitted
    known = {
        name: value
        for name, value in record.novelty.severe.items()
        if name != "features" or fitted.detector == DETECTOR
    }
    return replace(fitted, severe=known)


def share_of(flags: BoolArray, products: npt.NDArray[Any]) -> Share:
    """Return the share of flagged patches, with its interval over products."""
    every = np.ones((len(flags), 1), dtype=bool)
    span = of_places(flags[:, None], every, products)
    return Share(
        n=len(flags),
        hits=int(flags.sum()),
        share=round(float(flags.mean()), 6),
        interval=None if span is None else (round(span[0], 6), round(span[1], 6)),
    )


def spectrum_ratios(records: Sequence[PlacedPatch], means: Doubles) -> Doubles:
    """Divide the distance of each spectrum by its bound, both fitted without its country.

    Args:
        records: the patches.
        means: their :func:`spectra`.

    Returns:
        ``(patch,)``; NaN where it cannot be measured.
    """
    country = np.array([record.country for record in records])
    split = np.array([record.split for record in records])
    known = np.isfinite(means).all(axis=1)
    ratios = np.full(len(records), np.nan)
    for place in np.unique(country):
        out = country == place
        fit, check = _parts(known & ~out, split)
        if fit.sum() < 2:
            continue
        own = Gauss.of(means[fit])
        ratios[out & known] = own.squared(means[out & known]) / bound_of(own.squared(means[check]))
    return ratios


def _feature_ratios(records: Sequence[PlacedPatch], features: Sequence[PlaceFeatures]) -> Doubles:
    row = {record.patch_id: k for k, record in enumerate(records)}
    ratios = np.full(len(records), np.nan)
    for fold in features:
        split = np.array([records[row[name]].split for name in fold.fitted_ids])
        fit, check = _parts(np.ones(len(split), dtype=bool), split)
        space = Space.of(fold.fitted[fit])
        usual, found = (
            space.distances(values, np.zeros((len(values), 1), np.float32))[DETECTOR]
            for values in (fold.fitted[check], fold.held_out)
        )
        ratios[[row[name] for name in fold.ids]] = found / max(bound_of(usual), 1e-12)
    return ratios


def _parts(rows: BoolArray, split: npt.NDArray[Any]) -> tuple[BoolArray, BoolArray]:
    """The patches to fit distances on, and those to choose bounds on."""
    fit, check = rows & (split == "train"), rows & (split == "validation")
    return (fit, check) if min(fit.sum(), check.sum()) >= _LEAST else (rows, rows)
