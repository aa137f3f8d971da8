"""The map of the Area page: drawing an outline, layers that grow with the blocks, clicks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import folium
import streamlit as st
from branca.element import Element, Figure
from streamlit_folium import st_folium

from landcover.io.web_mercator import MapPicture
from pages.parts.area import map_reply, state
from pages.parts.classify import squares
from pages.parts.shared import theme
from pages.parts.shared.links import Place
from pages.parts.shared.offline_map import (
    APP_STATIC,
    DrawTools,
    OfflineMap,
    Script,
    base_map,
    picture_address,
    sent_to,
)

KEY: Final = "area_map"
TITLE: Final = "Map to draw an area on, and of its land covers"
HEIGHT: Final = 560
RETURNED: Final = ("last_clicked", "last_active_drawing", "center", "zoom")
_REPLY: Final = "area_map_reply"

STYLE: Final = """<style>
.lc-divider { position: absolute; top: 0; bottom: 0; width: 44px; margin-left: -22px;
  z-index: 700; cursor: ew-resize; touch-action: none; }
.lc-divider::before { content: ""; position: absolute; left: 20px; top: 0; bottom: 0; width: 4px;
  background: var(--lc-control); border: 1px solid var(--lc-ink); border-width: 0 1px; }
.lc-divider i { position: absolute; left: 6px; top: 50%; width: 32px; height: 32px;
  margin-top: -16px; border-radius: 50%; background: var(--lc-control);
  border: 2px solid var(--lc-ink); box-sizing: border-box; }
.lc-divider i::before { content: "↔"; display: block; text-align: center; color: var(--lc-ink);
  font: 700 18px/26px system-ui, sans-serif; }
.lc-divider:focus { outline: none; }
.lc-divider:focus-visible i { outline: 3px solid #1668dc; outline-offset: 1px; }
.lc-divider span { position: absolute; top: 12px; white-space: nowrap; padding: 1px 6px;
  font: 600 12px/18px system-ui, sans-serif; border-radius: 4px; background: var(--lc-control);
  color: var(--lc-ink); border: 1px solid var(--lc-line); }
.lc-divider-left { right: 30px; }
.lc-divider-right { left: 30px; }
</style>"""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A picture on the map.

    Attributes:
        key: the same for pictures of which one takes the place of the other.
        name: what it shows.
        side: of the divider; without a divider all are on the left. ``"under"`` is below both.
        picture: PNG bytes.
        edges: south, west, north and east in degrees.
        opacity: 0 to 1.
    """

    key: str
    name: str
    side: str
    picture: bytes
    edges: tuple[float, float, float, float]
    opacity: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Outline:
    """An outline on the map.

    Attributes:
        kind: one of the styles in ``static/map/area.js``.
        rings: latitude and longitude of the corners of each ring.
    """

    kind: str
    rings: tuple[tuple[Place, ...], ...]


def edges_of(picture: MapPicture) -> tuple[float, float, float, float]:
    """South, west, north and east of a picture."""
    return picture.south, picture.west, picture.north, picture.east


def draw(
    layers: list[Layer],
    outlines: list[Outline],
    divider: tuple[str, str] | None,
    *,
    background: bool,
) -> map_reply.MapReply:
    """Draw the map, and return what is new since the last answer.

    Args:
        layers: pictures, the lowest first.
        outlines: drawn over them.
        divider: names of the layers on its left and right; None for no divider.
        background: whether the tiles of the overview are there.
    """
    answer = st_folium(
        _drawn_map(background).copy(),
        key=KEY,
        render=False,  # it is drawn
        height=HEIGHT,
        use_container_width=True,
        returned_objects=list(RETURNED),
        feature_group_to_add=_group(layers, outlines, divider),
        **sent_to(state.view()),
    )
    return _new(map_reply.read(answer))


def forget_reply() -> None:
    """Forget the last answer, because the map is a new one."""
    st.session_state.pop(_REPLY, None)


def _new(reply: map_reply.MapReply) -> map_reply.MapReply:
    before = st.session_state.get(_REPLY, map_reply.MapReply())
    st.session_state[_REPLY] = reply
    if reply.view is not None:
        state.seen(reply.view)
    drawn = reply.drawn if reply.drawn != before.drawn else None
    # A drawing ends with a click, which is none on the map.
    clicked = reply.clicked if drawn is None and reply.clicked != before.clicked else None
    return map_reply.MapReply(view=reply.view, drawn=drawn, clicked=clicked)


@lru_cache(maxsize=2)
def _drawn_map(background: bool) -> OfflineMap:  # noqa: FBT001 - key of the cache
    """Return the fixed map, drawn; drawing it takes longer than all else on the page."""
    chart = base_map(TITLE, background=background, near_zoom=squares.NEAR_ZOOM)
    chart.default_js.append(("landcover_area", f"{APP_STATIC}/map/area.js"))
    root = chart.get_root()
    assert isinstance(root, Figure)
    root.header.add_child(Element(STYLE))
    DrawTools("rectangle", "polygon").add_to(chart)
    root.render()
    return chart


def _group(
    layers: list[Layer], outlines: list[Outline], divider: tuple[str, str] | None
) -> folium.FeatureGroup:
    """What changes: one call of the map's script."""
    shown: dict[str, Any] = {
        "layers": [
            {
                "id": f"{one.side} {one.key}",
                "name": one.name,
                "side": one.side,
                "url": picture_address(f"{one.side} {one.key}", one.picture),
                "bounds": [one.edges[:2], one.edges[2:]],
                "opacity": one.opacity,
            }
            for one in layers
        ],
        "outlines": [{"kind": one.kind, "rings": one.rings} for one in outlines],
        "divider": divider,
    }
    dark = json.dumps(theme.ink() is theme.DARK)
    group = folium.FeatureGroup(control=False)
    # What was drawn is an outline now.
    group.add_child(Script("if (drawnItems.clearLayers) { drawnItems.clearLayers(); }"))
    group.add_child(Script(f"landcover.theme(map_div, {dark});"))
    group.add_child(Script(f"landcoverArea.show(map_div, {_as_script(shown)});"))
    return group


def _as_script(value: object) -> str:
    """Write a value as JavaScript; a text in it cannot end the script."""
    return json.dumps(value).replace("<", "\\u003c")
