"""Build the index of training patches for :mod:`landcover.explain.neighbours`."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Event
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from landcover.core import progress
from landcover.core.bands import BAND_NAMES
from landcover.core.errors import ModelMismatch
from landcover.core.raster import FloatArray
from landcover.datasets.arrays import NativeStore
from landcover.datasets.patch_names import product_and_cell
from landcover.datasets.split_distance import blocks
from landcover.explain.neighbours import Index, distances
from landcover.models.features import BATCH_SIZE, features
from landcover.models.model import Model

__all__ = ["DIMENSIONS", "MAX_PATCHES", "build", "features_of"]

DIMENSIONS: Final = 32
"""Number of principal axes; chosen on validation, see :mod:`landcover.explain.neighbours`."""
MAX_PATCHES: Final = 1000
"""Maximum number of patches in an index, which keeps it near 300 kB for the largest net. From
larger data sets, patches are drawn at random."""


def build(
    model: Model,
    store: NativeStore,
    origin: dict[str, Any],
    *,
    report: progress.Report = progress.ignore,
    cancel: Event | None = None,
) -> Index:
    """Compute the features of labelled patches and make an index of them.

    Args:
        model: the model whose features are used.
        store: at least two patches, at most :data:`MAX_PATCHES`.
        origin: description of the patches, JSON-ready.
        report: called with the number of patches done.
        cancel: set to stop.

    Raises:
        ModelMismatch: the model has no features, or takes pictures as input.
        ValueError: too few or too many patches.
        Cancelled: ``cancel`` was set.
    """
    if not 2 <= len(store) <= MAX_PATCHES:
        raise ValueError(f"an index holds 2 to {MAX_PATCHES} patches, not {len(store)}")
    # Sorted by product, since the file stores each product name once.
    order = sorted(range(len(store)), key=lambda k: product_and_cell(store.ids[k]))
    found = features_of(model, store, order, report, cancel)
    ids = tuple(store.ids[k] for k in order)
    centre = found.mean(dim=0).half().float()
    axes = torch.linalg.svd(found - centre, full_matrices=False).Vh[:DIMENSIONS].T
    # Rounded first, so that the stored vectors match the stored axes.
    axes = axes.contiguous().half().float()
    vectors = ((found - centre) @ axes).half().float()
    return Index(
        card_hash=model.card.hash,
        ids=ids,
        countries=tuple(store.countries[k] for k in order),
        labels=store.targets[order] > 0,
        centre=centre,
        axes=axes,
        vectors=vectors,
        nearest_elsewhere=_nearest_elsewhere(vectors, ids),
        origin=origin,
    )


def features_of(
    model: Model,
    store: NativeStore,
    rows: Sequence[int],
    report: progress.Report = progress.ignore,
    cancel: Event | None = None,
) -> Tensor:
    """Compute features ``(row, feature)`` of some patches of a store.

    Raises:
        ModelMismatch: the model has no features, or takes pictures as input.
        Cancelled: ``cancel`` was set.
    """
    if set(model.card.bands) - set(BAND_NAMES):
        raise ModelMismatch(
            f"{model.card.title} is a model for pictures, which have no index of similar patches: "
            "choose a model for reflectance."
        )
    bands = [BAND_NAMES.index(band) for band in model.card.bands]
    parts: list[Tensor] = []
    for start in range(0, len(rows), BATCH_SIZE):
        progress.check(cancel)
        pixels = store.pixels(rows[start : start + BATCH_SIZE])[:, bands]
        parts.append(features(model, pixels))
        done = min(start + BATCH_SIZE, len(rows))
        total = len(rows)
        report(progress.Progress(what="Features", done=done, total=total, unit="patches"))
    return torch.cat(parts)


def _nearest_elsewhere(vectors: Tensor, ids: Sequence[str]) -> Tensor:
    """Compute each patch's distance to its nearest in another block, sorted.

    Empty if all patches lie in one block.
    """
    block = blocks(ids)
    if len(np.unique(block)) < 2:
        return torch.empty(0)
    pairs: FloatArray = distances(vectors, vectors).numpy()
    pairs[block[:, None] == block[None]] = np.inf
    return torch.from_numpy(np.sort(pairs.min(axis=1))).half().float()
