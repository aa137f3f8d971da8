"""What a result can be taken away as."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import streamlit as st


def of_record(record: dict[str, Any], table: str, prefix: str) -> None:
    """Buttons for a record as JSON and its classes as CSV, side by side.

    Args:
        record: as :mod:`landcover.report.patch_report` or :mod:`landcover.report.picture_report`
            make it.
        table: the same as CSV.
        prefix: of the buttons' keys.
    """
    stem = f"landcover-{record['model']}"
    text = json.dumps(record, indent=1, ensure_ascii=False)
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
    """A button for the numbers of a table as CSV.

    Args:
        title: what the button says is in it.
        found: the numbers.
        name: of the table, for the file's name and the button's key.
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
