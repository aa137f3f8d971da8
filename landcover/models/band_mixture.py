"""The joint distribution of the twelve bands, from which missing bands are estimated.

It is one shipped file of a few kilobytes, fitted by ``landcover bands fit``
(:mod:`landcover.train.band_mixture_fit`), and is shared by all models.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import torch
from pydantic import Field, model_validator

from landcover.core.bands import BAND_NAMES
from landcover.core.errors import CorruptModel
from landcover.core.schema import Schema
from landcover.nets.estimated_bands import Mixture

__all__ = ["FILE", "BandMixture", "load"]

FILE: Final = Path(__file__).parents[1] / "zoo" / "band-mixture.json"
_BANDS: Final = len(BAND_NAMES)
_Spectrum = Annotated[tuple[float, ...], Field(min_length=_BANDS, max_length=_BANDS)]


class BandMixture(Schema):
    """A mixture of Gaussians of the log-reflectance of the twelve bands, and its origin.

    Attributes:
        weights: of the components, adding up to 1.
        means: ``(component, 12)``, log-reflectance as the nets compute it.
        covariances: ``(component, 12, 12)``.
        mean, std: of each band, in reflectance.
        fitted: data set, splits, number and hash of the patches, number of pixels, seed, date
            and command.
    """

    version: Literal[1] = 1
    bands: tuple[str, ...] = BAND_NAMES
    weights: tuple[float, ...]
    means: tuple[_Spectrum, ...]
    covariances: tuple[Annotated[tuple[_Spectrum, ...], Field(min_length=_BANDS)], ...]
    mean: _Spectrum
    std: _Spectrum
    fitted: dict[str, Any]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not len(self.weights) == len(self.means) == len(self.covariances) > 0:
            raise ValueError("weights, means and covariances differ in number")
        return self

    @property
    def hash(self) -> str:
        """First 12 hexadecimal digits of the SHA-256 of its JSON."""
        return hashlib.sha256(self.as_json().encode()).hexdigest()[:12]

    def tensors(self) -> Mixture:
        """The values as float64 tensors."""
        weights, means, covariances = (
            torch.tensor(values, dtype=torch.float64)
            for values in (self.weights, self.means, self.covariances)
        )
        return Mixture(weights=weights, means=means, covariances=covariances)

    def independent(self) -> BandMixture:
        """The same means and variances without any dependence: each estimate is the mean."""
        every = self.tensors()
        weights = every.weights / every.weights.sum()
        mean = weights @ every.means
        away = every.means - mean
        spread = every.covariances.diagonal(dim1=1, dim2=2) + away.square()
        return self.with_fields(
            weights=(1.0,),
            means=(tuple(mean.tolist()),),
            covariances=(tuple(map(tuple, (weights @ spread).diag().tolist())),),
        )


@lru_cache(maxsize=2)
def load(path: Path = FILE) -> BandMixture:
    """Read the mixture.

    Raises:
        CorruptModel: the file is missing or damaged.
    """
    try:
        return BandMixture.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise CorruptModel(
            f"'{path.name}', from which missing bands are estimated, cannot be read: "
            "install landcover again."
        ) from None
