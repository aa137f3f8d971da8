"""The map of one block, from its pixels: presence, cover, and where neither can be trusted.

The net passes over the block once. Presence comes from the moments of its maps over each window of
1200 m, calibrated as for a patch. Cover comes from the moments of each cell of 80 m. All layers
are bytes, as they are written.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from landcover.areas import sky
from landcover.areas.engine import AreaAnswer, Engine
from landcover.areas.layout import COVER_EXTRA, NODATA, PRESENCE_EXTRA, UNIT
from landcover.areas.plan import CELL, Block, Plan
from landcover.core.raster import BoolArray, ByteArray, FloatArray, Raster
from landcover.models.band_subset import estimated_bands
from landcover.models.cover import load_cover
from landcover.models.model import Model
from landcover.models.thresholds import DEFAULT_AIM, thresholds_for
from landcover.nets.cover_head import CoverHead
from landcover.trust import surfaces
from landcover.trust.assessment import novelty_of

__all__ = ["BlockMap", "Mapper", "Tally", "decoded", "encoded"]

_WITHHELD: Final = (sky.CLOUD, sky.NO_ANSWER)
"""Flags of windows and cells that have no probabilities."""
_HIDDEN: Final = (*_WITHHELD, sky.SHADE, sky.SNOW)
"""Flags of cells for which nothing is decided, so that they are in no hectares. Their probabilities
stand, because a wood in shade or under snow can often be told, but not as well as was measured."""


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Numbers to add up over blocks.

    Attributes:
        covers: cells of each cover class, int64 ``(class,)``.
        expected: sum of the probabilities of each cover class over the same cells, float64.
        silent: cells of the area for which nothing is decided.
        present: windows in which each class is predicted, int64 ``(class,)``.
        windows: windows of the area with an answer.
    """

    covers: npt.NDArray[np.int64]
    expected: npt.NDArray[np.float64]
    silent: int
    present: npt.NDArray[np.int64]
    windows: int


@dataclass(frozen=True, kw_only=True)
class BlockMap:
    """The layers of a block's core, uint8.

    Attributes:
        presence: ``(class + 4, row, column)``: probabilities in steps of :data:`UNIT`, then
            :data:`PRESENCE_EXTRA`.
        cover: ``(class + 3, row, column)`` at 80 m: probabilities, then :data:`COVER_EXTRA`.
            No class if the model has no cover head.
        decision: ``(row, column)`` at 80 m: number of the most probable cover from 1; 0 where
            nothing is decided.
        tally: numbers to add up.
        scene: name of the scene that the pixels come from.
        acquired: its sensing time in UTC, if known.
        baseline: ESA's processing baseline of the scene, if known.
    """

    presence: ByteArray
    cover: ByteArray
    decision: ByteArray
    tally: Tally
    scene: str = ""
    acquired: datetime | None = None
    baseline: str | None = None


class Mapper:
    """Maps blocks with one model. It may be shared by threads.

    Args:
        model: a model for reflectance whose net answers for areas.
        base: the model from which it is derived for fewer bands, whose cover head it uses.

    Raises:
        ModelMismatch: its net does not.
        CorruptModel: a file in its folder is damaged.
    """

    def __init__(self, model: Model, base: Model | None = None) -> None:
        self.model = model
        self.head = load_cover(base or model)
        self.engine = Engine(model, cells=self.head is not None, cores=1)
        self.head_hash = None if self.head is None else _hash_of(self.head)
        self.covers: tuple[str, ...] = () if self.head is None else self.head.classes
        self.estimated = estimated_bands(model.card)
        self._known, _ = novelty_of(model)
        wanted = thresholds_for(model.card, DEFAULT_AIM).of
        self._thresholds = np.array([wanted[name] for name in model.card.classes], np.float32)

    def answer(self, raster: Raster, plan: Plan, block: Block, *, cores: int = 1) -> BlockMap:
        """Map a block.

        Args:
            raster: the pixels of the block's ``read`` window.
            plan: the plan of the map.
            block: the block.
            cores: that compute at the same time.

        Raises:
            ModelMismatch: the raster lacks a band of the model's card, or has another level.
        """
        pixels = self._pixels(raster)
        shape = block.height // plan.step, block.width // plan.step
        first = (plan.halo + plan.first) // CELL
        found = self.engine.answer(
            pixels, raster.valid, step=plan.step, first=first * CELL, shape=shape, cores=cores
        )
        flags = sky.cell_flags(raster)
        flagged = sky.per_window(flags, first, plan.step // CELL, shape)
        presence, present = self._presence(found, flagged)
        inside = plan.inside(plan.presence, block)
        presence[:, ~inside] = NODATA
        kept = slice(plan.halo // CELL, -(plan.halo // CELL))
        own = flags[kept, kept]
        within = plan.inside(plan.cover, block)
        valid = sky.cell_means(raster.valid)[kept, kept]
        chances = self._cover(found.cells, raster, own.shape, kept)
        cover, decision = _cover_layers(chances, own, valid, within)
        answered = inside & ~np.isin(flagged, _WITHHELD)
        return BlockMap(
            presence=presence,
            cover=cover,
            decision=decision,
            tally=Tally(
                covers=np.bincount(decision.ravel(), minlength=len(chances) + 1)[1:].astype(
                    np.int64
                ),
                expected=chances[:, decision > 0].sum(axis=1, dtype=np.float64),
                silent=int((within & (decision == 0)).sum()),
                present=present[:, answered].sum(axis=1).astype(np.int64),
                windows=int(answered.sum()),
            ),
            scene=raster.provenance.scene or raster.provenance.source,
            acquired=raster.acquired,
            baseline=raster.provenance.baseline,
        )

    def _pixels(self, raster: Raster) -> FloatArray:
        self.model.check_bands(raster)
        card = self.model.card
        if raster.bands == card.bands:
            return raster.data
        return raster.data[[raster.bands.index(band) for band in card.bands]]

    def _presence(
        self, found: AreaAnswer, flagged: ByteArray
    ) -> tuple[ByteArray, npt.NDArray[np.bool_]]:
        """All layers of the presence, and which classes are predicted in each window."""
        classes, rows, columns = found.logits.shape
        logits = found.logits.flatten(1).T
        chances = self.model.probabilities(logits).T.reshape(classes, rows, columns).numpy()
        predicted = chances >= self._thresholds[:, None, None]
        unlike = self._unlike(found)
        flagged[(flagged == sky.CLEAR) & unlike] = sky.UNLIKE
        silent = np.isin(flagged, _WITHHELD)
        any_predicted = predicted.any(axis=0)
        best = np.where(predicted, chances, -1.0).argmax(axis=0) + 1
        best[~any_predicted | silent] = 0
        # If no class is predicted, the decision is wrong if the most probable one is there.
        highest = np.where(predicted, chances, 0.0).max(axis=0)
        wrong = np.where(any_predicted, 1.0 - highest, chances.max(axis=0))
        layers = np.empty((classes + len(PRESENCE_EXTRA), rows, columns), dtype=np.uint8)
        layers[:classes] = encoded(chances)
        layers[classes] = best
        layers[classes + 1] = encoded(wrong)
        layers[[*range(classes), classes + 1]] = np.where(
            silent, NODATA, layers[[*range(classes), classes + 1]]
        )
        layers[classes + 2] = flagged
        layers[classes + 3] = encoded(found.share_valid.numpy())
        return layers, predicted

    def _unlike(self, found: AreaAnswer) -> BoolArray:
        """Which windows are farther from the training patches than their bound."""
        shape = found.logits.shape[1:]
        if self._known is None or self._known.space is None or found.features is None:
            return np.zeros(shape, dtype=bool)
        features = found.features.flatten(1).T.numpy()
        scores = found.logits.flatten(1).T.numpy()
        away = self._known.space.distances(features, scores)[self._known.detector]
        beyond: BoolArray = (away > self._known.bounds["features"]).reshape(shape)
        return beyond

    def _cover(
        self, cells: Tensor | None, raster: Raster, shape: tuple[int, ...], kept: slice
    ) -> FloatArray:
        """Probabilities of each cover, float32 ``(class, row, column)``."""
        if self.head is None or cells is None:
            return np.zeros((0, *shape), dtype=np.float32)
        wet = torch.from_numpy(sky.cell_means(surfaces.water(raster)))[None]
        with torch.inference_mode():
            found: FloatArray = self.head(cells, wet)[0, :, kept, kept].float().numpy()
        return found


def _hash_of(head: CoverHead) -> str:
    """Twelve hexadecimal digits of the weights of a cover head."""
    found = hashlib.sha256()
    for name, values in sorted(head.state_dict().items()):
        found.update(name.encode() + values.float().cpu().numpy().tobytes())
    return found.hexdigest()[:12]


def encoded(values: FloatArray) -> ByteArray:
    """Round probabilities or shares, 0 to 1, to steps of :data:`UNIT`."""
    found: ByteArray = np.rint(values / UNIT).astype(np.uint8)
    return found


def decoded(values: ByteArray) -> FloatArray:
    """Convert steps of :data:`UNIT` to float32; NaN where they are :data:`NODATA`."""
    found: FloatArray = np.where(values == NODATA, np.nan, values * UNIT).astype(np.float32)
    return found


def _cover_layers(
    chances: FloatArray, flags: ByteArray, valid: FloatArray, within: BoolArray
) -> tuple[ByteArray, ByteArray]:
    """All layers of the cover, and the decision."""
    classes = len(chances)
    layers = np.empty((classes + len(COVER_EXTRA), *flags.shape), dtype=np.uint8)
    decision = np.zeros(flags.shape, dtype=np.uint8)
    silent = np.isin(flags, _WITHHELD)
    if classes:
        layers[:classes] = encoded(chances)
        layers[classes] = encoded(1.0 - chances.max(axis=0))
        layers[: classes + 1, silent] = NODATA
        decision[:] = chances.argmax(axis=0) + 1
        decision[np.isin(flags, _HIDDEN) | ~within] = 0
    else:
        layers[0] = NODATA
    layers[classes + 1] = flags
    layers[classes + 2] = encoded(valid)
    layers[:, ~within] = NODATA
    return layers, decision
