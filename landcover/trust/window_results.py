"""Predictions and verdicts for the windows of a grid."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Event

from landcover.core import progress
from landcover.core.errors import LandcoverError
from landcover.core.progress import Progress, Report
from landcover.core.raster import Raster
from landcover.core.window import Cut, Window
from landcover.core.window_grid import WindowGrid
from landcover.models.model import LabelScore, Model
from landcover.models.thresholds import DEFAULT_AIM
from landcover.trust.assessment import novelty_of
from landcover.trust.result import Result, predict

__all__ = ["WindowResult", "predict_windows"]


@dataclass(frozen=True, kw_only=True)
class WindowResult:
    """The result of one window, or why there is none.

    Attributes:
        window: the window on the ground.
        corner: row and column of its upper left pixel in the raster.
        result: prediction and verdict; None if the window cannot be classified.
        error: why not, in one sentence; None if it can.
    """

    window: Window
    corner: tuple[int, int]
    result: Result | None = None
    error: str | None = None

    @property
    def top(self) -> LabelScore | None:
        """The most probable predicted class; None if labels are withheld or none is predicted."""
        if self.result is None or self.result.quality.abstained:
            return None
        found = self.result.prediction.predicted
        return found[0] if found else None


def predict_windows(
    model: Model,
    raster: Raster,
    grid: WindowGrid,
    aim: str = DEFAULT_AIM,
    *,
    report: Report = progress.ignore,
    cancel: Event | None = None,
) -> tuple[WindowResult, ...]:
    """Predict each window of a grid.

    Args:
        model: the model to use.
        raster: pixels that contain the grid; it has the same pixel grid.
        grid: the windows.
        aim: the aim of the thresholds.
        report: called with the number of windows that are done.
        cancel: set to stop.

    Returns:
        A result a window, row by row; a window that cannot be classified has an error.

    Raises:
        Cancelled: the user stopped it.
    """
    known, _ = novelty_of(model)
    row, col = raster.extent.pixels_of([grid.whole.west], [grid.whole.north])[0]
    first = round(row), round(col)
    total = len(grid.corners)
    found = []
    for done, (window, (down, right)) in enumerate(zip(grid.windows, grid.corners, strict=True)):
        progress.check(cancel)
        report(Progress(what="Classifying", done=done, total=total, unit="windows"))
        corner = (first[0] + down, first[1] + right)
        try:
            part = raster.cut(Cut(size=grid.side, corner=corner))
            result = predict(model, part, aim, known=known)
        except LandcoverError as error:
            found.append(WindowResult(window=window, corner=corner, error=str(error)))
        else:
            found.append(WindowResult(window=window, corner=corner, result=result))
    report(Progress(what="Classifying", done=total, total=total, unit="windows"))
    return tuple(found)
