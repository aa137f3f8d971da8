"""Names of the chosen place: in the browser's tab, in headings and in downloaded files."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from typing import Final

from landcover.core.bands import PATCH_M
from landcover.core.classes import EUROSAT_CLASSES, cover_of
from landcover.core.raster import Raster
from landcover.core.text import place_text
from landcover.io.samples import samples
from pages.parts.shared import choice
from pages.parts.shared.choice import Chosen

APP: Final = "Land cover"
OF_A_PLACE: Final = frozenset({"Classify", "Explain"})
"""Titles of the pages that show the chosen place."""
LONGEST: Final = 60
"""Letters of a place in a tab's title and in a file's name."""


def place_name(chosen: Chosen) -> str:
    """Return a short name of a place or file, without the date."""
    if (sample := choice.sample_of(chosen)) is not None:
        return f"{sample.title}, {sample.country}"
    if chosen.missing is not None:
        return chosen.missing
    if chosen.upload is not None or chosen.colours is not None:
        raster = choice.uploads().get(chosen.upload or "") or choice.picture_of(chosen)
        return choice.file_name(raster) if raster is not None else "a file"
    place = chosen.scene.place if chosen.scene is not None else chosen.bare_place
    return place_text(*place) if place is not None else "a place"


def day_text(acquired: datetime | None) -> str:
    """Return a day such as ``3 June 2018``."""
    return f"{acquired:%d %B %Y}".lstrip("0") if acquired else "date unknown"


def class_name(label: str) -> str:
    """Return a class's name to read: EuroSAT writes names such as SeaLake as one word."""
    return cover_of(label).short if label in EUROSAT_CLASSES else label


def where_and_when(pixels: Raster) -> str:
    """Return place, day and size of the classified pixels in one line."""
    size = f"{PATCH_M} m × {PATCH_M} m, Sentinel-2"
    if pixels.is_rgb:
        size = f"colour picture, {pixels.height} × {pixels.width} pixels"
    day = "" if pixels.is_rgb and pixels.acquired is None else day_text(pixels.acquired)
    return " · ".join(filter(None, (pixels.where, day, size)))


def tab_title(page: str) -> str:
    """Return the title of the browser's tab: place, day, page and app.

    Args:
        page: title of the page.
    """
    chosen = choice.current()
    if chosen is None or page not in OF_A_PLACE:
        return f"{page} · {APP}"
    name = place_name(chosen)
    if chosen.scene is not None:
        name += f", {day_text(datetime.combine(chosen.scene.day, datetime.min.time()))}"
    return f"{name[:LONGEST]} · {page} · {APP}"


def file_stem(pixels: Raster, *parts: str) -> str:
    """Return the name of a file to download, without suffix, after place, day and contents.

    Args:
        pixels: the patch or picture that the file is about.
        parts: what the file contains, such as a model and a land cover.
    """
    day = f"{pixels.acquired:%Y-%m-%d}" if pixels.acquired else ""
    return "-".join(filter(None, ("landcover", slug(_of_pixels(pixels)), day, *map(slug, parts))))


def _of_pixels(pixels: Raster) -> str:
    chosen = choice.current()
    if chosen is not None and not chosen.is_waiting:
        return chosen.sample or place_name(chosen)
    named = [sample.name for sample in samples() if sample.name == pixels.provenance.source]
    return named[0] if named else pixels.provenance.source


def slug(text: str) -> str:
    """Return a text as part of a file's name: ASCII letters in lower case, digits, dots, dashes."""
    plain = unicodedata.normalize("NFKD", text.replace("° ", "")).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9._]+", "-", plain)[:LONGEST].strip("-.").lower()
