"""Results of the windows of a grid are those of each window by itself."""

from __future__ import annotations

from dataclasses import replace
from threading import Event

import numpy as np
import pytest

from landcover.core.errors import Cancelled
from landcover.core.progress import Progress
from landcover.core.window_grid import WindowGrid
from landcover.trust.result import predict
from landcover.trust.window_results import predict_windows
from tests.support.tiny import random_patch, tiny_model

RASTER = random_patch(size=300)
GRID = WindowGrid(whole=RASTER.extent.part(30, 36, 240, 240), rows=2, columns=2, side=120)


def test_each_window_gets_its_own_result() -> None:
    model, seen = tiny_model(), []
    found = predict_windows(model, RASTER, GRID, report=seen.append)
    assert [one.corner for one in found] == [(30, 36), (30, 156), (150, 36), (150, 156)]
    for one in found:
        alone = predict(model, RASTER.window(*one.corner, 120))
        assert one.result is not None
        assert one.result.prediction == alone.prediction
        assert one.result.verdict == alone.verdict
        assert one.result.raster.extent == one.window
        assert one.error is None
        abstained = alone.quality.abstained or not alone.prediction.predicted
        assert one.top == (None if abstained else alone.prediction.predicted[0])
    assert [step.done for step in seen] == [0, 1, 2, 3, 4]
    assert seen[-1] == Progress(what="Classifying", done=4, total=4, unit="windows")


def test_a_window_without_pixels_says_why_and_the_others_go_on() -> None:
    valid = RASTER.valid.copy()
    valid[30:150, 36:156] = False
    raster = replace(RASTER, valid=valid, data=np.where(valid, RASTER.data, np.float32(0)))
    found = predict_windows(tiny_model(), raster, GRID)
    assert found[0].result is None
    assert found[0].top is None
    assert "No pixel" in (found[0].error or "")
    assert all(one.result for one in found[1:])


def test_it_can_be_stopped() -> None:
    cancel = Event()

    def stop_after_one(step: Progress) -> None:
        if step.done:
            cancel.set()

    with pytest.raises(Cancelled):
        predict_windows(tiny_model(), RASTER, GRID, report=stop_after_one, cancel=cancel)
