"""The figure of a map of an area."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from landcover.areas.legend import entries
from landcover.areas.table import AreaRow
from landcover.report import area_figure
from tests.support.area_maps import COVERS, canvas

ROWS = (
    AreaRow(label=COVERS[0], mapped_ha=576.0, adjusted_ha=580.2, low_ha=500.0, high_ha=660.4),
    AreaRow(label=COVERS[1], mapped_ha=576.0, note="too few reference patches"),
    AreaRow(label=COVERS[0], windows=7, note="of windows"),
)


def drawn(**changes: object) -> np.ndarray:
    values: dict[str, object] = {"title": "A valley", "model": "A net, card 0", "rows": ROWS}
    png = area_figure.as_png(canvas(), **{**values, **changes})  # type: ignore[arg-type]
    return np.asarray(Image.open(io.BytesIO(png)))


def test_it_shows_the_covers_in_the_colours_of_the_legend() -> None:
    picture = drawn()
    assert picture.shape[1] == area_figure.WIDTH
    for entry in entries(COVERS):
        same = (picture == np.array(entry.rgb)).all(axis=-1)
        assert same.sum() > area_figure.SIDE**2 / 10


def test_title_and_hectares_are_written() -> None:
    plain = drawn(rows=())
    assert (drawn() != plain).any()
    assert (drawn(title="Another valley") != drawn()).any()


def test_hectares_have_their_interval_or_the_reason_why_there_are_none() -> None:
    assert area_figure.area_text(ROWS[0]) == "580.2 [500.0 to 660.4]"
    assert area_figure.area_text(ROWS[1]) == "too few reference patches"
