"""Buttons that download a result as a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

if TYPE_CHECKING:  # at run time it would load torch before the map is drawn
    from landcover.report.classification import ClassificationReport


def of_report(report: ClassificationReport, prefix: str) -> None:
    """Show buttons for a report as JSON and its probabilities as CSV, side by side.

    Args:
        report: report on a patch or picture.
        prefix: prefix of the buttons' keys.
    """
    from landcover.report.classification_table import as_csv  # noqa: PLC0415 - loads torch

    stem = f"landcover-{report.model}"
    text, table = report.as_json(indent=1), as_csv([report])
    with st.container(horizontal=True):
        for title, content, kind, mime in (
            ("Result as JSON", text, "json", "application/json"),
            ("Probabilities as CSV", table, "csv", "text/csv"),
        ):
            st.download_button(
                title,
                content,
                f"{stem}.{kind}",
                mime,
                key=f"{prefix}_{kind}",
                icon=":material/download:",
                on_click="ignore",
            )


def table(title: str, found: pd.DataFrame, name: str) -> None:
    """Show a button that downloads a table as CSV.

    Args:
        title: what the table contains, for the button's label.
        found: the table.
        name: name of the table, for the file's name and the button's key.
    """
    st.download_button(
        f"{title} as CSV",
        found.to_csv(index=False).encode(),
        f"landcover-{name}.csv",
        "text/csv",
        key=f"explain_csv_{name}",
        icon=":material/download:",
        on_click="ignore",
    )
