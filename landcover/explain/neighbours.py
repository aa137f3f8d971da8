"""Evidence by example: the training patches that are most similar to a patch for a net.

Patches are similar if their features (:mod:`landcover.models.features`) point in a similar
direction from the mean of all features: the distance is 1 minus their cosine, 0 to 2. The features
are first projected on 32 principal axes. For 209 BigEarthNet validation patches, compared with 301
training patches, the labels of the neighbours then agree as well as with all 2096 features
(Jaccard index of the nearest neighbour from another product: 0.42 and 0.43); whitened axes agree
less (0.35), and so do 16 axes (0.40). The default net was trained on both sets, so these values
were only used to choose the method; the reported metrics are measured on test patches
(:mod:`landcover.explain.neighbours_measure`).

An index contains no pixels. For each patch it has the name, labels, country and coordinates on the
axes, as half-precision numbers in ``trust/neighbours.safetensors`` of the model's folder. Date and
location follow from the name. The *percentile* of a distance makes it comparable: it is the
percentage of the index's own patches that have a closer neighbour in another block of 12 km. It is
well calibrated: 3.8 % of the 209 validation patches and 1.7 % of the 115 test patches are above
95. (Neighbours from another *product* would not work for this: three in five patches are from one
product, so distances between products are not typical for them.)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from landcover.core.classes import CLASS_NAMES, cover_of
from landcover.core.errors import CorruptModel, ModelMismatch
from landcover.core.raster import Raster
from landcover.datasets.patch_names import distance_m, place, product_and_cell, season
from landcover.io.names import time_in
from landcover.models.features import features
from landcover.models.model import Model
from landcover.trust import files

__all__ = [
    "FAR",
    "FILE",
    "NEIGHBOURS",
    "Index",
    "Neighbour",
    "distances",
    "load",
    "query",
    "save",
    "sentence",
]

FILE: Final = "neighbours"
NEIGHBOURS: Final = 6
FAR: Final = 95.0
"""Percentile from which a neighbour counts as not similar."""
_NO_LABEL: Final = f"none of the {len(CLASS_NAMES)} land covers"


@dataclass(frozen=True, kw_only=True, eq=False)
class Index:
    """Training patches with their features, for one net.

    Attributes:
        card_hash: of the model that the features are from.
        ids, countries: of each patch; a country is empty if unknown.
        labels: bool ``(patch, class)``, classes as in
            :data:`~landcover.core.classes.CLASS_NAMES`.
        centre: float32 ``(feature,)``, mean of the features.
        axes: float32 ``(feature, dimension)``, orthonormal except for rounding.
        vectors: float32 ``(patch, dimension)``.
        nearest_elsewhere: float32 ``(patch,)``, each patch's distance to its nearest neighbour in
            another block of 12 km, sorted; empty if all patches lie in one block.
        origin: data set, splits, and the number of patches that these were drawn from.
    """

    card_hash: str
    ids: tuple[str, ...]
    countries: tuple[str, ...]
    labels: torch.Tensor
    centre: Tensor
    axes: Tensor
    vectors: Tensor
    nearest_elsewhere: Tensor
    origin: dict[str, Any]

    def __len__(self) -> int:
        return len(self.ids)

    def embed(self, found: Tensor) -> Tensor:
        """Project features ``(n, feature)`` on the axes, float32 ``(n, dimension)``."""
        return (found - self.centre) @ self.axes

    def percentile(self, distance: float) -> float | None:
        """Compute the percentage of patches with a closer neighbour in another block, 0 to 100.

        None if all patches of the index lie in one block.
        """
        if not len(self.nearest_elsewhere):
            return None
        return 100.0 * float((self.nearest_elsewhere < distance).float().mean())


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """A training patch that is similar to a given patch.

    Attributes:
        patch_id: name in the data set.
        labels: its classes in the data set, in the order of the nomenclature.
        distance: 0 (most similar) to 2.
        percentile: 0 to 100, see the module; None if the index has no percentiles.
        country: empty if unknown.
        acquired: sensing time (UTC) from the name; None if the name has none.
        centre: latitude and longitude from the name, accurate to some metres; None if the name
            has none.
    """

    patch_id: str
    labels: tuple[str, ...]
    distance: float
    percentile: float | None
    country: str
    acquired: datetime | None
    centre: tuple[float, float] | None

    @property
    def season(self) -> str:
        """Winter, spring, summer or autumn at its location; empty if unknown."""
        if self.acquired is None:
            return ""
        south = self.centre is not None and self.centre[0] < 0
        return season(self.acquired.month + (6 if south else 0))

    def as_dict(self) -> dict[str, Any]:
        """Convert to values that JSON can store."""
        return {
            "patch_id": self.patch_id,
            "labels": list(self.labels),
            "distance": self.distance,
            "percentile": self.percentile,
            "country": self.country,
            "acquired": None if self.acquired is None else self.acquired.isoformat(),
            "season": self.season,
            "centre": None if self.centre is None else list(self.centre),
        }


def distances(vectors: Tensor, others: Tensor) -> Tensor:
    """Compute 1 minus the cosine of vectors ``(n, d)`` and ``(m, d)``: ``(n, m)``, 0 to 2."""
    unit, other = (torch.nn.functional.normalize(v, dim=1) for v in (vectors, others))
    return (1.0 - unit @ other.T).clamp(0.0, 2.0)


def query(
    index: Index, model: Model, patch: Raster, k: int = NEIGHBOURS, *, apart_m: float = 0.0
) -> tuple[Neighbour, ...]:
    """Find the training patches most similar to a patch, the most similar first.

    Args:
        index: of this model.
        model: the model whose features are compared.
        patch: its input.
        k: maximum number of neighbours.
        apart_m: minimum distance between the centres of the patch and a neighbour, in metres, so
            that a training patch does not find itself.

    Raises:
        ModelMismatch: the index belongs to another model, or the model was not made for this
            kind of patch.
    """
    if index.card_hash != model.card.hash:
        raise ModelMismatch(
            f"This index of training patches belongs to another model than {model.card.title}: "
            "make it again with `landcover trust neighbours --save`."
        )
    found = index.embed(features(model, model.tensor(patch)[None]))
    distance = distances(found, index.vectors)[0]
    here = patch.centre if apart_m > 0 and patch.has_place else None
    neighbours: list[Neighbour] = []
    for row in torch.argsort(distance, stable=True).tolist():
        if len(neighbours) >= k:
            break
        one = _neighbour(index, row, float(distance[row]))
        near = here is not None and one.centre is not None
        if near and distance_m(here, one.centre) < apart_m:  # type: ignore[arg-type]  # neither is None
            continue
        neighbours.append(one)
    return tuple(neighbours)


def sentence(found: Sequence[Neighbour]) -> str:
    """Describe the labels of the neighbours and how similar they are, in plain language.

    Only similar neighbours count: if there is a single similar training patch, the next ones
    show something else.
    """
    if not found:
        return "There are no training patches to compare this one with."
    share = found[0].percentile
    similar = [one for one in found if one.percentile is None or one.percentile < FAR]
    if not similar:
        return (
            f"No training patch is similar to this one: {share:.0f} % of the training patches have "
            "a closer one in another place."
        )
    count, every = len(similar), len(similar) == len(found)
    names = (cover_of(label).short for one in similar for label in one.labels)
    common = Counter(names).most_common(3)
    if count == 1:
        which = "The most similar training patch" if every else "The only similar training patch"
        text = f"{which} shows {', '.join(name for name, _ in common) or _NO_LABEL}."
    else:
        which = (
            f"The {count} most similar training patches"
            if every
            else f"The only {count} similar training patches"
        )
        labels = ", ".join(f"{name} ({often} of {count})" for name, often in common)
        text = f"{which} show {f'mainly {labels}' if labels else _NO_LABEL}."
    if share is None:
        return text
    return (
        f"{text} The nearest is about as similar as training patches from different places are to "
        f"each other: {share:.0f} % of them have a closer one."
    )


def save(index: Index, folder: Path) -> Path:
    """Write the index into a model's folder and return the path of the file."""
    bits = (index.labels.int() << torch.arange(index.labels.shape[1])).sum(dim=1)
    tensors = {
        "labels": bits.int(),
        "centre": index.centre.half(),
        "axes": index.axes.half(),
        "vectors": index.vectors.half(),
        "apart": index.nearest_elsewhere.half(),
    }
    products: dict[str, list[str]] = {}
    for name in index.ids:
        product, cell = product_and_cell(name)
        products.setdefault(product, []).append(cell)
    values = {
        "classes": list(CLASS_NAMES),
        "products": products,
        "countries": list(index.countries),
        "origin": index.origin,
    }
    return files.write_tensors(folder, FILE, index.card_hash, tensors, values)


def load(folder: Path, card_hash: str) -> Index | None:
    """Read the index in a model's folder; None if there is none.

    Args:
        folder: of the model.
        card_hash: of its card.

    Raises:
        CorruptModel: the file is damaged, or of another card.
    """
    kept = files.read_tensors(folder, FILE, card_hash)
    if kept is None:
        return None
    tensors, values = kept
    try:
        return _checked(tensors, values, card_hash)
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError):
        raise CorruptModel(
            f"{FILE}.safetensors of the model '{folder.name}' cannot be used: its parts do not "
            "fit together; make it again with `landcover trust neighbours --save`."
        ) from None


def _checked(tensors: dict[str, Tensor], values: dict[str, Any], card_hash: str) -> Index:
    """Make an index of untrusted tables.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: something is missing or invalid.
    """
    ids = tuple(
        f"{product}_{cell}" if cell else str(product)
        for product, cells in values["products"].items()
        for cell in cells
    )
    countries = tuple(map(str, values["countries"]))
    centre, axes, vectors, apart = (
        tensors[name].float() for name in ("centre", "axes", "vectors", "apart")
    )
    bits = tensors["labels"]
    count, width = vectors.shape
    fits = (
        values["classes"] == list(CLASS_NAMES)
        and len(ids) == len(countries) == count
        and bits.shape == (count,)
        and not bits.is_floating_point()
        and axes.shape == (len(centre), width)
        and apart.shape in ((count,), (0,))
        and all(t.isfinite().all() for t in (centre, axes, vectors, apart))
        and isinstance(values["origin"], dict)
    )
    if not fits:
        raise ValueError(FILE)
    labels = (bits[:, None] >> torch.arange(len(CLASS_NAMES))) & 1
    return Index(
        card_hash=card_hash,
        ids=ids,
        countries=countries,
        labels=labels > 0,
        centre=centre,
        axes=axes,
        vectors=vectors,
        nearest_elsewhere=apart,
        origin=values["origin"],
    )


def _neighbour(index: Index, row: int, distance: float) -> Neighbour:
    name = index.ids[row]
    return Neighbour(
        patch_id=name,
        labels=tuple(
            label for label, there in zip(CLASS_NAMES, index.labels[row], strict=True) if there
        ),
        distance=distance,
        percentile=index.percentile(distance),
        country=index.countries[row],
        acquired=time_in(name),
        centre=place(name),
    )
