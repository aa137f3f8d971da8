"""The drawing of a net on a page: what is written, where it lies, and its table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import plotly.graph_objects as go
import pytest
from streamlit.testing.v1 import AppTest

from landcover.models import registry
from landcover.models.structure import structure
from landcover.nets.drawing import drawing_of
from pages.parts.shared import theme
from pages.parts.shared.architecture import figure_of, table_of
from tests.support import tiny
from tests.support.examples import sampled

SHIPPED = registry.default().shipped_names()
LETTER_PX = 6.2
"""Width of a letter of the drawing, at most, on average."""
Box = tuple[float, float, float, float]


def shown(name: str) -> AppTest:
    def script(name: str) -> None:
        from pages.parts.shared.architecture import show_architecture  # noqa: PLC0415 - a script

        show_architecture(name)

    return AppTest.from_function(script, args=(name,), default_timeout=60).run()


def overlapping(boxes: Sequence[Box]) -> list[tuple[Box, Box]]:
    """Pairs of rectangles (left, bottom, right, top) that share an area."""
    return [
        (a, b)
        for k, a in enumerate(boxes)
        for b in boxes[:k]
        if a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
    ]


def blocks(figure: go.Figure) -> list[Box]:
    (bars,) = (trace for trace in figure.data if trace.type == "bar")
    return [
        (x - width / 2, base, x + width / 2, base + height)
        for x, width, base, height in zip(bars.x, bars.width, bars.base, bars.y, strict=True)
    ]


def texts(figure: go.Figure) -> list[Box]:
    found = []
    for note in figure.layout.annotations:
        lines = note.text.split("<br>")
        wide = LETTER_PX * max(len(line.replace("<b>", "").replace("</b>", "")) for line in lines)
        high = 14.0 * len(lines)
        left = note.x if note.xanchor == "left" else note.x - wide / 2
        bottom = note.y if note.yanchor == "bottom" else note.y - high
        found.append((left, bottom, left + wide, bottom + high))
    return found


@pytest.mark.parametrize("name", sampled(SHIPPED, ["landcover-mosaic", "landcover-cnn"]))
def test_every_model_is_drawn_with_nothing_over_anything_else(name: str) -> None:
    anatomy = structure(registry.default().card(name))
    drawing = drawing_of(anatomy)
    figure = figure_of(anatomy, drawing, theme.LIGHT)
    drawn = blocks(figure)
    assert len(drawn) == len(drawing.boxes)
    everything = [*drawn, *texts(figure)]
    assert overlapping(everything) == []
    for left, bottom, right, top in everything:
        assert left >= 0
        assert right <= figure.layout.width
        assert -figure.layout.height <= bottom
        assert top <= 0
    # What a colour says is written, too.
    written = " ".join(note.text for note in figure.layout.annotations)
    assert written.count("%") == len(drawn) - 1


def test_a_model_is_shown_with_totals_and_table() -> None:
    page = shown("landcover-cnn")
    assert not page.exception
    assert len(page.get("plotly_chart")) == 1
    assert "528 million multiply\\-adds" in page.markdown[0].value
    assert "drawn once" in page.caption[0].value
    (table,) = (each.value for each in page.dataframe)
    fine = table.set_index("Block").loc["members.0.fine"]
    assert dict(fine) == {
        "Copies": 4,
        "Kind": "3 × 3 convolution, stride 2",
        "Output": "60 × 60, 24",
        "Parameters": 3648,
        "Share": pytest.approx(12_441_600 / 527_903_616),
        "Receptive field": "3 px, 30 m",
        "Multiply-adds": 12_441_600,
    }
    assert table.equals(table_of(structure(registry.default().card("landcover-cnn"))))
    assert len(page.get("download_button")) == 1


def test_a_model_that_cannot_be_drawn_is_told_in_a_sentence(tmp_path: Path) -> None:
    tiny.tiny_folder(tmp_path / "broken", name="broken")
    (tmp_path / "broken" / "card.json").write_text("{}", encoding="utf-8")
    with registry.use(registry.Registry(shipped=tmp_path)):
        for name in ("broken", "unknown"):
            page = shown(name)
            assert not page.exception
            assert len(page.error) == 1
            assert not page.get("plotly_chart")
