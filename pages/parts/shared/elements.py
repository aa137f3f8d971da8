"""Headings, pictures and charts of all pages: each picture and chart has a text alternative.

Pages use these functions instead of Streamlit's own, so that headings never skip a level and a
screen reader names every picture.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import plotly.graph_objects as go
import streamlit as st

from landcover.core.raster import ByteArray
from pages.parts.shared import theme

QUIET_CHART: Final = {"displayModeBar": False}
"""Plotly's configuration of a chart without a tool bar."""


def title(text: str) -> None:
    """Show the title of a page, its only heading of level 1."""
    st.title(text, anchor=False)


def heading(text: str) -> None:
    """Show the heading of a section, level 2."""
    st.header(text, anchor=False)


def subheading(text: str) -> None:
    """Show a heading inside a section, level 3."""
    st.subheader(text, anchor=False)


def picture(
    image: ByteArray | bytes,
    alt: str,
    *,
    enlarge: int = 1,
    width: int | Literal["stretch", "content"] = "stretch",
) -> None:
    """Show a picture.

    Args:
        image: PNG bytes, or a uint8 picture ``(y, x, 3 or 4)``.
        alt: what the picture shows, for people who do not see it; empty only if the text next to
            the picture says the same.
        enlarge: how often each pixel of an array is repeated.
        width: pixels, or how the picture fills its column.
    """
    data = image if isinstance(image, bytes) else theme.png(image, enlarge)
    st.image(data, width=width, alt=alt)


def chart(
    figure: go.Figure,
    alt: str,
    *,
    key: str,
    config: dict[str, Any] | None = None,
    width: int | Literal["stretch"] = "stretch",
) -> None:
    """Show a chart, usually in the width of its column. A table of the same values goes with it.

    Args:
        figure: the chart.
        alt: what the chart shows, for people who do not see it.
        key: key of the element.
        config: Plotly's configuration; by default no tool bar.
        width: pixels, or how the chart fills its column.
    """
    st.plotly_chart(figure, width=width, config=config or QUIET_CHART, key=key, alt=alt)
