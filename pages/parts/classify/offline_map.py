"""A folium map whose scripts come from the app itself, and which is quick to draw."""

from __future__ import annotations

from copy import copy
from typing import Any, Final

import branca.element
import folium
from branca.element import Figure, MacroElement
from folium.plugins import Draw
from folium.template import Template

from pages.parts.shared import theme

APP_STATIC: Final = "../../app/static"
"""Relative to the map component's frame, so that it works with any base path of the server."""
VENDOR: Final = f"{APP_STATIC}/vendor"


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


class RectangleDraw(Draw):
    """A toolbar with one tool: a rectangle."""

    def __init__(self) -> None:
        others = ("polyline", "polygon", "circle", "marker", "circlemarker")
        shape = {"color": theme.ACCENT, "weight": 2, "dashArray": "6 4", "fillOpacity": 0.05}
        super().__init__(  # type: ignore[no-untyped-call]  # folium has no types here
            show_geometry_on_click=False,
            draw_options={
                **dict.fromkeys(others, False),
                "rectangle": {"shapeOptions": shape, "showArea": False},
            },
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
