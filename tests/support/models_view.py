"""Move between the sections and views of the Models page in an ``AppTest``."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote

import pandas as pd
from streamlit.testing.v1 import AppTest

SECTION_OF = {
    "Classes": "Land covers",
    "Confusion": "Land covers",
    "Co-occurrence": "Land covers",
    "Precision and recall": "Land covers",
    "Thresholds": "Probabilities",
    "Reliability": "Probabilities",
    "Label sets": "Probabilities",
    "Risk and coverage": "Probabilities",
    "Failures": "Errors",
    "Countries": "Errors",
    "Can it be trusted?": "Trust and card",
    "Left-out countries": "Trust and card",
    "Card": "Trust and card",
    "Training": "Trust and card",
    "Architecture": "Trust and card",
}


def by_class(table: pd.DataFrame) -> pd.DataFrame:
    """A table by the names of its classes, which are links that end with the name."""
    names = [unquote(text.rpartition("#")[2]) for text in table["Class"]]
    return table.assign(Class=names).set_index("Class")


def section(shown: AppTest, name: str) -> AppTest:
    shown.segmented_control(key="models_section").set_value(name).run()
    assert not shown.exception
    return shown


def view(shown: AppTest, name: str) -> AppTest:
    """Show a view of one model."""
    if shown.segmented_control(key="models_section").value != SECTION_OF[name]:
        section(shown, SECTION_OF[name])
    if shown.segmented_control(key="models_view").value != name:
        shown.segmented_control(key="models_view").set_value(name).run()
    assert not shown.exception
    return shown


def each_view(shown: AppTest) -> Iterator[str]:
    """Show every view that the page offers for the chosen model, one after the other."""
    for name in dict.fromkeys(SECTION_OF.values()):
        section(shown, name)
        for option in shown.segmented_control(key="models_view").options:
            view(shown, option)
            yield option
