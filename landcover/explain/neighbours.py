"""Evidence by example: the training patches that a net sees as most like a given one.

Alike are patches whose features (:mod:`landcover.models.features`) point the same way from the
middle of all: the distance is 1 less their cosine, 0 to 2. The features are first brought to
32 principal axes. On 209 BigEarthNet validation patches, asked of 301 training patches, that
agrees in labels as well as all 2096 features do (Jaccard index of the nearest of another
product 0.42 and 0.43); whitened axes agree less (0.35), 16 axes too (0.40). The default net
has learnt from both, so these figures serve to choose and no more; what stands is measured on
test patches (:mod:`landcover.explain.neighbours_measure`).

An index has no pixels: of each patch its name, labels, country and place on the axes, as
half-precision numbers in ``trust/neighbours.safetensors`` of the model's folder. The name
tells date and place. What a distance means is told by a *percentile*: how many in a hundred
of the index's own patches have one of another block of 12 km nearer than that. So it comes
out even: 3.8 % of the 209 validation patches and 1.7 % of the 115 test patches lie beyond
95. (Neighbours of another *product* would not do: three in five of the patches here are of
one, and what is usual between products says nothing of it.)
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

from landcover.core.classes import BY_NAME, CLASS_NAMES
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
"""Percentile from which even the nearest is called unlike."""
_NOTHING: Final = f"none of the {len(CLASS_NAMES)} land covers"


@dataclass(frozen=True, kw_only=True, eq=False)
class Index:
    """Training patches as a net sees them.

    Attributes:
        card_hash: of the model that saw them.
        ids, countries: of each patch; a country is empty where unknown.
        labels: bool ``(patch, class)``, classes as in
            :data:`~landcover.core.classes.CLASS_NAMES`.
        centre: float32 ``(feature,)``, the features' mean.
        axes: float32 ``(feature, dimension)``, orthonormal but for rounding.
        vectors: float32 ``(patch, dimension)``.
        nearest_elsewhere: float32 ``(patch,)``, each patch's distance to its nearest neighbour in
            another block of 12 km, sorted; empty if all patches lie in one block.
        origin: data set, splits, and how many patches these were drawn from.
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
        """Features ``(n, feature)`` on the axes, float32 ``(n, dimension)``."""
        return (found - self.centre) @ self.axes

    def percentile(self, distance: float) -> float | None:
        """How many in a hundred patches have one of another block nearer than that."""
        if not len(self.nearest_elsewhere):
            return None
        return 100.0 * float((self.nearest_elsewhere < distance).float().mean())


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """A training patch that is like the one asked about.

    Attributes:
        patch_id: name in the data set.
        labels: the covers that the data set says it has, in the nomenclature's order.
        distance: 0 (alike) to 2.
        percentile: 0 to 100, see the module; None where the index tells none.
        country: empty where unknown.
        acquired: sensing time (UTC), by the name; None where it tells none.
        centre: latitude and longitude by the name, good to some metres; None likewise.
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
        """Winter, spring, summer or autumn where it lies; empty where unknown."""
        if self.acquired is None:
            return ""
        south = self.centre is not None and self.centre[0] < 0
        return season(self.acquired.month + (6 if south else 0))

    def as_dict(self) -> dict[str, Any]:
        """As JSON-ready values."""
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
    """1 less the cosine between vectors ``(n, d)`` and ``(m, d)``, ``(n, m)``, 0 to 2."""
    unit, other = (torch.nn.functional.normalize(v, dim=1) for v in (vectors, others))
    return (1.0 - unit @ other.T).clamp(0.0, 2.0)


def query(
    index: Index, model: Model, patch: Raster, k: int = NEIGHBOURS, *, apart_m: float = 0.0
) -> tuple[Neighbour, ...]:
    """The training patches most like a patch, the most alike first.

    Args:
        index: of this model.
        model: whose net looks.
        patch: what it looks at.
        k: how many at most.
        apart_m: training patches of which the middle lies nearer than that to the patch's
            are left out, so that one that was learnt from does not find itself; metres.

    Raises:
        ModelMismatch: the index belongs to another model, or the patch is not what the
            model was made for.
    """
    if index.card_hash != model.card.hash:
        raise ModelMismatch(
            f"This index of training patches belongs to another model than {model.card.title}: "
            "make it anew with `landcover trust neighbours --save`."
        )
    found = index.embed(features(model, model.tensor(patch)[None]))
    away = distances(found, index.vectors)[0]
    here = patch.centre if apart_m > 0 else None
    neighbours: list[Neighbour] = []
    for row in torch.argsort(away, stable=True).tolist():
        if len(neighbours) >= k:
            break
        one = _neighbour(index, row, float(away[row]))
        near = here is not None and one.centre is not None
        if near and distance_m(here, one.centre) < apart_m:  # type: ignore[arg-type]  # both there
            continue
        neighbours.append(one)
    return tuple(neighbours)


def sentence(found: Sequence[Neighbour]) -> str:
    """What the neighbours show and how alike they are, in plain words.

    Only those that are alike have a say: where the net has seen one such patch, the next
    ones are of something else.
    """
    if not found:
        return "There are no training patches to compare this one with."
    share = found[0].percentile
    alike = [one for one in found if one.percentile is None or one.percentile < FAR]
    if not alike:
        return (
            f"No training patch is much like this one: {share:.0f} % of them have a closer one in "
            "another place."
        )
    count, every = len(alike), len(alike) == len(found)
    common = Counter(BY_NAME[label].short for one in alike for label in one.labels).most_common(3)
    if count == 1:
        which = "The training patch most" if every else "The only training patch"
        says = f"{which} like this one shows {', '.join(name for name, _ in common) or _NOTHING}."
    else:
        which = (
            f"The {count} training patches most" if every else f"The only {count} training patches"
        )
        covers = ", ".join(f"{name} ({often} of {count})" for name, often in common)
        says = f"{which} like this one show {f'above all {covers}' if covers else _NOTHING}."
    if share is None:
        return says
    return (
        f"{says} The nearest is as alike as training patches of different places are: "
        f"{share:.0f} % have a closer one."
    )


def save(index: Index, folder: Path) -> Path:
    """Write the index into a model's folder.

    Returns:
        the file.
    """
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
    """The index in a model's folder; None where there is none.

    Args:
        folder: the model's.
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
            "fit together; make it anew with `landcover trust neighbours --save`."
        ) from None


def _checked(tensors: dict[str, Tensor], values: dict[str, Any], card_hash: str) -> Index:
    """An index of tables that nobody has vouched for.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: something is missing or of another form.
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
