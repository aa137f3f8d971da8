"""Which window to correct next: the one that looks least like any that is corrected.

Likeness is that of the adaptation: the cosine between the directions of features and scores from
their means. docs/teach.md compares this with windows drawn at random and with uncertain ones.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from landcover.adapt.corrections import pixels_sha256
from landcover.core.errors import BadInput, LandcoverError
from landcover.core.progress import Progress, Report, ignore
from landcover.core.raster import BoolArray, Raster
from landcover.core.text import plain
from landcover.core.window import Cut
from landcover.io import sources
from landcover.models.features import features_and_scores
from landcover.models.model import Model
from landcover.nets.adapted import directions

__all__ = ["choose", "next_to_correct", "suggest"]


def suggest(
    model: Model,
    among: Sequence[str],
    corrected: Collection[str],
    count: int,
    report: Report = ignore,
) -> tuple[list[str], list[str]]:
    """Name the windows to correct next, of the middle windows of sources.

    Args:
        model: a neural network.
        among: samples and paths of files.
        corrected: SHA-256 of the pixels of windows that are corrected already.
        count: how many to name.
        report: called with the number of sources done.

    Returns:
        Source and place of each chosen window, and a sentence about each source that was not used.

    Raises:
        BadInput: no source can be used.
    """
    names, failed = list[str](), list[str]()

    def windows() -> Iterator[Raster]:
        for source in among:
            try:
                patch = sources.read(source, Cut(size=model.card.pixels))
                model.check_input(patch)
            except LandcoverError as error:
                failed.append(f"{plain(source)}: {error}")
            else:
                names.append(f"{plain(source)} · {patch.where}")
                yield patch

    chosen = choose(model, windows(), corrected, count, report, total=len(among))
    return [names[row] for row in chosen], failed


def choose(
    model: Model,
    windows: Iterable[Raster],
    corrected: Collection[str],
    count: int,
    report: Report = ignore,
    *,
    total: int | None = None,
) -> list[int]:
    """Choose the windows to correct next.

    Args:
        model: a neural network.
        windows: what to choose among; each must fit the model.
        corrected: SHA-256 of the pixels of windows that are corrected already.
        count: how many to choose.
        report: called with the number of windows done.
        total: the number of windows, if it is known.

    Returns:
        Indices of the chosen windows, the first one to correct first.

    Raises:
        BadInput: there are no windows.
        ModelMismatch: the model has no features, or a window does not fit it.
    """
    known, parts = list[bool](), list[tuple[Tensor, Tensor]]()
    for done, patch in enumerate(windows, start=1):
        parts.append(features_and_scores(model, model.tensor(patch)[None]))
        known.append(pixels_sha256(patch) in corrected)
        report(Progress(what="Features", done=done, total=total, unit="windows"))
    if not parts:
        raise BadInput("None of the sources can be used: name patches or stacks of Level-2A.")
    features, scores = (torch.cat(each) for each in zip(*parts, strict=True))
    return next_to_correct(features, scores, np.array(known), count)


def next_to_correct(
    features: Tensor, scores: Tensor, corrected: BoolArray, count: int = 1
) -> list[int]:
    """Choose windows one after the other, each as if those before it were corrected.

    Args:
        features: float32 ``(window, feature)``.
        scores: logits ``(window, class)``.
        corrected: mask of the windows that are corrected already, ``(window,)``. If there are
            none, the first choice is the most typical window.
        count: how many; fewer if fewer are left.

    Returns:
        Indices of the chosen windows.
    """
    parts = [directions(values, values.mean(dim=0)) for values in (features, scores)]
    inputs = (torch.cat(parts, dim=1) / math.sqrt(2)).double().numpy()
    taken, chosen = corrected.copy(), list[int]()
    likeness = np.full(len(inputs), -np.inf)
    for row in np.flatnonzero(taken).tolist():
        likeness = np.maximum(likeness, inputs @ inputs[row])
    while len(chosen) < count and not taken.all():
        row = _farthest(likeness, inputs, taken)
        chosen.append(row)
        taken[row] = True
        likeness = np.maximum(likeness, inputs @ inputs[row])
    return chosen


def _farthest(
    likeness: npt.NDArray[np.float64], inputs: npt.NDArray[np.float64], taken: BoolArray
) -> int:
    if not taken.any():
        return int(np.argmax(inputs @ inputs.mean(axis=0)))
    return int(np.argmin(np.where(taken, np.inf, likeness)))
