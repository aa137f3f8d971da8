"""The architecture of a net: a drawing of its blocks, their table, and the totals in a sentence.

The drawing has a fixed size, so that what is written on it always fits. Where it is wider than the
page, it is scrolled sideways.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from landcover.core.errors import LandcoverError
from pages.parts.shared import charts, elements, loaded_models, theme

if TYPE_CHECKING:  # at run time it would load torch before the page is drawn
    from landcover.models.card import Card
    from landcover.nets.anatomy import Anatomy
    from landcover.nets.drawing import Box, Drawing, Line

_PITCH: Final = 116
"""Pixels from one column to the next, of which the lines turn in the last ones."""
_GAP: Final = 26
_WIDEST: Final = 76
_HIGHEST: Final = 96
"""Pixels of the block with the most channels, and of that with the most pixels."""
_SMALLEST: Final = 5
"""Pixels of a block that would be too small to see."""
_TEXT: Final = 50
"""Pixels below a block for what is written there."""
_LINE_LANE: Final = 12
"""Pixels of a lane in which only lines run."""
_LETTERS: Final = 15
_FONT: Final = 11
_BLUE: Final = "47,111,208"
_BLUE_ON_DARK: Final = "104,164,255"
_CONFIG: Final = {
    "displaylogo": False,
    "responsive": False,
    "modeBarButtonsToRemove": [
        *("zoom2d", "pan2d", "select2d", "lasso2d", "autoScale2d", "resetScale2d"),
        *("zoomIn2d", "zoomOut2d"),
    ],
}


def show_architecture(name: str) -> None:
    """Show the architecture of a model's net.

    The net is built and run once for it, which takes up to some seconds, so call this only for what
    the user has opened. The result is cached.

    Args:
        name: of a registered model.
    """
    try:
        anatomy = _anatomy(loaded_models.card(name).hash, loaded_models.card(name))
    except LandcoverError as error:
        st.error(theme.literal(str(error)))
        return
    show_anatomy(anatomy, name)


def show_anatomy(anatomy: Anatomy, name: str) -> None:
    """Show a net whose structure is known; ``name`` is unique on the page."""
    from landcover.nets.drawing import drawing_of  # noqa: PLC0415 - loads torch
    from landcover.report.anatomy_text import totals_text  # noqa: PLC0415 - as above

    drawing = drawing_of(anatomy)
    table = table_of(anatomy)
    st.markdown(theme.literal(totals_text(anatomy)))
    figure = figure_of(anatomy, drawing, theme.ink())
    with st.container(key=f"app_architecture_{_slug(name)}"):
        elements.chart(
            figure,
            f"Blocks of the net {name} along the way of the data; the table below lists them",
            key=f"app_architecture_chart_{name}",
            config=_CONFIG,
            width=int(figure.layout.width),
        )
    alike = (
        "Members of the ensemble that are alike are drawn once, with their number (×). "
        if (table["Copies"] > 1).any()
        else ""
    )
    st.caption(
        "Height of a block: pixels along a side of its output. Width: its channels, as a "
        "logarithm. Percent, and the strength of the colour: share of the multiply-adds. Lines "
        f"lead from what a block is computed from. {alike}Point at a block for its parameters and "
        "receptive field."
    )
    with st.expander("Show as a table"):
        st.dataframe(
            table,
            hide_index=True,
            column_config={
                "Share": st.column_config.NumberColumn("Share", format="percent"),
                "Parameters": st.column_config.NumberColumn("Parameters", format="localized"),
                "Multiply-adds": st.column_config.NumberColumn("Multiply-adds", format="localized"),
            },
            key=f"app_architecture_table_{name}",
            alt=f"Blocks of the net {name}",
        )
    charts.download(table, f"architecture-{name}")


@st.cache_resource(max_entries=16, show_spinner="Reading the structure of the net …")
def _anatomy(key: str, _card: Card) -> Anatomy:  # noqa: ARG001 - part of the cache's key
    from landcover.models.structure import structure  # noqa: PLC0415 - loads torch

    return structure(_card)


def table_of(anatomy: Anatomy) -> pd.DataFrame:
    """Return a row for each block: what it is, its output, what it costs, and how far it sees."""
    from landcover.nets.copies import grouped  # noqa: PLC0415 - loads torch
    from landcover.report.anatomy_text import field_text, shape_text  # noqa: PLC0415 - as above

    groups = grouped(anatomy)
    total = max(anatomy.multiply_adds, 1)
    return pd.DataFrame(
        {
            "Block": [each.block.name for each in groups],
            "Copies": [each.copies for each in groups],
            "Kind": [each.block.kind for each in groups],
            "Output": [shape_text(each.block) for each in groups],
            "Parameters": [each.parameters for each in groups],
            "Share": [each.multiply_adds / total for each in groups],
            "Receptive field": [field_text(anatomy, each.block) for each in groups],
            "Multiply-adds": [each.multiply_adds for each in groups],
        }
    )


def figure_of(anatomy: Anatomy, drawing: Drawing, ink: theme.Ink) -> go.Figure:
    """Draw the blocks and lines of a net; a unit of both axes is a pixel."""
    middles = _middles(drawing)
    height = -middles[-1] + _below(drawing, len(drawing.lanes) - 1)
    width = drawing.columns * _PITCH
    figure = go.Figure()
    for line in _paths(drawing, middles):
        figure.add_scatter(
            x=[x for x, _ in line],
            y=[y for _, y in line],
            mode="lines+markers",
            line={"color": ink.line, "width": 1.3},
            marker={
                "symbol": "triangle-right",
                "size": [0] * (len(line) - 1) + [9],
                "color": ink.line,
                "opacity": 1,
                "standoff": 0,
            },
            hoverinfo="skip",
        )
    figure.add_bar(
        x=[_middle(box) for box in drawing.boxes],
        y=[_tall(box) for box in drawing.boxes],
        base=[middles[box.lane] - _tall(box) / 2 for box in drawing.boxes],
        width=[_wide(box) for box in drawing.boxes],
        marker={
            "color": _colours(drawing, ink),
            "line": {"color": ink.text, "width": 1},
        },
        customdata=[_hover(anatomy, box) for box in drawing.boxes],
        hovertemplate="%{customdata}<extra></extra>",
        hoverlabel={"align": "left"},
    )
    for box in drawing.boxes:
        _write(figure, box, middles[box.lane], ink)
    _write_parts(figure, drawing, middles, ink)
    figure.update_layout(
        width=width,
        height=round(height),
        margin={"l": 0, "r": 0, "t": 0, "b": 0},
        showlegend=False,
        dragmode=False,
        bargap=0,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        hovermode="closest",
    )
    hidden = {"visible": False, "fixedrange": True}
    figure.update_xaxes(range=[0, width], **hidden)
    figure.update_yaxes(range=[-height, 0], **hidden)
    return figure


def _middles(drawing: Drawing) -> list[float]:
    """Return where the middle of each lane is; boxes have room above for the name of their part."""
    found: list[float] = []
    top = 0.0
    for lane in range(len(drawing.lanes)):
        above = _above(drawing, lane)
        found.append(top - above)
        top -= above + _below(drawing, lane)
    return found


def _above(drawing: Drawing, lane: int) -> float:
    high = drawing.lanes[lane]
    return max(high * _HIGHEST, _SMALLEST) / 2 + 22 if high else _LINE_LANE / 2


def _below(drawing: Drawing, lane: int) -> float:
    high = drawing.lanes[lane]
    return max(high * _HIGHEST, _SMALLEST) / 2 + _TEXT if high else _LINE_LANE / 2


def _middle(box: Box) -> float:
    return box.column * _PITCH + (_PITCH - _GAP) / 2


def _wide(box: Box) -> float:
    return max(box.width * _WIDEST, _SMALLEST)


def _tall(box: Box) -> float:
    return max(box.height * _HIGHEST, _SMALLEST)


def _paths(drawing: Drawing, middles: list[float]) -> list[list[tuple[float, float]]]:
    """Return the corners of each line: it leaves and arrives at the middle of a side."""
    boxes = {box.name: box for box in drawing.boxes}
    lines = drawing.lines
    turns = _turns([(boxes[line.source], boxes[line.target], line) for line in lines])
    found = []
    for line in lines:
        source, target = boxes[line.source], boxes[line.target]
        start, end = middles[source.lane], middles[target.lane]
        corners = [(_middle(source) + _wide(source) / 2, start)]
        along = middles[line.lane]
        first = turns[(line.source, source.column)]
        last = turns[(line.source, target.column - 1)]
        corners += [(first, start), (first, along), (last, along), (last, end)]
        corners.append((_middle(target) - _wide(target) / 2 - 4, end))
        found.append(corners)
    return found


def _turns(lines: list[tuple[Box, Box, Line]]) -> dict[tuple[str, int], float]:
    """Return where the lines of a block turn behind a column: those of others beside them."""
    behind: dict[int, list[str]] = {}
    for source, target, line in lines:
        for column in (source.column, target.column - 1):
            names = behind.setdefault(column, [])
            if line.source not in names:
                names.append(line.source)
    return {
        (name, column): (column + 1) * _PITCH - _GAP + _GAP * (k + 1) / (len(names) + 1)
        for column, names in behind.items()
        for k, name in enumerate(names)
    }


def _colours(drawing: Drawing, ink: theme.Ink) -> list[str]:
    """Return a blue for each block: the larger its share of the multiply-adds, the stronger."""
    most = max(box.share for box in drawing.boxes) or 1
    blue = _BLUE_ON_DARK if ink is theme.DARK else _BLUE
    return [f"rgba({blue},{0.08 + 0.92 * box.share / most:.2f})" for box in drawing.boxes]


def _write(figure: go.Figure, box: Box, middle: float, ink: theme.Ink) -> None:
    """Write name, shape and share below a block."""
    _note(
        figure,
        (_middle(box), middle - _tall(box) / 2 - 2),
        "<br>".join(_lines(box)),
        ink.text,
        xanchor="center",
        yanchor="top",
    )


def _lines(box: Box) -> list[str]:
    bands, *sides = box.shape or (0,)
    label = box.label if len(box.label) <= _LETTERS else f"{box.label[: _LETTERS - 1]}…"
    shape = f"{'×'.join(map(str, sides))}, {bands}" if sides else f"{bands}"
    written = [f"<b>{label}</b>", shape]
    if box.group is not None:
        copies = f" · ×{box.group.copies}" if box.group.copies > 1 else ""
        written.append(f"{_percent(box.share)}{copies}")
    return written


def _percent(share: float) -> str:
    if not share:
        return "0 %"
    return "< 0.1 %" if share < 0.0005 else f"{100 * share:.1f} %"


def _write_parts(figure: go.Figure, drawing: Drawing, middles: list[float], ink: theme.Ink) -> None:
    """Write the name of each part over its first block."""
    first = {box.part: box for box in reversed(drawing.boxes) if box.part}
    for part, box in first.items():
        copies = box.group.copies if box.group else 1
        _note(
            figure,
            (_middle(box) - _WIDEST / 2, middles[box.lane] + _tall(box) / 2 + 3),
            f"<i>{part}</i>{f' ×{copies}' if copies > 1 else ''}",
            ink.quiet,
            xanchor="left",
            yanchor="bottom",
        )


def _note(
    figure: go.Figure, place: tuple[float, float], text: str, colour: str, **anchors: str
) -> None:
    figure.add_annotation(
        x=place[0],
        y=place[1],
        text=text,
        showarrow=False,
        font={"size": _FONT, "color": colour},
        **anchors,
    )


def _hover(anatomy: Anatomy, box: Box) -> str:
    from landcover.report.anatomy_text import field_text  # noqa: PLC0415 - loads torch

    group = box.group
    if group is None:
        bands, rows, columns = anatomy.input_shape
        return f"<b>{box.name}</b><br>{bands} bands, {rows} × {columns} px of {anatomy.pixel_m} m"
    copies = f" × {group.copies}" if group.copies > 1 else ""
    return (
        f"<b>{box.name}</b>{copies}<br>{group.block.kind}"
        f"<br>parameters: {group.parameters:,}<br>multiply-adds: {group.multiply_adds:,} "
        f"({_percent(box.share)})<br>sees {field_text(anatomy, group.block)}"
    )


def _slug(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name)
