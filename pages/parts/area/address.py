"""The address of the Area page: imagery, area, model and detail are those of the address.

A reload, the back button and a link that is passed on show the same choices
(:mod:`pages.parts.shared.url_state`). A map itself is in no address.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import streamlit as st

from pages.parts.area import outline, source, state
from pages.parts.shared import links, shown, theme, url_state
from pages.parts.shared.links import Link

if TYPE_CHECKING:
    from landcover.areas.area_file import Area

MODEL: Final = "area_model"
STEP: Final = "area_step"
_FIELDS: Final = ("imagery", "outline", "mapper", "step")
_WRITTEN: Final = "area_address"
_MISSING: Final = "area_missing"
Values = tuple[object, ...]


def restore() -> None:
    """Choose what the address names, if the browser brought another one."""
    wanted = shown.now()
    before = st.session_state.get(_WRITTEN)
    if _values(wanted) == (before or _values(Link())):
        return
    st.session_state[_WRITTEN] = _values(wanted)
    found = _imagery(wanted.imagery)
    if wanted.outline is not None:
        state.note(source.SHOWN, found)  # the map is moved to the area
    _outline(wanted.outline)
    step = None if wanted.step is None else int(wanted.step)
    for key, value in ((MODEL, wanted.mapper), (STEP, step)):
        st.session_state.pop(key, None)
        if value is None:
            state.forget(key)
        else:
            state.note(key, value)


def keep_area(chosen: state.Source, area: Area | None) -> None:
    """Write the imagery and the area to the address."""
    missing = st.session_state.get(_MISSING)
    if missing is not None and chosen == st.session_state.get(f"{_MISSING}_shown"):
        imagery: str | None = missing  # the user has chosen nothing else yet
    else:
        st.session_state[_MISSING] = None
        imagery = _imagery_text(chosen)
    _keep(imagery=imagery, outline=_corners(area))


def keep_detail(model: str | None, step: int | None) -> None:
    """Write the model and the step to the address; None for those that the page takes itself."""
    _keep(mapper=model, step=None if step is None else str(step))


def is_missing() -> bool:
    """Return whether the address is about a file that is not uploaded."""
    return st.session_state.get(_MISSING) is not None


def show_missing() -> None:
    """Say that the address is about a file that has to be uploaded."""
    missing = st.session_state.get(_MISSING)
    if missing is not None:
        name = missing.removeprefix(links.FILE)
        st.info(
            f"The address of this page shows the file “{theme.literal(name)}”, which an address "
            "cannot contain, and a map neither: upload the file again, and start the map again."
            if missing.startswith(links.FILE)
            else "The address of this page shows uploaded files, which an address cannot contain, "
            "and a map neither: upload the files again, and start the map again.",
            icon=":material/upload_file:",
        )


def _keep(**values: object) -> None:
    if any(getattr(shown.now(), name) != value for name, value in values.items()):
        shown.keep(**values)
    st.session_state[_WRITTEN] = _values(shown.now())
    url_state.publish()


def _values(link: Link) -> Values:
    return tuple(getattr(link, name) for name in _FIELDS)


def _imagery_text(chosen: state.Source) -> str | None:
    if chosen.kind == "live":
        return links.LIVE
    if chosen.kind == "scenes":
        return links.TOGETHER
    if chosen.kind == "upload":
        return f"{links.FILE}{source.title(chosen)}"[: links.MOST_LETTERS]
    return None if chosen.name == source.EXAMPLE else chosen.name


def _imagery(wanted: str | None) -> state.Source:
    """Choose the imagery that an address names, or note that it is not here."""
    offered = source.options()
    found = next((one for one in offered if _imagery_text(one) == wanted), None)
    st.session_state[_MISSING] = None
    if found is None and wanted is not None and wanted.startswith((links.FILE, links.TOGETHER)):
        found = state.Source("sample", source.EXAMPLE)
        st.session_state[_MISSING], st.session_state[f"{_MISSING}_shown"] = wanted, found
    elif found is None:
        url_state.note(f"The address of this page names the imagery “{wanted}”: there is none.")
        found = state.Source("sample", source.EXAMPLE)
    source.take(found)
    return found


def _outline(wanted: tuple[links.Place, ...] | None) -> None:
    """Take the area that an address names."""
    for how in (outline.DRAWN, outline.FILE, outline.TYPED):
        area = outline.current(how)
        if area is not None and _corners(area) == wanted:
            outline.take_how(how)  # exact, while the address is rounded
            return
    if wanted is None:
        outline.take_how(outline.WHOLE)
        return
    ring = [[longitude, latitude] for latitude, longitude in (*wanted, wanted[0])]
    outline.take_drawing(
        json.dumps({"type": "Polygon", "coordinates": [ring]}), "the area of the address"
    )


def _corners(area: Area | None) -> tuple[links.Place, ...] | None:
    """Corners of an area for the address; None for one that an address cannot have."""
    if area is None:
        return None
    rings = outline.rings_of(area.geometry)
    if len(rings) != 1 or len(rings[0]) - 1 > links.MOST_CORNERS:
        return None
    return tuple(map(links.rounded, rings[0][:-1]))
