"""Which layers of a map are shown, how, and their legends and tables."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import numpy as np
import pandas as pd
import streamlit as st

from landcover.areas import legend, preview
from landcover.areas.canvas import Canvas
from landcover.areas.hectares import CELL_HA
from landcover.areas.layout import NODATA, UNIT
from landcover.core.classes import cover_of
from landcover.io.web_mercator import MapPicture
from pages.parts.area import compare, fields, state
from pages.parts.area import map as chart
from pages.parts.area.compare import CHANGE, Found
from pages.parts.shared import elements, naming, theme, widgets

if TYPE_CHECKING:  # at run time it would be a circle
    from pages.parts.area.mapping import Mapping

PICTURE: Final = "Picture"
DECISION: Final = "Land cover"
COVER: Final = "One land cover"
PRESENCE: Final = "Presence of a class"
CONFIDENCE: Final = "Confidence"
HIDDEN: Final = "What hides the ground"
BEFORE: Final = ", first date"
"""End of the name of a layer of the first date."""
NOTHING: Final = "nothing"
ABOUT: Final = {
    PICTURE: "True colour, as the satellite saw it.",
    DECISION: "The most probable cover of each cell of 80 m.",
    COVER: "The probability that a cell of 80 m is of one cover.",
    PRESENCE: (
        "The probability that a class occurs anywhere in the window of 1200 m around a pixel. It "
        "is not the share of the ground that the class covers: a small lake is present in every "
        "window that holds it."
    ),
    CONFIDENCE: "The probability of the most probable cover, so how sure the decision is.",
    CHANGE: "What the ground became, where both images together say so clearly.",
    HIDDEN: "Clouds, shade, snow, missing data, and windows unlike anything that the model learned",
}
Drawn = tuple[bytes, tuple[float, float, float, float]]
"""A PNG picture, and its south, west, north and east."""
_KEPT: Final = 12
"""Pictures of layers that are kept."""
_MOST_OUTLINES: Final = 400
"""Most blocks whose outlines are drawn."""


@dataclass(frozen=True, kw_only=True)
class View:
    """What is shown of a map.

    Attributes:
        layer: name of the layer, or of the one on the left of the divider.
        beside: name of the layer on its right; None without a divider.
        covers: names of the covers that the legend leaves on.
        least: least confidence of what is shown, 0 to 1.
        opacity: 0 to 1.
        patterns: whether covers have patterns besides colours.
        one: the cover of :data:`COVER`.
        present: the class of :data:`PRESENCE`.
    """

    layer: str
    beside: str | None = None
    covers: frozenset[str] = frozenset()
    least: float = 0.0
    opacity: float = 0.85
    patterns: bool = False
    one: str = ""
    present: str = ""

    @property
    def kinds(self) -> tuple[str, ...]:
        """What the shown layers are, of whichever date."""
        return tuple(name.removesuffix(BEFORE) for name in self.names)

    @property
    def names(self) -> tuple[str, ...]:
        """The layers that are shown."""
        return (self.layer,) if self.beside is None else (self.layer, self.beside)


def offered(canvas: Canvas) -> tuple[str, ...]:
    """Names of the layers that a map has."""
    if canvas.covers:
        return DECISION, PICTURE, COVER, PRESENCE, CONFIDENCE, HIDDEN
    return PRESENCE, PICTURE, CONFIDENCE, HIDDEN


def controls(canvas: Canvas, first: Mapping | None, changed: Found | None) -> View:
    """Show the controls of the layers, and return what was chosen.

    Args:
        canvas: the map.
        first: the map of the first date, if there is one.
        changed: what changed since, if it was found.
    """
    names = offered(canvas)
    if first is not None:
        names += tuple(f"{one}{BEFORE}" for one in (DECISION, PICTURE, CONFIDENCE))
    if changed is not None:
        names += (CHANGE,)
    left, right = st.columns(2)
    with left:
        layer = fields.select("Layer", names, names[0], "area_layer")
    others = (NOTHING, *(one for one in names if one != layer))
    with right:
        beside = fields.select("Compare with, right of a divider", others, NOTHING, "area_beside")
    view = View(layer=layer, beside=None if beside == NOTHING else beside)
    if COVER in view.names:
        view = replace(view, one=fields.select("Which land cover", canvas.covers, None, "area_one"))
    if PRESENCE in view.names:
        present = fields.select(
            "Which class", canvas.classes, _usual(canvas), "area_present", naming.class_name
        )
        view = replace(view, present=present)
    for name in view.names:
        st.caption(f"**{name}.** {ABOUT[name.removesuffix(BEFORE)]}")
    left, right = st.columns(2)
    with left:
        opacity = fields.percent("Opacity", 85, "area_opacity")
    least = 0
    if {DECISION, CONFIDENCE} & set(view.kinds):
        with right:
            least = fields.percent("Least confidence", 0, "area_least")
    return replace(view, opacity=opacity / 100, least=least / 100)


def _usual(canvas: Canvas) -> str:
    """The class that is most probable in most of the map."""
    layers = canvas.presence[: len(canvas.classes)]
    sums = np.where(layers == NODATA, 0, layers).sum(axis=(1, 2), dtype=np.int64)
    return canvas.classes[int(sums.argmax())]


def show_legend(canvas: Canvas, view: View, changed: Found | None) -> View:
    """Show the legends of the layers; return the view with the covers that are left on."""
    if DECISION in view.kinds:
        view = _covers(canvas, view)
    if CHANGE in view.names and changed is not None:
        compare.legend(changed)
    if {COVER, PRESENCE, CONFIDENCE} & set(view.kinds):
        bar = preview.ramp(np.tile(np.linspace(0.0, 1.0, 256), (14, 1)))
        elements.picture(bar, "Colours from dark violet for 0 % to yellow for 100 %")
        st.html(
            '<div class="landcover-legend"><span>0 %</span><span>50 %</span>'
            "<span>100 %</span></div>"
        )
    if HIDDEN in view.names:
        rows = [
            f"<li>{theme.sign(legend.swatch(entry))} {html.escape(entry.name)}</li>"
            for entry in legend.flag_entries()[1:]
        ]
        rows.append(f"<li>{theme.swatch(_hex(preview.NO_DATA_COLOUR))} no data</li>")
        st.html(f'<ul class="landcover-verdict">{"".join(rows)}</ul>')
    return view


def _covers(canvas: Canvas, view: View) -> View:
    entries = legend.entries(canvas.covers)
    st.html(_signs(entries))
    kept = []
    with st.container(key="area_legend", horizontal=True):
        for entry in entries:
            key = f"area_cover_{entry.number}"
            state.seed(key, default=True)
            on = widgets.checkbox(f"{entry.letters} · {entry.name}", key=key)
            state.note(key, on)
            if on:
                kept.append(entry.name)
    state.seed("area_patterns", default=False)
    patterns = widgets.checkbox("Patterns besides colours", key="area_patterns")
    state.note("area_patterns", patterns)
    shown = replace(view, covers=frozenset(kept), patterns=patterns)
    if sentence := _empty(canvas, shown):
        st.info(sentence, icon=":material/visibility_off:")
    return shown


def _signs(entries: tuple[legend.LegendEntry, ...]) -> str:
    """Style that puts each cover's sign in front of its checkbox."""
    rules = []
    for entry in entries:
        image = quote(legend.swatch(entry))
        rules.append(
            f".st-key-area_cover_{entry.number} label::before {{ content: ''; flex: none; "
            f"width: 24px; height: 24px; margin-right: 8px; "
            f'background: url("data:image/svg+xml,{image}") }}'
        )
    return f"<style>{''.join(rules)}</style>"


def _empty(canvas: Canvas, view: View) -> str:
    """Return why no cover is shown; empty if one is."""
    if canvas.shown(view.covers, view.least).any() or not canvas.done:
        return ""
    if not canvas.decision.any():
        counts = np.bincount(canvas.flags.ravel(), minlength=256)
        why = {"cloud": counts[1], "missing data": counts[NODATA]}
        most = max(why, key=lambda one: int(why[one]))
        return (
            f"Nothing is certain here: no cell has a land cover, mostly because of {most}. The "
            f"layer “{HIDDEN}” shows where."
        )
    if not view.covers:
        return "All land covers are switched off in the legend: switch one on."
    return (
        f"No cell of the chosen land covers is at least {view.least:.0%} sure: lower the least "
        "confidence."
    )


def pictures(
    made: Mapping, view: View, first: Mapping | None, changed: Found | None
) -> list[chart.Layer]:
    """Draw the layers that are shown."""
    found = []
    for side, name in zip(("left", "right"), view.names, strict=False):
        if name == CHANGE:
            drawn = [_changed(made, changed, number) for number in range(_count(changed))]
        else:
            own = first if name.endswith(BEFORE) and first is not None else made
            drawn = [
                _drawn(own, number, view, name.removesuffix(BEFORE))
                for number, canvas in enumerate(own.canvases)
                if canvas.done
            ]
        found += [
            chart.Layer(
                key=f"layer {number}",
                name=name,
                side=side,
                picture=png,
                edges=edges,
                opacity=view.opacity,
            )
            for number, (png, edges) in enumerate(drawn)
        ]
    return found


def _count(changed: Found | None) -> int:
    return 0 if changed is None else len(changed.changes)


def _changed(made: Mapping, changed: Found | None, number: int) -> Drawn:
    """Draw what changed, unless it was drawn before."""
    from landcover.time.change_files import colours_of  # noqa: PLC0415 - loads torch

    assert changed is not None
    key = number, CHANGE, id(changed)
    if key not in made.drawn:
        change = changed.changes[number]
        found = preview.numbers_layer(change.layer, change.grid, colours_of(change.covers))
        made.drawn[key] = theme.png(found.rgba), chart.edges_of(found)
    picture: Drawn = made.drawn[key]
    return picture


def _drawn(made: Mapping, number: int, view: View, name: str) -> Drawn:
    """Draw a layer, unless it was drawn for the same blocks."""
    canvas = made.canvases[number]
    key = number, len(canvas.done), name, replace(view, opacity=1.0, layer=name, beside=None)
    if key not in made.drawn:
        found = painted(canvas, view, name)
        made.drawn[key] = theme.png(found.rgba), chart.edges_of(found)
    made.drawn.move_to_end(key)
    while len(made.drawn) > _KEPT:
        made.drawn.popitem(last=False)
    picture: Drawn = made.drawn[key]
    return picture


def waiting(made: Mapping) -> list[chart.Outline]:
    """Outlines of the blocks that are not finished yet."""
    if not made.is_running and made.is_complete:
        return []
    left = [
        canvas.plan.block_at(index)
        for canvas in made.canvases
        for index in canvas.plan.indices
        if index not in canvas.done
    ]
    if len(left) > _MOST_OUTLINES:
        return []
    halos = {id(canvas.plan): canvas.plan.halo for canvas in made.canvases}
    halo = next(iter(halos.values()), 0)  # all plans have the same step
    return [
        chart.Outline(
            kind="waiting",
            rings=(block.read.part(halo, halo, block.height, block.width).outline,),
        )
        for block in left
    ]


def painted(canvas: Canvas, view: View, name: str) -> MapPicture:
    """Draw one layer.

    Args:
        canvas: the map.
        view: what is shown of it.
        name: of the layer.
    """
    if name == PICTURE:
        return preview.picture_layer(canvas)
    if name == DECISION:
        return preview.decision_layer(
            canvas, covers=view.covers, least=view.least, patterns=view.patterns
        )
    if name == CONFIDENCE:
        return preview.confidence_layer(canvas, view.least)
    if name == HIDDEN:
        return preview.flag_layer(canvas)
    if name == COVER:
        layer = canvas.cover[canvas.covers.index(view.one)]
        return preview.probability_layer(layer, canvas.plan.cover)
    layer = canvas.presence[canvas.classes.index(view.present)]
    return preview.probability_layer(layer, canvas.plan.presence)


def table(canvases: Sequence[Canvas]) -> pd.DataFrame:
    """The layers in numbers: cells and mean confidence of each cover, and of each flag."""
    rows = []
    covers = canvases[0].covers
    for number, name in enumerate(covers, 1):
        where = [canvas.decision == number for canvas in canvases]
        cells = sum(int(one.sum()) for one in where)
        sure = [canvas.confidence[one] for canvas, one in zip(canvases, where, strict=True)]
        values = np.concatenate(sure)
        mean = f"{values.mean() * UNIT:.0%}" if values.size else "–"
        rows.append([name, f"{cells:,}", f"{cells * CELL_HA:,.1f}", mean])
    names = {entry.number: entry.name for entry in legend.flag_entries()[1:]} | {NODATA: "no data"}
    for number, name in names.items():
        cells = sum(int((canvas.flags == number).sum()) for canvas in canvases)
        rows.append([f"flag: {name}", f"{cells:,}", f"{cells * CELL_HA:,.1f}", "–"])
    heads = ["On the map", "Cells of 80 m", "Hectares of these cells", "Mean confidence"]
    return pd.DataFrame(rows, columns=heads)


def presence_table(canvases: Sequence[Canvas]) -> pd.DataFrame:
    """The presence in numbers: of each class, its lowest, mean and highest probability."""
    rows = []
    for number, name in enumerate(canvases[0].classes):
        layers = [canvas.presence[number] for canvas in canvases]
        values = np.concatenate([layer[layer != NODATA] for layer in layers]) * UNIT
        if not values.size:
            continue
        low, mean, high = values.min(), values.mean(), values.max()
        rows.append([cover_of(name).short, f"{low:.0%}", f"{mean:.0%}", f"{high:.0%}"])
    heads = ["Class", "Lowest probability", "Mean", "Highest"]
    return pd.DataFrame(rows, columns=heads)


def _hex(rgb: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*rgb)
