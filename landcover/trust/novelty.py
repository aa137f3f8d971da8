"""Novelty: two distances of a patch from the model's training patches.

They are fitted on the training patches by :mod:`landcover.trust.bench.fit` and stored in the
model folder:

- ``spectrum``: Mahalanobis distance of the mean spectrum (logarithm of reflectance, means
  of cells of 60 m, 12 bands). It detects wrong levels, offsets and orders of bands.
- ``picture``, instead of ``spectrum`` for models of colour pictures: minus twice the log density of
  the picture's :mod:`~landcover.trust.picture_statistics` in the most likely of ten normal
  distributions, one for each class. It detects drawings, photographs and scenes that were
  blurred, resized or compressed.
- ``features``: distance of the net's features (:mod:`landcover.models.features`), by the
  detector of :data:`DETECTORS` that separated bad patches best from good ones.

A third distance, the mean of the distances of single cells, was dropped: it detected a tenth
more of some swapped bands, but flagged half of the clear windows of another place (Boadella);
the other two together flag a fifth.

Each bound is the :data:`BOUND_QUANTILE` quantile of the good validation patches.
:mod:`landcover.trust.bench.measure` measures how often places that were held out of this choice
exceed it. A distance above :data:`SEVERE_RATIO` times its bound is severe, or above the multiple
that good patches of left-out countries stay within, if that was measured and is larger; of a
picture, which nothing else can check, any distance above its bound.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from landcover.core.bands import BAND_NAMES
from landcover.core.errors import CorruptModel
from landcover.core.raster import FloatArray, Raster
from landcover.models.features import features_and_scores
from landcover.models.model import Model
from landcover.trust import files
from landcover.trust.picture_statistics import STATISTICS, statistics
from landcover.trust.pixel_checks import MIN_CELLS

__all__ = [
    "BOUND_QUANTILE",
    "BRIGHTEST",
    "COMPONENTS",
    "DARKEST",
    "DETECTORS",
    "FILE",
    "MAX_BASIS_BYTES",
    "NEIGHBOUR_RANK",
    "SEVERE_RATIO",
    "SHRINK",
    "Doubles",
    "Gauss",
    "Mixture",
    "Novelty",
    "Space",
    "bound_of",
    "days_apart",
    "load",
    "logarithms",
    "save",
]

Doubles = npt.NDArray[np.float64]

FILE: Final = "novelty"
DARKEST: Final = 0.01
"""Reflectance added before the logarithm, as in the nets: the noise over dark water."""
BRIGHTEST: Final = 1.5
BOUND_QUANTILE: Final = 0.985
"""With 1.5 % for each of the two distances, all pixel checks together flag less than 5 % of the
patches of held-out places; with 2 % each they flagged 6 %."""
SEVERE_RATIO: Final = 2.0
"""Multiple of the bound above which a distance is severe."""
SHRINK: Final = 1e-3
"""Shrinkage of covariances towards their diagonal, which keeps the inverse stable."""
COMPONENTS: Final = 48
MAX_BASIS_BYTES: Final = 210_000
"""Size limit of the principal components: nets with many features get fewer, so that the file
stays below 300 kB."""
NEIGHBOUR_RANK: Final = 5
"""Rank of the nearest training patch to which the distance is taken (Sun et al. 2022 use 50 of
50,000)."""

DETECTORS: Final[dict[str, str]] = {
    "residual": "length of the residual of the principal components (ViM, Wang et al. 2022)",
    "mahalanobis": "Mahalanobis distance within the components (Lee et al. 2018)",
    "nearest": "distance to the fifth nearest training patch (Sun et al. 2022)",
    "energy": "minus the summed softplus of the scores (JointEnergy, Wang et al. 2021, after "
    "Liu et al. 2020)",
    "max-logit": "minus the highest score (Hendrycks et al. 2022)",
}
"""Candidate detectors on features and scores; higher values are more unusual."""


@dataclass(frozen=True, kw_only=True)
class Gauss:
    """A normal distribution over log spectra of 12 bands, or over statistics of pictures."""

    mean: Doubles
    precision: Doubles
    """Inverse of the covariance."""

    def squared(self, points: Doubles) -> Doubles:
        """Compute squared Mahalanobis distances ``(n,)`` of points ``(n, dimension)``."""
        away = points - self.mean
        found: Doubles = np.einsum("ij,jk,ik->i", away, self.precision, away)
        return found

    @classmethod
    def of(cls, points: Doubles) -> Gauss:
        """Fit a normal distribution to points ``(n, dimension)``."""
        spread = np.cov(points.T)
        spread = (
            (1 - SHRINK) * spread + SHRINK * np.diag(np.diag(spread)) + 1e-6 * np.eye(len(spread))
        )
        inverse: Doubles = np.linalg.inv(spread).astype(np.float64)
        return cls(mean=points.mean(axis=0), precision=inverse)


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """Several normal distributions, of which the most likely one counts."""

    parts: tuple[Gauss, ...]

    def distance(self, points: Doubles) -> Doubles:
        """Compute minus twice the largest log density, up to a constant, ``(n,)``."""
        each = [part.squared(points) - np.linalg.slogdet(part.precision)[1] for part in self.parts]
        found: Doubles = np.min(each, axis=0)
        return found


@dataclass(frozen=True, kw_only=True)
class Space:
    """Principal components of a net's features on the training patches.

    Attributes:
        mean: ``(feature,)``.
        basis: ``(component, feature)``, orthonormal apart from rounding to 16 bits.
        spread: variance along each component.
        known: coordinates of the training patches divided by the square root of ``spread``,
            ``(patch, component)``.
    """

    mean: Doubles
    basis: Doubles
    spread: Doubles
    known: Doubles

    @classmethod
    def of(cls, features: FloatArray) -> Space:
        """Fit the components to the training patches ``(patch, feature)``."""
        count, width = features.shape
        mean = features.mean(axis=0, dtype=np.float64).astype(np.float32).astype(np.float64)
        _, sizes, basis = np.linalg.svd(features - mean, full_matrices=False)
        kept = max(1, min(COMPONENTS, count // 4, MAX_BASIS_BYTES // (2 * width)))
        # Round as in the file, so that bounds are fitted to the values that are used later.
        short = basis[:kept].astype(np.float16).astype(np.float64)
        spread = np.maximum(sizes[:kept] ** 2 / count, 1e-9)
        known = ((features - mean) @ short.T) / np.sqrt(spread)
        return cls(
            mean=mean,
            basis=short,
            spread=spread.astype(np.float32).astype(np.float64),
            known=known.astype(np.float16).astype(np.float64),
        )

    def distances(self, features: FloatArray, scores: FloatArray) -> dict[str, Doubles]:
        """Compute each detector's values ``(n,)`` from features ``(n, feature)`` and scores."""
        away = features - self.mean
        along = away @ self.basis.T
        white = along / np.sqrt(self.spread)
        gaps = (
            (white**2).sum(axis=1)[:, None]
            + (self.known**2).sum(axis=1)[None]
            - 2 * white @ self.known.T
        )
        rank = min(NEIGHBOUR_RANK, len(self.known)) - 1
        logits = scores.astype(np.float64)
        return {
            "residual": ((away - along @ self.basis) ** 2).sum(axis=1),
            "mahalanobis": (white**2).sum(axis=1),
            "nearest": np.sort(gaps, axis=1)[:, rank],
            "energy": -np.logaddexp(0.0, logits).sum(axis=1),
            "max-logit": -logits.max(axis=1),
        }


@dataclass(frozen=True, kw_only=True)
class Novelty:
    """Distances and bounds fitted for one model.

    Attributes:
        spectrum: distribution of the training patches' mean log spectra; None for pictures.
        pictures: distribution of the training pictures' statistics; None for patches.
        space: principal components of the net's features; None if the model has no features.
        detector: a name in :data:`DETECTORS`.
        bounds: distance → value above which a patch is unlike the training data.
        days: days of the year, 1 to 366, on which training patches were acquired; empty for
            pictures, which have no date.
        made: how the values were fitted, for display.
        severe: distance → multiple of its bound above which it is severe, if it was measured in
            left-out countries (:mod:`landcover.trust.bench.novelty_by_place`).
    """

    spectrum: Gauss | None = None
    pictures: Mixture | None = None
    space: Space | None
    detector: str
    bounds: dict[str, float]
    days: tuple[int, ...] = ()
    made: dict[str, Any] = field(default_factory=dict)
    severe: dict[str, float] = field(default_factory=dict)

    def spectrum_distance(self, values: FloatArray) -> dict[str, float]:
        """Compute the distance ``spectrum`` of a patch's cells ``(12, cell)``.

        Returns:
            ``{"spectrum": distance}``; empty for pictures, and with fewer than ``MIN_CELLS`` cells.
        """
        logs = logarithms(values)
        if self.spectrum is None or len(logs) < MIN_CELLS:
            return {}
        return {"spectrum": float(self.spectrum.squared(logs.mean(axis=0)[None])[0])}

    def picture_distance(self, picture: Raster) -> dict[str, float]:
        """Compute the distance ``picture`` of a colour picture; empty for patches."""
        if self.pictures is None or not picture.is_rgb:
            return {}
        return {"picture": float(self.pictures.distance(statistics(picture)[None])[0])}

    def severe_ratio(self, name: str) -> float:
        """Multiple of a distance's bound above which it is severe."""
        return self.severe.get(name, SEVERE_RATIO) if self.pictures is None else 1.0

    def feature_distance(self, model: Model, patch: Raster) -> dict[str, float]:
        """Compute the distance ``features`` of a patch; empty if the model has no features."""
        if self.space is None:
            return {}
        return self.feature_distance_from(*features_and_scores(model, model.tensor(patch)[None]))

    def feature_distance_from(self, features: Tensor, scores: Tensor) -> dict[str, float]:
        """Compute it from a patch's features ``(1, feature)`` and scores ``(1, class)``."""
        if self.space is None:
            return {}
        value = self.space.distances(features.numpy(), scores.numpy())[self.detector][0]
        return {"features": float(value)}

    def ratio(self, distances: Mapping[str, float]) -> float:
        """Return the largest ratio of a distance to its bound; 1 is at the bound."""
        # Energies may be negative; for these, add the difference (in logits) to 1 instead.
        ratios = [
            value / self.bounds[name] if self.bounds[name] > 0 else 1 + value - self.bounds[name]
            for name, value in distances.items()
        ]
        return max(ratios, default=0.0)


def logarithms(values: FloatArray) -> Doubles:
    """Convert cells' reflectance ``(12, cell)`` to log spectra ``(cell, 12)``."""
    logs: Doubles = np.log(np.clip(values, 0.0, BRIGHTEST).astype(np.float64) + DARKEST).T
    return logs


def days_apart(day: int, known: tuple[int, ...]) -> int:
    """Days between a day of the year and the nearest known one, also across New Year."""
    return min(min(abs(day - other), 365 - abs(day - other)) for other in known)


def bound_of(values: npt.ArrayLike, quiet: float = BOUND_QUANTILE) -> float:
    """Return the value below which a share of the good values lies (the next higher rank)."""
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    rank = min(len(ordered) - 1, math.ceil(quiet * len(ordered)))
    return float(ordered[rank])


def save(novelty: Novelty, folder: Path, card_hash: str) -> Path:
    """Write ``trust/novelty.safetensors`` into a model folder."""
    arrays: dict[str, tuple[Doubles, type[np.floating[Any]]]] = {}
    if novelty.spectrum is not None:
        arrays |= {
            "spectrum.mean": (novelty.spectrum.mean, np.float64),
            "spectrum.precision": (novelty.spectrum.precision, np.float64),
        }
    if novelty.pictures is not None:
        parts = novelty.pictures.parts
        arrays |= {
            "pictures.mean": (np.stack([part.mean for part in parts]), np.float64),
            "pictures.precision": (np.stack([part.precision for part in parts]), np.float64),
        }
    if novelty.space is not None:
        arrays |= {
            "space.mean": (novelty.space.mean, np.float32),
            "space.basis": (novelty.space.basis, np.float16),
            "space.spread": (novelty.space.spread, np.float32),
            "space.known": (novelty.space.known, np.float16),
        }
    tensors = {
        name: torch.from_numpy(np.ascontiguousarray(values.astype(kind)))
        for name, (values, kind) in arrays.items()
    }
    values = {
        "detector": novelty.detector,
        "bounds": novelty.bounds,
        "days": list(novelty.days),
        "made": novelty.made,
    }
    if novelty.severe:
        values["severe"] = novelty.severe
    return files.write_tensors(folder, FILE, card_hash, tensors, values)


def load(folder: Path, card_hash: str) -> Novelty | None:
    """Load ``trust/novelty.safetensors`` of a model folder; None if there is no such file.

    Raises:
        CorruptModel: the file is damaged, or was made for another card.
    """
    read = files.read_tensors(folder, FILE, card_hash)
    if read is None:
        return None
    tensors, values = read
    try:
        arrays = {name: tensor.double().numpy() for name, tensor in tensors.items()}
        found = Novelty(
            spectrum=_spectrum(arrays) if "pictures.mean" not in arrays else None,
            pictures=_pictures(arrays) if "pictures.mean" in arrays else None,
            space=_space(arrays) if "space.mean" in arrays else None,
            detector=str(values["detector"]),
            bounds={str(name): float(value) for name, value in values["bounds"].items()},
            days=tuple(int(day) for day in values["days"]),
            made=dict(values["made"]),
            severe={str(n): float(value) for n, value in values.get("severe", {}).items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise _damaged(folder) from None
    own = "spectrum" if found.pictures is None else "picture"
    needed = {own} | ({"features"} if found.space is not None else set())
    finite = all(np.isfinite(array).all() for array in arrays.values())
    finite = finite and all(1 <= value < math.inf for value in found.severe.values())
    dated = bool(found.days) or found.pictures is not None
    if not (needed <= set(found.bounds) and found.detector in DETECTORS and dated and finite):
        raise _damaged(folder)
    return found


def _spectrum(arrays: Mapping[str, Doubles]) -> Gauss:
    bands = len(BAND_NAMES)
    return Gauss(
        mean=arrays["spectrum.mean"].reshape(bands),
        precision=arrays["spectrum.precision"].reshape(bands, bands),
    )


def _pictures(arrays: Mapping[str, Doubles]) -> Mixture:
    means = arrays["pictures.mean"].reshape(-1, STATISTICS)
    inverses = arrays["pictures.precision"].reshape(len(means), STATISTICS, STATISTICS)
    parts = [Gauss(mean=m, precision=p) for m, p in zip(means, inverses, strict=True)]
    return Mixture(parts=tuple(parts))


def _space(arrays: Mapping[str, Doubles]) -> Space:
    width = len(arrays["space.mean"])
    basis = arrays["space.basis"].reshape(-1, width)
    return Space(
        mean=arrays["space.mean"],
        basis=basis,
        spread=arrays["space.spread"].reshape(len(basis)),
        known=arrays["space.known"].reshape(-1, len(basis)),
    )


def _damaged(folder: Path) -> CorruptModel:
    return CorruptModel(
        f"{FILE}.safetensors of the model '{folder.name}' cannot be used: its values are not in "
        "the expected format; make it again with `landcover trust fit`."
    )
