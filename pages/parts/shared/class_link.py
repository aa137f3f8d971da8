"""Links from the name of a class to what it means, on the Classes page.

They open in another tab, so that what one was looking at stays as it is. A class of a data set of
one's own has no text in the guide, and so no link.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final
from urllib.parse import quote

import pandas as pd
import streamlit as st

from landcover.core import class_guide
from landcover.core.classes import CLASS_NAMES, CLASS_SETS, cover_of
from pages.parts.shared import theme

PAGE: Final = "classes"
"""Path of the page, relative to any other page of the app."""
COLUMNS: Final = frozenset(
    {"Class", "class", "actual", "actual class", "Land cover", "Other class"}
)
"""Columns of large tables that have names of classes."""


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


def guide_line(labels: Iterable[str] = CLASS_NAMES) -> None:
    """Say at a chart, whose labels cannot be links, where those of its classes are explained."""
    if any(map(address, labels)):
        st.caption(f"[What do these classes mean?]({PAGE})")


def table(found: pd.DataFrame, *columns: str, hide_index: bool = False) -> None:
    """Show a small table in which the names of classes are links.

    Args:
        found: the table; it stays as it is.
        columns: columns, or the name of the index, with names of classes or lists of them.
        hide_index: whether the index is not shown.
    """
    shown = found.copy()
    for name in columns:
        if name == shown.index.name:
            shown.index = pd.Index(_linked(list(shown.index)), name=name)
        else:
            shown[name] = _linked(list(shown[name]))
    st.table(shown, border="horizontal", hide_index=hide_index)


def in_frame(found: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return a large table whose columns of classes are links, and their configuration."""
    shown, configuration = found.copy(), {}
    for name in COLUMNS & set(found.columns):
        known = _labels(list(found[name]))
        if len(found) and all(text in known for text in found[name]):
            shown[name] = [_cell(known[text], text) for text in found[name]]
            configuration[name] = st.column_config.LinkColumn(name, display_text=r"#(.*)$")
    return shown, configuration


def _cell(label: str, text: str) -> str:
    """Return the address of a class, with the text that the table shows at its end."""
    return f"{address(label)}#{quote(text, safe=' ,')}"


def of_text(text: str) -> str | None:
    """Return the class that a full or short name means, first of the 19; None if there is none."""
    return _labels([text]).get(text)


def _labels(texts: Sequence[str]) -> Mapping[str, str]:
    """Return name → class of the class set that knows the most of some names."""
    return max(_names(), key=lambda known: sum(text in known for text in texts))


@cache
def _names() -> tuple[Mapping[str, str], ...]:
    """Return for each class set: full or short name → class."""
    return tuple(
        {text: name for name in names for text in (name, cover_of(name).short)}
        for names in CLASS_SETS.values()
    )


def _linked(cells: Sequence[str]) -> list[str]:
    """Return cells with links in place of the names of classes; other texts stay."""
    known = _labels([part for cell in cells for part in (cell, *cell.split(", "))])

    def linked(cell: str) -> str:
        if cell in known:
            return as_markdown(known[cell], cell)
        parts = cell.split(", ")
        if all(part in known for part in parts):
            return ", ".join(as_markdown(known[part], part) for part in parts)
        return cell

    return [linked(cell) for cell in cells]
