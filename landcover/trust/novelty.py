"""Is a patch unlike anything that the model has learnt from? Two distances say.

They are taken from the training patches, fitted by :mod:`landcover.trust.bench.fit`, and kept
beside the model's card:

- ``spectrum``: Mahalanobis distance of the mean spectrum (logarithm of reflectance, means
  of cells of 60 m, 12 bands). It sees wrong levels, offsets and orders of bands.
- ``features``: of the net's own features (:mod:`landcover.models.features`), by the detector that
  told bad patches best from good ones, one of :data:`DETECTORS`.

A third, the mean over a patch's cells of their own distances, was given up: it caught a tenth
more of some swapped bands, but doubted half of the clear windows of another place (Boadella),
of which the two doubt a fifth.

Each bound is the value that :data:`QUIET` of the good validation patches stay below; how
often places held out of that choice exceed it is measured by
:mod:`landcover.trust.bench.measure`. Beyond :data:`FAR` times its bound a distance is grave.
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
from landcover.trust.pixel_checks import FEWEST

__all__ = [
    "BRIGHTEST",
    "COMPONENTS",
    "DARKEST",
    "DETECTORS",
    "FAR",
    "FILE",
    "MAX_BASIS_BYTES",
    "NEAREST",
    "QUIET",
    "SHRINK",
    "Doubles",
    "Gauss",
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
"""Added to reflectance before the logarithm, as the nets do: the noise of dark water."""
BRIGHTEST: Final = 1.5
QUIET: Final = 0.985
"""Two distances at 1.5 % each, with the physical checks, keep all of them together below 5 % of
the patches of places held out; at 2 % each they were at 6 %."""
FAR: Final = 2.0
"""Times the bound from which a distance is grave."""
SHRINK: Final = 1e-3
"""Share of the diagonal in a covariance, which keeps its inverse tame."""
COMPONENTS: Final = 48
MAX_BASIS_BYTES: Final = 210_000
"""Principal components of the features, fewer where the net has so many features that the
file would grow beyond 300 kB."""
NEAREST: Final = 5
"""Which nearest training patch counts (Sun et al. 2022 take 50 of 50,000)."""

DETECTORS: Final[dict[str, str]] = {
    "residual": "length of what the principal components leave (ViM, Wang et al. 2022)",
    "mahalanobis": "Mahalanobis distance within the components (Lee et al. 2018)",
    "nearest": "distance to the fifth nearest training patch (Sun et al. 2022)",
    "energy": "minus the summed softplus of the scores (JointEnergy, Wang et al. 2021, after "
    "Liu et al. 2020)",
    "max-logit": "minus the highest score (Hendrycks et al. 2022)",
}
"""Candidates on what the net computes; higher is stranger."""


@dataclass(frozen=True, kw_only=True)
class Gauss:
    """A normal distribution over log spectra of 12 bands."""

    mean: Doubles
    precision: Doubles
    """Inverse of the covariance, ``(12, 12)``."""

    def squared(self, points: Doubles) -> Doubles:
        """Squared Mahalanobis distance ``(n,)`` of points ``(n, 12)``."""
        away = points - self.mean
        found: Doubles = np.einsum("ij,jk,ik->i", away, self.precision, away)
        return found

    @classmethod
    def of(cls, points: Doubles) -> Gauss:
        """The one of some points ``(n, 12)``."""
        spread = np.cov(points.T)
        spread = (
            (1 - SHRINK) * spread + SHRINK * np.diag(np.diag(spread)) + 1e-6 * np.eye(len(spread))
        )
        inverse: Doubles = np.linalg.inv(spread).astype(np.float64)
        return cls(mean=points.mean(axis=0), precision=inverse)


@dataclass(frozen=True, kw_only=True)
class Space:
    """Principal components of a net's features on the training patches.

    Attributes:
        mean: ``(feature,)``.
        basis: orthonormal but for rounding to 16 bits, ``(component, feature)``.
        spread: variance along each component.
        known: coordinates of the training patches over the root of ``spread``,
            ``(patch, component)``.
    """

    mean: Doubles
    basis: Doubles
    spread: Doubles
    known: Doubles

    @classmethod
    def of(cls, features: FloatArray) -> Space:
        """That of the training patches ``(patch, feature)``."""
        count, width = features.shape
        mean = features.mean(axis=0, dtype=np.float64).astype(np.float32).astype(np.float64)
        _, sizes, basis = np.linalg.svd(features - mean, full_matrices=False)
        kept = max(1, min(COMPONENTS, count // 4, MAX_BASIS_BYTES // (2 * width)))
        # Distances are computed with what the file will hold, so that bounds stay true.
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
        """Every detector's value ``(n,)`` for features ``(n, feature)`` and raw scores."""
        away = features - self.mean
        along = away @ self.basis.T
        white = along / np.sqrt(self.spread)
        gaps = (
            (white**2).sum(axis=1)[:, None]
            + (self.known**2).sum(axis=1)[None]
            - 2 * white @ self.known.T
        )
        rank = min(NEAREST, len(self.known)) - 1
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
    """What was fitted for one model.

    Attributes:
        spectrum: of the training patches' mean log spectra.
        space: of the net's features; None where the model has none.
        detector: a name in :data:`DETECTORS`.
        bounds: distance → the value from which a patch is unlike what was seen.
        days: days of the year, 1 to 366, on which training patches were taken.
        made: how, for people.
    """

    spectrum: Gauss
    space: Space | None
    detector: str
    bounds: dict[str, float]
    days: tuple[int, ...]
    made: dict[str, Any] = field(default_factory=dict)

    def of_pixels(self, values: FloatArray) -> dict[str, float]:
        """The distance ``spectrum`` of a patch's cells ``(12, cell)``; empty with too few."""
        logs = logarithms(values)
        if len(logs) < FEWEST:
            return {}
        return {"spectrum": float(self.spectrum.squared(logs.mean(axis=0)[None])[0])}

    def of_features(self, model: Model, patch: Raster) -> dict[str, float]:
        """The distance ``features`` of a patch; empty where the model has no features."""
        if self.space is None:
            return {}
        return self.of_seen(*features_and_scores(model, model.tensor(patch)[None]))

    def of_seen(self, features: Tensor, scores: Tensor) -> dict[str, float]:
        """The same of the features ``(1, feature)`` and scores ``(1, class)`` of a patch."""
        if self.space is None:
            return {}
        value = self.space.distances(features.numpy(), scores.numpy())[self.detector][0]
        return {"features": float(value)}

    def beyond(self, distances: Mapping[str, float]) -> float:
        """How strange a patch is: the largest distance over its bound; 1 is at the bound."""
        # Energies may be negative, so differences count there, in units of one logit.
        ratios = [
            value / self.bounds[name] if self.bounds[name] > 0 else 1 + value - self.bounds[name]
            for name, value in distances.items()
        ]
        return max(ratios, default=0.0)


def logarithms(values: FloatArray) -> Doubles:
    """Log spectra ``(cell, 12)`` of cells' reflectance ``(12, cell)``."""
    logs: Doubles = np.log(np.clip(values, 0.0, BRIGHTEST).astype(np.float64) + DARKEST).T
    return logs


def days_apart(day: int, known: tuple[int, ...]) -> int:
    """Days between a day of the year and the nearest known one, over New Year too."""
    return min(min(abs(day - other), 365 - abs(day - other)) for other in known)


def bound_of(values: npt.ArrayLike, quiet: float = QUIET) -> float:
    """The value that a share of the good ones stay below (the next one above that rank)."""
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    rank = min(len(ordered) - 1, math.ceil(quiet * len(ordered)))
    return float(ordered[rank])


def save(novelty: Novelty, folder: Path, card_hash: str) -> Path:
    """Write ``trust/novelty.safetensors`` into a model folder."""
    arrays: dict[str, tuple[Doubles, type[np.floating[Any]]]] = {
        "spectrum.mean": (novelty.spectrum.mean, np.float64),
        "spectrum.precision": (novelty.spectrum.precision, np.float64),
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
    return files.write_tensors(folder, FILE, card_hash, tensors, values)


def load(folder: Path, card_hash: str) -> Novelty | None:
    """What ``trust/novelty.safetensors`` of a model folder holds; None where there is none.

    Raises:
        CorruptModel: the file is damaged, or was made for another card.
    """
    read = files.read_tensors(folder, FILE, card_hash)
    if read is None:
        return None
    tensors, values = read
    try:
        arrays = {name: tensor.double().numpy() for name, tensor in tensors.items()}
        bands = len(BAND_NAMES)
        spectrum = Gauss(
            mean=arrays["spectrum.mean"].reshape(bands),
            precision=arrays["spectrum.precision"].reshape(bands, bands),
        )
        space = None
        if "space.mean" in arrays:
            width = len(arrays["space.mean"])
            basis = arrays["space.basis"].reshape(-1, width)
            space = Space(
                mean=arrays["space.mean"],
                basis=basis,
                spread=arrays["space.spread"].reshape(len(basis)),
                known=arrays["space.known"].reshape(-1, len(basis)),
            )
        found = Novelty(
            spectrum=spectrum,
            space=space,
            detector=str(values["detector"]),
            bounds={str(name): float(value) for name, value in values["bounds"].items()},
            days=tuple(int(day) for day in values["days"]),
            made=dict(values["made"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise _damaged(folder) from None
    needed = {"spectrum"} | ({"features"} if space is not None else set())
    finite = all(np.isfinite(array).all() for array in arrays.values())
    if not (needed <= set(found.bounds) and found.detector in DETECTORS and found.days and finite):
        raise _damaged(folder)
    return found


def _damaged(folder: Path) -> CorruptModel:
    return CorruptModel(
        f"{FILE}.safetensors of the model '{folder.name}' does not have the form of such a file: "
        "make it anew with `landcover trust fit`."
    )
