"""Links from the name of a class to what it means, on the Classes page.

They open in another tab, so that what one was looking at stays as it is. A class of a data set of
one's own has no text in the guide, and so no link.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import quote

import streamlit as st

from landcover.core import class_guide
from landcover.core.classes import cover_of
from pages.parts.shared import theme

PAGE: Final = "classes"
"""Path of the page, relative to any other page of the app."""


def address(label: str) -> str:
    """Return the address of a class's text, relative to the page; "" if it has none."""
    if not class_guide.knows(label):
        return ""
    return f"{PAGE}?about={quote(label)}"


def as_html(label: str, text: str | None = None) -> str:
    """Return the name of a class as a link in HTML; the text is escaped.

    Args:
        label: full name of the class.
        text: what to show; by default the short name.
    """
    shown, link = html.escape(cover_of(label).short if text is None else text), address(label)
    if not link:
        return shown
    # Streamlit adds rel="noopener noreferrer" and lets through no other target.
    return f'<a class="landcover-class" href="{link}" target="_blank">{shown}</a>'


def as_markdown(label: str, text: str | None = None) -> str:
    """Return the name of a class as a link in Markdown; arguments as for :func:`as_html`."""
    shown, link = theme.literal(cover_of(label).short if text is None else text), address(label)
    return f"[{shown}]({link})" if link else shown


def several(labels: Iterable[str]) -> str:
    """Return the short names of classes as links in Markdown, separated by commas."""
    return ", ".join(map(as_markdown, labels))


def guide_line() -> None:
    """Say below a chart, whose labels cannot be links, where the classes are explained."""
    st.caption(f"[What do these classes mean?]({PAGE})")


def column(title: str) -> Any:  # noqa: ANN401 - a configuration of Streamlit
    """Return the configuration of a table's column that has values of :func:`cell`."""
    return st.column_config.LinkColumn(title, display_text=r"#(.*)$")


def cell(label: str) -> str:
    """Return the value of a class in a column of :func:`column`: it shows as the short name."""
    short = cover_of(label).short
    link = address(label)
    return f"{link}#{quote(short, safe=' ,')}" if link else short
