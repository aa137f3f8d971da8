"""The Train page: train a model on labelled data of this computer, or test one on it."""

from __future__ import annotations

from typing import Final

import streamlit as st

from landcover.core.errors import LandcoverError
from pages.parts.shared import elements, entry, theme, training, widgets
from pages.parts.train import folder, form, live, testing

TRAIN: Final = "Train a model"
TEST: Final = "Test a model"
INTRODUCTION: Final = (
    "Train a model on your own computer, on labelled patches in a folder, or measure a model on "
    "them. Runs are queued, and go on when you leave."
)


def main() -> None:
    """Choose the data; show the form on the left, the runs on the right, results below."""
    elements.title("Train and test")
    if not training.is_allowed():
        st.info(training.REFUSED, icon=":material/lock:")
        return
    st.markdown(INTRODUCTION)
    what = widgets.segmented_control(
        "What to do",
        (TRAIN, TEST),
        default=TRAIN,
        required=True,
        key="train_what",
        label_visibility="collapsed",
        persist_state="session",
    )
    left, right = st.columns([2, 3], gap="large")
    with left:
        data = folder.choose()
        if data is not None:
            (form.show if what == TRAIN else testing.form)(data)
    with right:
        live.show("train" if what == TRAIN else "test")
    if what == TEST:
        testing.results()


entry.require_app(__file__)
try:
    main()
except LandcoverError as error:
    st.error(theme.literal(str(error)))
