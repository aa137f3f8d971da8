"""State of the Classify page: the choice, its history, held pictures and the map's view.

Everything is kept in ``st.session_state`` under keys that begin with ``classify_``, so that
it survives a visit to another page.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

import streamlit as st

from landcover.core.bands import EUROSAT_PIXELS, PATCH_PIXELS
from landcover.core.errors import BadInput
from landcover.core.raster import Raster
from landcover.core.text import plain
from landcover.io import sources
from landcover.io.samples import Sample, sample_at, samples
from pages.parts.shared import holdings, links, shown
from pages.parts.shared.links import Place

OVERVIEW: Final = ((53.6, 11.5), 3.5)
"""Centre and zoom at which the map opens: Europe with all samples."""
CLOSE_ZOOM: Final = 14
"""Zoom at which 1200 m fill about half of the map's height."""
MAX_HISTORY: Final = 20
MAX_FETCHED: Final = 12
EARTH_RADIUS_KM: Final = 6371.0


@dataclass(frozen=True, kw_only=True)
class SceneLink:
    """An image in an archive, as the address of the page names it.

    Attributes:
        catalogue: name of an archive, or :data:`pages.parts.shared.links.OWN`.
        scene: id of the first granule.
        day: day on which it was taken.
        place: latitude and longitude of the square, degrees.
    """

    catalogue: str
    scene: str
    day: date
    place: Place


@dataclass(frozen=True)
class Chosen:
    """One choice: a sample, a window of an uploaded picture, a fetched patch, or a bare place.

    Exactly one of ``sample``, ``upload``, ``colours``, ``live``, ``bare_place`` and ``missing`` is
    set.

    Attributes:
        sample: a sample's name.
        upload: key of an uploaded Sentinel-2 picture.
        colours: key of an uploaded colour picture, which has no place.
        row, col: upper left pixel of the window in an uploaded picture.
        live: key of a patch that was fetched from an archive.
        bare_place: a place that no picture on this computer covers.
        drawn: south-west and north-east corner of the rectangle that the user drew.
        scene: the image of ``live``; at a bare place, the image that the address asks for.
        missing: name of a file that the address asks for and that is not uploaded yet.
        missing_window: row and column of the window in that file, if the address has them.
    """

    sample: str | None = None
    upload: str | None = None
    colours: str | None = None
    row: int = 0
    col: int = 0
    live: str | None = None
    bare_place: Place | None = None
    drawn: tuple[Place, Place] | None = None
    scene: SceneLink | None = None
    missing: str | None = None
    missing_window: tuple[int, int] | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether the address asks for pixels that are not here yet."""
        return self.missing is not None or (self.bare_place is not None and self.scene is not None)

    @property
    def subject(self) -> object:
        """The place or file, the same for all its dates and windows."""
        if self.scene is not None:
            return self.scene.place
        return self.sample or self.upload or self.colours or self.bare_place or self.missing

    @property
    def key(self) -> str:
        """Key of the pixels, for caches."""
        if self.live:
            return f"live:{self.live}"
        if self.colours:
            return f"{self.colours}:{self.row}:{self.col}"
        return f"sample:{self.sample}" if self.sample else f"{self.upload}:{self.row}:{self.col}"


@dataclass(frozen=True)
class View:
    """Where the map was sent last; a new ``turn`` sends it there again."""

    centre: Place = OVERVIEW[0]
    zoom: float = OVERVIEW[1]
    turn: int = 0


def _state(name: str, default: object) -> object:
    return st.session_state.setdefault(f"classify_{name}", default)


def current() -> Chosen | None:
    """Return the current choice, or None."""
    trail = _trail()
    return trail[-1] if trail else None


def _trail() -> list[Chosen]:
    trail = _state("trail", [])
    assert isinstance(trail, list)
    return trail


def visited() -> tuple[Chosen, ...]:
    """Return the choices of this session, the newest last."""
    return tuple(_trail())


def can_go_back() -> bool:
    """Return whether there is a previous choice."""
    return len(_trail()) > 1


def choose(chosen: Chosen) -> None:
    """Set the current choice and move the map there."""
    trail = _trail()
    before = trail[-1] if trail else None
    if before is not None and before.is_waiting:
        trail.pop()  # going back to it would only ask for its pixels again
    if not trail or trail[-1] != chosen:
        trail.append(chosen)
        del trail[:-MAX_HISTORY]
    _show_new(before, chosen)


def _show_new(before: Chosen | None, now: Chosen | None) -> None:
    """Forget what belongs to the choice before, and move the map."""
    if before is None or now is None or before.subject != now.subject:
        # A new place starts with its most probable land covers.
        shown.keep(labels=())
    fail(None)
    show_choice()


def go_back() -> None:
    """Return to the latest previous choice whose picture is still held."""
    trail = _trail()
    before = current()
    if trail:
        trail.pop()
    while trail and not is_held(trail[-1]):
        trail.pop()
    _show_new(before, current())


def open_link(chosen: Chosen | None) -> None:
    """Make the choice of an address the current one; pictures stay held."""
    trail = _trail()
    if chosen is None:
        trail.clear()
        fail(None)
        show_overview()
    elif len(trail) > 1 and trail[-2] == chosen:
        go_back()
    elif current() != chosen:
        choose(chosen)
        if chosen.bare_place is not None:
            move_map(chosen.bare_place, CLOSE_ZOOM)


def is_held(chosen: Chosen) -> bool:
    """Return whether the pixels of a choice are still here."""
    if chosen.upload is not None:
        return chosen.upload in uploads()
    if chosen.colours is not None:
        return chosen.colours in pictures()
    return chosen.live is None or chosen.live in fetched()


def clear() -> None:
    """Remove every choice and picture, and show the entire map."""
    _trail().clear()
    holdings.now().clear()
    st.session_state.pop("classify_live_searches", None)
    shown.keep(labels=())
    fail(None)
    # The upload and text widgets can only be emptied by giving them a new key.
    st.session_state["classify_round"] = form_round() + 1
    show_overview()


def form_round() -> int:
    """Return a number that is part of the input widgets' keys."""
    value = _state("round", 0)
    assert isinstance(value, int)
    return value


def uploads() -> dict[str, Raster]:
    """Return the uploaded Sentinel-2 pictures that are still held, the newest last."""
    return holdings.now().uploads


def pictures() -> dict[str, Raster]:
    """Return the uploaded colour pictures that are still held, the newest last."""
    return holdings.now().pictures


def fetched() -> dict[str, Raster]:
    """Return the patches from archives that are still held, the newest last."""
    return holdings.now().fetched


def add_live(key: str, patch: Raster, scene: SceneLink) -> None:
    """Keep a patch from an archive and choose it."""
    held = fetched()
    held.pop(key, None)
    held[key] = patch
    for old in list(held)[:-MAX_FETCHED]:
        del held[old]
    choose(Chosen(live=key, scene=scene))


def live_of(scene: SceneLink) -> Chosen | None:
    """Return the choice of an image that is still held, or None."""
    return next(
        (one for one in reversed(_trail()) if one.scene == scene and one.live in fetched()), None
    )


def open_patch(name: str, patch: Raster) -> None:
    """Hold a patch of a data set like an uploaded file, and choose it."""
    key = f"upload:{name}"
    uploads()[key] = patch
    choose(Chosen(upload=key))


def file_name(raster: Raster) -> str:
    """Return the name under which an address names an uploaded file."""
    return plain(raster.provenance.source)[: links.MOST_LETTERS]


def upload_of(name: str, window: tuple[int, int] | None = None) -> Chosen | None:
    """Return the choice of a window in an uploaded file that is still held, or None.

    Args:
        name: name of the file.
        window: row and column of its upper left pixel; the middle if it is None or does not fit.
    """
    for held, side in ((uploads(), PATCH_PIXELS), (pictures(), EUROSAT_PIXELS)):
        for key, raster in reversed(held.items()):
            if file_name(raster) == name:
                return window_of(key, raster, side, window)
    return None


def window_of(key: str, raster: Raster, side: int, window: tuple[int, int] | None = None) -> Chosen:
    """Return the choice of a window in an uploaded picture; the middle if it does not fit."""
    row, col = raster.centre_corner(side)
    if window and window[0] + side <= raster.height and window[1] + side <= raster.width:
        row, col = window
    if raster.is_rgb:
        return Chosen(colours=key, row=row, col=col)
    return Chosen(upload=key, row=row, col=col)


def choose_place(latitude: float, longitude: float) -> None:
    """Choose the sample or uploaded picture at a place, or the bare place."""
    choose(at(latitude, longitude))


def choose_drawn(south: float, west: float, north: float, east: float) -> None:
    """Choose the centre of a rectangle, or the sample in it that is nearest to the centre."""
    middle = ((south + north) / 2, (west + east) / 2)
    chosen = at(*middle)
    inside = [s for s in samples() if south <= s.centre[0] <= north and west <= s.centre[1] <= east]
    if chosen.bare_place and inside:
        chosen = Chosen(sample=min(inside, key=lambda s: distance_km(s.centre, middle)).name)
    corners = (links.rounded((south, west)), links.rounded((north, east)))
    choose(replace(chosen, drawn=corners))


def at(latitude: float, longitude: float) -> Chosen:
    """Return the sample or uploaded picture at a place, or the bare place."""
    if sample := sample_at(latitude, longitude):
        return Chosen(sample=sample.name)
    for key, patch in reversed(uploads().items()):
        try:
            window = patch.window_around(latitude, longitude, PATCH_PIXELS)
        except BadInput:
            continue
        row, col = patch.pixel_of(*window.outline[0])
        return Chosen(upload=key, row=round(row), col=round(col))
    # With the decimals of the address, so that going back finds the same place.
    return Chosen(bare_place=links.rounded((latitude, longitude)))


def patch_of(chosen: Chosen | None) -> Raster | None:
    """Return the patch of a choice; None if it has no Sentinel-2 pixels."""
    if chosen is None or chosen.bare_place is not None or chosen.colours is not None:
        return None
    if chosen.sample is not None:
        # By its name in the table: a text from the browser must never be taken for a path.
        return sources.read_sample(chosen.sample)
    if chosen.live is not None:
        return fetched().get(chosen.live)
    image = uploads().get(chosen.upload or "")
    return image.window(chosen.row, chosen.col, PATCH_PIXELS) if image is not None else None


def picture_of(chosen: Chosen | None) -> Raster | None:
    """Return the entire colour picture of a choice; None if it is not a colour picture."""
    return pictures().get(chosen.colours or "") if chosen is not None else None


def pixels_of(chosen: Chosen | None) -> Raster | None:
    """Return the pixels that a model classifies: a patch, or the window of a colour picture."""
    picture = picture_of(chosen)
    if chosen is not None and picture is not None:
        return picture.window(chosen.row, chosen.col, EUROSAT_PIXELS)
    return patch_of(chosen)


def sample_of(chosen: Chosen | None) -> Sample | None:
    """Return the sample of a choice; None if it is not a sample."""
    name = chosen.sample if chosen else None
    return next((sample for sample in samples() if sample.name == name), None)


def nearest_sample(place: Place) -> tuple[Sample, float]:
    """Return the nearest sample and its distance in kilometres."""
    return min(((s, distance_km(s.centre, place)) for s in samples()), key=lambda pair: pair[1])


def distance_km(a: Place, b: Place) -> float:
    """Return the great-circle distance (haversine formula on a sphere, within half a percent)."""
    lat_a, lat_b = math.radians(a[0]), math.radians(b[0])
    half = math.sin((lat_b - lat_a) / 2) ** 2
    half += math.cos(lat_a) * math.cos(lat_b) * math.sin(math.radians(b[1] - a[1]) / 2) ** 2
    return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(min(1.0, half)))


def fail(message: str | None) -> None:
    """Set the error message to show until the next choice; None removes it."""
    st.session_state["classify_error"] = message


def failure() -> str | None:
    """Return the error message to show, or None."""
    message = _state("error", None)
    return message if isinstance(message, str) else None


def open_tab(label: str) -> None:
    """Open the tab with that label."""
    st.session_state["classify_tab"] = (label, tab()[1] + 1)


def tab() -> tuple[str | None, int]:
    """Return the tab that a button opened last, and how often a button opened one."""
    value = _state("tab", (None, 0))
    assert isinstance(value, tuple)
    return value


def view() -> View:
    """Return where the map was sent last."""
    value = _state("view", View())
    assert isinstance(value, View)
    return value


def move_map(centre: Place, zoom: float) -> None:
    """Move the map there, even if it was sent to the same view before."""
    st.session_state["classify_view"] = View(centre, zoom, view().turn + 1)


def last_zoom() -> float:
    """Return the zoom at which the user last saw the map."""
    last = st.session_state.get("classify_last_view")
    return float(last[1]) if last is not None else view().zoom


def show_overview() -> None:
    """Move the map to the view at which it opened."""
    move_map(*OVERVIEW)


def show_choice() -> None:
    """Move the map to the current choice, unless it is a place without a picture."""
    chosen = current()
    patch = patch_of(chosen)
    if patch is not None and patch.has_place:
        move_map(patch.centre, CLOSE_ZOOM)
    elif chosen is None or patch is not None:
        show_overview()
