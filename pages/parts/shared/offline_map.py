"""A folium map whose scripts come from the app itself, and which is quick to draw."""

from __future__ import annotations

import json
from copy import copy
from typing import Any, Final

import branca.element
import folium
from branca.element import Element, Figure, MacroElement
from folium.plugins import Draw
from folium.template import Template

from pages.parts.shared import basemap, choice, sessions, theme

APP_STATIC: Final = "../../app/static"
"""Relative to the map component's frame, so that it works with any base path of the server."""
VENDOR: Final = f"{APP_STATIC}/vendor"

ONLINE_LAYERS: Final = (
    {
        "name": "Satellite: Sentinel-2 cloudless 2016 (online)",
        "url": "https://tiles.maps.eox.at/wmts/1.0.0/s2cloudless_3857/default/g/{z}/{y}/{x}.jpg",
        "credit": '<a href="https://s2maps.eu">Sentinel-2 cloudless</a> '
        "(EOX, Copernicus data, CC BY 4.0)",
        "finest": 15,
        "satellite": True,
    },
    {
        "name": "Streets: OpenStreetMap (online)",
        "url": "https://tile.openstreetmap.org/{z}/{x}/{y}.png",
        "credit": '© <a href="https://www.openstreetmap.org/copyright">OpenStreetMap</a> '
        "contributors",
        "finest": 19,
        "satellite": False,
    },
)
"""Overlays from the network; the first one is on if the browser reaches it."""
OFFLINE_CREDIT: Final = (
    '© <a href="https://www.openstreetmap.org/copyright">OpenStreetMap</a> contributors (ODbL)'
)
DETAILS_NAME: Final = "Places, rivers and borders (on this computer)"
DETAILS_CREDIT: Final = "Natural Earth, GeoNames (CC BY 4.0)"

STYLE: Final = """<style>
.leaflet-container { --lc-water: #c3d7e2; --lc-land: #f1efe8; --lc-river: #5f9fc4;
  --lc-border: #97798c; --lc-control: #ffffff; --lc-ink: #1f2328; --lc-line: #b6bcc3;
  background: var(--lc-water); font-family: system-ui, sans-serif; }
.lc-dark { --lc-water: #17242e; --lc-land: #2a2d31; --lc-river: #4d86a8; --lc-border: #a88a9e;
  --lc-control: #1c2128; --lc-ink: #f0f3f6; --lc-line: #4a525c; }
.lc-dark .lc-offline, .lc-dark .lc-streets {
  filter: invert(1) hue-rotate(180deg) brightness(.85) contrast(.9); }
.leaflet-container :is(.leaflet-bar a, .leaflet-control-layers, .leaflet-tooltip,
  .leaflet-control-attribution, .leaflet-control-scale-line, .leaflet-draw-actions a) {
  background-color: var(--lc-control); color: var(--lc-ink); border-color: var(--lc-line); }
.leaflet-container .leaflet-control-scale-line { font-size: 11px; text-shadow: none; }
.leaflet-container .leaflet-control-attribution { font-size: 10px; opacity: .9; }
.leaflet-container .leaflet-control-attribution a { color: inherit; text-decoration: underline; }
.lc-dark .leaflet-draw-toolbar a { background-color: #e3dede;
  filter: invert(1) hue-rotate(180deg); }
.lc-dark .leaflet-control-layers-toggle { background-color: #aab3bd; border-radius: 4px; }
.leaflet-container :is(a, .lc-pin, input):focus-visible { outline: 3px solid #1668dc;
  outline-offset: 1px; }
.leaflet-container:focus-visible { outline: 3px solid #1668dc; outline-offset: -3px; }
.lc-pin svg { position: absolute; left: -14px; top: -38px; transform-origin: 50% 100%;
  filter: drop-shadow(0 1px 2px rgb(0 0 0 / .5)); cursor: pointer; }
.leaflet-container .lc-pin:focus { outline: none; }
.lc-pin:focus-visible svg path { stroke: #000; stroke-width: 3; }
.lc-pin span { position: absolute; width: 1px; height: 1px; overflow: hidden;
  clip-path: inset(50%); white-space: nowrap; }
.lc-near .lc-pin, .lc-near .lc-nowhere { display: none; }
.leaflet-container:not(.lc-near) .lc-neighbour { display: none; }
.lc-neighbour:hover { stroke-width: 3; stroke-opacity: 1; fill-opacity: .12; }
.lc-nowhere { font: 600 26px/26px sans-serif; text-align: center; color: #b3261e;
  text-shadow: 0 0 3px #fff, 0 0 3px #fff, 0 0 3px #fff; }
.lc-label span { position: absolute; left: 5px; top: -9px; white-space: nowrap;
  font: 600 12px/18px system-ui, sans-serif; color: var(--lc-ink);
  text-shadow: 0 0 2px var(--lc-control), 0 0 2px var(--lc-control), 0 0 3px var(--lc-control),
  0 0 3px var(--lc-control); }
.lc-label::before { content: ""; position: absolute; left: -3px; top: -3px; width: 4px;
  height: 4px; border-radius: 50%; background: var(--lc-control);
  border: 1.5px solid var(--lc-ink); }
.lc-online .leaflet-lc-lines-pane, .lc-on-streets .leaflet-lc-labels-pane { display: none; }
.leaflet-container .leaflet-tooltip { white-space: normal; width: max-content;
  max-width: 240px; font-size: 12px; }
.leaflet-container[style*="crosshair"] .leaflet-tooltip { display: none; }
.leaflet-image-layer { image-rendering: pixelated; }
path.leaflet-interactive:focus { outline: none; }
</style>"""


def sent_to(view: choice.View) -> dict[str, Any]:
    """Arguments of the map's component that move it to a view.

    The component moves only if these values change, so each turn changes them by a millionth of a
    degree and of a zoom level, which the map rounds away.
    """
    nudge = view.turn % 1000 * 1e-6
    latitude, longitude = view.centre
    return {"center": (latitude + nudge, longitude), "zoom": view.zoom + nudge}


class _LateTemplate:
    """A template that is compiled when it is rendered.

    While a layer is drawn, branca makes an element of the script of each shape. Nobody renders
    these, and to compile them took half of the time.
    """

    def __init__(self, text: str) -> None:
        self.text = text

    def render(self, **values: object) -> str:
        return str(Template(self.text).render(**values))


# The templates of branca's and folium's classes are compiled already.
setattr(branca.element, "Template", _LateTemplate)  # noqa: B010 - it is no public name


class OfflineMap(folium.Map):
    """A folium map that loads only scripts served by the app itself."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - folium's own
        super().__init__(tiles=None, **options)
        self._drawn: str | None = None
        self.default_js = [
            ("leaflet", f"{VENDOR}/leaflet/leaflet.js"),
            ("landcover", f"{APP_STATIC}/map/map.js"),
        ]
        self.default_css = [("leaflet_css", f"{VENDOR}/leaflet/leaflet.css")]

    def render(self, **options: Any) -> str:  # noqa: ANN401 - folium's own
        """Draw the map, once: copies are drawn already."""
        if self._drawn is None:
            self._drawn = str(super().render(**options))  # type: ignore[no-untyped-call]  # as below
        return self._drawn

    def copy(self) -> OfflineMap:
        """Return a copy to which layers can be added; the layers of this map are shared."""
        own, root = copy(self), copy(self.get_root())
        assert isinstance(root, Figure)
        for part in ("header", "html", "script"):  # a layer adds to each
            element = copy(getattr(root, part))
            element._children = element._children.copy()  # noqa: SLF001 - branca copies nothing
            element._parent = root  # noqa: SLF001 - as above
            setattr(root, part, element)
        own._children = self._children.copy()  # noqa: SLF001 - as above
        own._parent = root  # noqa: SLF001 - as above
        return own


class DrawTools(Draw):
    """A toolbar to draw on the map.

    Args:
        tools: names of Leaflet.draw's tools, such as ``"rectangle"``.
    """

    def __init__(self, *tools: str) -> None:
        known = ("polyline", "polygon", "rectangle", "circle", "marker", "circlemarker")
        shape = {"color": theme.ACCENT, "weight": 2, "dashArray": "6 4", "fillOpacity": 0.05}
        options = {"shapeOptions": shape, "showArea": False}
        super().__init__(  # type: ignore[no-untyped-call]  # folium has no types here
            show_geometry_on_click=False,
            draw_options={name: options if name in tools else False for name in known},
            edit_options={"edit": False, "remove": False},
        )
        self.default_js = [("leaflet_draw_js", f"{VENDOR}/leaflet-draw/leaflet.draw.js")]
        self.default_css = [("leaflet_draw_css", f"{VENDOR}/leaflet-draw/leaflet.draw.css")]


class Script(MacroElement):
    """A script after an element; ``map_div`` is the map's name in the component."""

    def __init__(self, script: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # branca has no types here
        self._name = "Script"
        self.script = script

    _template = Template("{% macro script(this, kwargs) %}{{ this.script }}{% endmacro %}")


def base_map(title: str, *, background: bool, near_zoom: float) -> OfflineMap:
    """Return a map of Europe with the layers that all maps of the app have.

    Args:
        title: what the map is for, for people who do not see it.
        background: whether the tiles of the overview are there.
        near_zoom: zoom from which single squares are shown.
    """
    centre, zoom = choice.OVERVIEW
    chart = OfflineMap(
        location=centre,
        zoom_start=int(zoom),
        zoom_snap=0.5,
        world_copy_jump=True,  # beyond the date line, pins and squares move to the other world
    )
    # folium's argument takes integers only, and its limits are those of its tile layers.
    chart.options.update(zoom=zoom, min_zoom=2, max_zoom=17)
    root = chart.get_root()
    assert isinstance(root, Figure)
    root.header.add_child(Element(STYLE))
    options = {  # what static/map/map.js needs to know
        "title": title,
        "files": APP_STATIC,
        "vendor": VENDOR,
        "background": background,
        "credit": OFFLINE_CREDIT,
        "tilesZoom": basemap.MAX_ZOOM,
        "nearZoom": near_zoom,
        "detailsName": DETAILS_NAME,
        "detailsCredit": DETAILS_CREDIT,
        "online": ONLINE_LAYERS,
    }
    chart.add_child(Script(f"landcover.prepare(map_div, {json.dumps(options)});"))
    return chart


def picture_address(key: str, data: bytes) -> str:
    """Where the map component finds a PNG picture.

    The layers are written as text again and again, which takes most of the time of a page if the
    pictures are in it.
    """
    server = sessions.server()
    if server is None:
        return theme.data_url(data)
    return f"../..{server.media_file_mgr.add(data, 'image/png', f'map {key}')}"
