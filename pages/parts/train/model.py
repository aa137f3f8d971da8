"""Choosing what to train, with what it is, what it starts from, and how large it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import streamlit as st

from landcover.core import limits
from landcover.core.errors import LandcoverError
from landcover.train.recipes.trainable import Trainable, parameters, trainable
from pages.parts.shared import theme, widgets

KEY: Final = "train_model"
LESSONS: Final = {
    "teacher": "Weights of the teacher (dynamicworld.npz)",
    "unlabelled": "Pictures without labels (GeoTIFF), if you have some",
}
"""Files that a model learns from besides the labels → label of the field for its path."""


@dataclass(frozen=True, kw_only=True)
class Lessons:
    """Files that a model learns from besides the labels; None where there is none."""

    teacher: Path | None = None
    unlabelled: Path | None = None


def choose(*, pictures: bool, own_classes: bool) -> Trainable:
    """Let the user choose a model that can be trained on this kind of data.

    Args:
        pictures: whether it holds pictures, not patches.
        own_classes: whether it has classes of its own, which no other model can teach.
    """
    known = {
        model.name: model for model in _trainable(pictures) if not (own_classes and model.lessons)
    }
    key = f"{KEY}_{pictures}_{own_classes}"
    name = widgets.selectbox(
        "Model",
        list(known),
        format_func=lambda one: known[one].title,
        key=key,
        persist_state="session",
    )
    model = known[name or next(iter(known))]
    st.caption(theme.literal(model.summary))
    return model


def choose_start(model: Trainable) -> dict[str, str] | None:
    """Let the user choose between published and random weights to start from, if there is a choice.

    Returns:
        settings that differ from the model's; None, with the reason on the page, if it cannot be
        trained.
    """
    wanted = not model.optional or widgets.checkbox(
        f"Pre-training: start from {model.start}",
        value=True,
        key=f"train_start_{model.name}",
        help="Weights that were learnt from many other pictures help if there are few patches. "
        "Without them training starts from random numbers.",
    )
    if wanted and model.missing:
        instead = " Or switch pre-training off." if model.optional else ""
        st.warning(theme.literal(model.missing) + instead)
        return None
    return {} if wanted else {"start": "random"}


def show_lessons(model: Trainable) -> Lessons:
    """Say what training starts from, and let the user name the files that the model learns from."""
    if model.start and not model.optional:
        st.caption(f"Pre-training: it starts from {theme.literal(model.start)}.")
    found: dict[str, Path] = {}
    for name in model.lessons:
        given = widgets.text_input(
            LESSONS[name], key=f"train_{name}", max_chars=limits.current().path_letters
        ).strip()
        if given:
            found[name] = Path(given)
    return Lessons(**found)


def show_size(net: str, options: Mapping[str, Any]) -> None:
    """Say how many parameters a net has, or why it cannot be made so."""
    try:
        count = _parameters(net, dict(options))
    except LandcoverError as error:
        st.error(theme.literal(str(error)))
        return
    st.caption(f"The net has {count:,} parameters.")


@st.cache_resource(max_entries=2, show_spinner="Loading what can be trained …")
def _trainable(pictures: bool) -> tuple[Trainable, ...]:  # noqa: FBT001 - the cache's key
    return trainable(pictures=pictures)


@st.cache_data(max_entries=64, show_spinner=False)
def _parameters(net: str, options: dict[str, Any]) -> int:
    return parameters(net, options)
