"""Buttons that download a result as a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from landcover.core.text import no_formula
from pages.parts.shared import naming

if TYPE_CHECKING:  # at run time it would load torch before the map is drawn
    from landcover.core.raster import Raster
    from landcover.report.classification import ClassificationReport
    from landcover.trust.result import Result


def of_report(report: ClassificationReport, pixels: Raster, prefix: str) -> None:
    """Show buttons for a report as JSON and its probabilities as CSV, side by side.

    Args:
        report: report on a patch or picture.
        pixels: the patch or picture, after which the files are named.
        prefix: prefix of the buttons' keys.
    """
    from landcover.report.classification_table import as_csv  # noqa: PLC0415 - loads torch

    stem = naming.file_stem(pixels, report.model)
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


def table(title: str, rows: pd.DataFrame, name: str, found: Result) -> None:
    """Show a button that downloads a table as CSV, with the result's tags as columns.

    Args:
        title: what the table contains, for the button's label.
        rows: the table.
        name: name of the table, for the file's name and the button's key.
        found: the result that the table belongs to.
    """
    from landcover.report.tags import tags_of  # noqa: PLC0415 - loads torch

    tags = {f"result_{tag}": no_formula(text) for tag, text in tags_of(found).items()}
    st.download_button(
        f"{title} as CSV",
        rows.assign(**tags).to_csv(index=False).encode(),
        f"{naming.file_stem(found.raster, name)}.csv",
        "text/csv",
        key=f"explain_csv_{name}",
        icon=":material/download:",
        on_click="ignore",
    )
