"""The pixels of the chosen place as pictures: three views of a patch, or a picture's window."""

from __future__ import annotations

from typing import Final

import numpy as np
import streamlit as st

from landcover.core.bands import COMPOSITES, Composite
from landcover.core.bands import EUROSAT_PIXELS as SIDE
from landcover.core.raster import ByteArray, Raster
from pages.parts.shared import choice, elements, theme

SHOWN: Final = 512
"""Approximate side to which small pictures are enlarged, pixels."""
FRAME: Final = (232, 89, 12)
"""Colour of the frame around the window: the accent of the page."""


def show(chosen: choice.Chosen, pixels: Raster) -> None:
    """Show three views of a patch, or the entire colour picture with its window."""
    picture = choice.picture_of(chosen)
    if picture is None:
        _composites(chosen.key, pixels)
        return
    with st.container(key="classify_colours"):
        image, enlarge = framed(picture, chosen.row, chosen.col)
        alt = "The picture, with a frame around the window that is classified"
        elements.picture(image, alt, enlarge=enlarge, width="content")


def _composites(key: str, patch: Raster) -> None:
    with st.container(key="classify_views"):
        # A source with few bands has fewer views, of the same size.
        for column, view in zip(st.columns(len(COMPOSITES)), patch.composites, strict=False):
            with column:
                elements.picture(_png(key, view, patch), f"The patch in {view.name.lower()}")
                st.caption(f"**{view.name}** ({' '.join(view.bands)}): {view.reading}")


def show_large(key: str, patch: Raster) -> None:
    """Show true and false colours side by side, as large as there is room."""
    shown = patch.composites[:2]
    for column, view in zip(st.columns(len(shown)), shown, strict=True):
        with column:
            elements.picture(_png(key, view, patch), f"The patch in {view.name.lower()}, enlarged")
            st.caption(f"**{view.name}**")


@st.cache_data(max_entries=96, show_spinner=False)
def _png(key: str, view: Composite, _patch: Raster) -> bytes:  # noqa: ARG001 - part of the cache's key
    return theme.png(_patch.image(view), 3)


def framed(picture: Raster, row: int, col: int) -> tuple[ByteArray, int]:
    """Return the picture with a frame around the window, and how often to repeat its pixels.

    Large pictures are shown with fewer pixels; the classification uses all pixels of the window.
    """
    image = picture.image()
    if max(picture.height, picture.width) <= SIDE:
        return image, SHOWN // SIDE
    step = max(1, max(picture.height, picture.width) // (2 * SHOWN))
    width = max(1, round(max(picture.height, picture.width) / 200))
    rows, cols = np.ogrid[: picture.height, : picture.width]
    # The frame is outside the window, so that all classified pixels are visible.
    top, left = row - width, col - width
    bottom, right = row + SIDE + width, col + SIDE + width
    outer = (rows >= top) & (rows < bottom) & (cols >= left) & (cols < right)
    inner = (rows >= row) & (rows < row + SIDE) & (cols >= col) & (cols < col + SIDE)
    image[outer & ~inner] = (*FRAME, 255)
    return image[::step, ::step], max(1, SHOWN // max(picture.height, picture.width))
