"""Stability of a prediction when the window is shifted by a few pixels.

If the labels of a 1200 m window change with a shift of 100 m, they depend more on the window than
on the land. If the pixels outside the window are not available, the border is mirrored, and the
result reports the mirrored share. On 28 windows of seven clear scenes (TerraMind's three places,
four dates of Boadella) the default model's mean score was 0.940 with a mirrored border and 0.936
with real land, with a correlation of 0.92 over windows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from landcover.core.bands import PIXEL_M
from landcover.core.classes import cover_of
from landcover.core.errors import BadInput, ModelMismatch
from landcover.core.raster import Raster
from landcover.models.model import Model, Prediction
from landcover.models.thresholds import DEFAULT_AIM

__all__ = ["DIRECTIONS", "MovedWindow", "Stability", "move_window", "stability", "whole_pixels"]

DIRECTIONS: Final = tuple(
    (east, north) for north in (1, 0, -1) for east in (-1, 0, 1) if east or north
)
"""Eight directions (east, north); diagonal shifts move by the full step in both axes."""


@dataclass(frozen=True, kw_only=True)
class MovedWindow:
    """A shifted window.

    Attributes:
        patch: its pixels.
        mirrored: share of the pixels that were mirrored at the border, 0 to 1.
    """

    patch: Raster
    mirrored: float


@dataclass(frozen=True, kw_only=True)
class Stability:
    """How much a prediction depends on the exact position of the window.

    Attributes:
        shift_m: the shift, metres.
        score: Jaccard index of the classes predicted before and after a shift (those predicted
            in both over those predicted in either), mean over the windows, 0 to 1.
        change: class → largest change of its probability.
        flips: class → number of windows in which its decision changes; only classes that change.
        windows: number of shifted windows.
        mirrored: largest share of mirrored pixels among them, 0 to 1.
    """

    shift_m: float
    score: float
    change: dict[str, float]
    flips: dict[str, int]
    windows: int
    mirrored: float

    @property
    def largest(self) -> float:
        """Largest change of any probability, 0 to 1."""
        return max(self.change.values())

    @property
    def sentence(self) -> str:
        """One or two sentences that summarise the result."""
        turn = f"Moved by {self.shift_m:.0f} m, "
        if not self.flips:
            says = f"{turn}the window gets the same labels in all {self.windows} directions."
        else:
            often = sorted(self.flips.items(), key=lambda item: -item[1])
            names = ", ".join(
                f"{cover_of(label).short} in {count} of {self.windows} directions"
                for label, count in often[:3]
            )
            rest = f" and {len(often) - 3} more" if len(often) > 3 else ""
            says = f"{turn}the window gets other labels: {names}{rest}."
        if self.mirrored > 0:
            says += (
                f" Up to {self.mirrored:.0%} of its pixels were mirrored at the border, since the "
                "land outside is not available."
            )
        return says

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {
            "shift_m": self.shift_m,
            "score": self.score,
            "change": self.change,
            "flips": self.flips,
            "windows": self.windows,
            "mirrored": self.mirrored,
        }


def move_window(
    patch: Raster, down: int, right: int, *, scene: Raster | None = None
) -> MovedWindow:
    """Move a window by a number of pixels.

    Args:
        patch: the window.
        down: pixels; negative for up.
        right: pixels; negative for left.
        scene: the larger raster that it was cut from. Pixels outside the scene, or without a
            scene outside the patch, are mirrored at the border.

    Raises:
        BadInput: the scene does not contain the patch, or the window moves by its side or more.
    """
    if abs(down) >= patch.height or abs(right) >= patch.width:
        raise BadInput(
            f"A window of {patch.height} × {patch.width} pixels cannot move by {abs(down)} and "
            f"{abs(right)}: choose less than its side."
        )
    if not down and not right:
        return MovedWindow(patch=patch, mirrored=0.0)
    ground = patch if scene is None else scene
    row, col = (0, 0) if scene is None else _corner(patch, scene)
    rows, strange_rows = _mirrored(row + down + np.arange(patch.height), ground.height)
    cols, strange_cols = _mirrored(col + right + np.arange(patch.width), ground.width)
    grid = None
    if patch.transform is not None:
        a, b, c, d, e, f = patch.transform
        grid = (a, b, c + a * right + b * down, d, e, f + d * right + e * down)
    cut = np.ix_(rows, cols)
    window = replace(
        patch,
        data=ground.data[:, rows[:, None], cols],
        valid=ground.valid[cut],
        scl=None if ground.scl is None else ground.scl[cut],
        measured=None if ground.measured is None else ground.measured[cut],
        transform=grid,
    )
    real = (1 - strange_rows.mean()) * (1 - strange_cols.mean())
    return MovedWindow(patch=window, mirrored=float(1 - real))


def whole_pixels(metres: float) -> int:
    """Convert a distance to pixels of 10 m; halves round away from 0, so that it is symmetric."""
    return int(math.copysign(math.floor(abs(metres) / PIXEL_M + 0.5), metres))


def stability(
    model: Model,
    patch: Raster,
    shift_m: float = 100.0,
    *,
    scene: Raster | None = None,
    aim: str = DEFAULT_AIM,
) -> Stability:
    """Predict eight shifted windows in one forward pass and compare them with the original.

    Args:
        model: the model to use.
        patch: the window in the middle.
        shift_m: the shift, metres; at least 10, less than the window's side.
        scene: the larger raster that it was cut from, if available.
        aim: the aim of the thresholds.

    Raises:
        ModelMismatch: the patch does not meet the card's requirements, or a moved window has
            no pixel with data.
        BadInput: the shift is too small or too large, or the scene does not contain the patch.
    """
    step = whole_pixels(shift_m) if math.isfinite(shift_m) else 0
    if step < 1:
        raise BadInput(f"A window moves by whole pixels of 10 m, not by {shift_m:g} m.")
    windows = [
        move_window(patch, -north * step, east * step, scene=scene) for east, north in DIRECTIONS
    ]
    if patch.valid.any() and not all(one.patch.valid.any() for one in windows):
        raise ModelMismatch(
            f"A window moved by {step * PIXEL_M:.0f} m would hold no pixel with data, so nothing "
            "can be said about the stability: choose another window or date."
        )
    first, *others = model.predict_many([patch, *(one.patch for one in windows)], aim)
    labels = [item.label for item in first.labels]
    here, called = _chances(first)
    there = [_chances(other) for other in others]
    moves = np.abs(np.stack([chance for chance, _ in there]) - here)
    turns = np.stack([said != called for _, said in there])
    either = np.stack([said | called for _, said in there]).sum(axis=1)
    kept = np.where(either > 0, 1 - turns.sum(axis=1) / np.maximum(either, 1), 1.0)
    return Stability(
        shift_m=float(step * PIXEL_M),
        score=float(kept.mean()),
        change=dict(zip(labels, moves.max(axis=0).tolist(), strict=True)),
        flips={
            label: int(count)
            for label, count in zip(labels, turns.sum(axis=0), strict=True)
            if count
        },
        windows=len(windows),
        mirrored=max(one.mirrored for one in windows),
    )


def _chances(prediction: Prediction) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Probabilities and decisions, ``(class,)``."""
    chance = np.array([item.probability for item in prediction.labels])
    return chance, np.array([item.predicted for item in prediction.labels])


def _corner(patch: Raster, scene: Raster) -> tuple[int, int]:
    """Find the row and column of a patch's upper left pixel in its scene.

    Raises:
        BadInput: the scene has another grid or other bands, or does not contain the patch.
    """
    scene_crs, (a, b, c, d, e, f) = scene.georeference
    crs, own = patch.georeference
    fits = (
        scene_crs == crs
        and scene.bands == patch.bands
        and np.allclose((a, b, d, e), (*own[:2], *own[3:5]))
    )
    x, y = own[2] - c, own[5] - f
    det = a * e - b * d
    row, col = (a * y - d * x) / det, (e * x - b * y) / det
    whole = abs(row - round(row)) < 0.01 and abs(col - round(col)) < 0.01
    top, left = round(row), round(col)
    inside = 0 <= top <= scene.height - patch.height and 0 <= left <= scene.width - patch.width
    if not (fits and whole and inside):
        raise BadInput("The patch was not cut from this scene: give the scene that it is part of.")
    return top, left


def _mirrored(
    index: npt.NDArray[np.intp], size: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
    """Mirror indices into ``0 … size - 1``; return them and which of them were outside."""
    outside = (index < 0) | (index >= size)
    around = index % (2 * size)
    return np.where(around < size, around, 2 * size - 1 - around), outside
