"""The form of a training: from the data set to the order that is queued."""

from __future__ import annotations

from typing import Final

import streamlit as st

from landcover.core.errors import LandcoverError
from landcover.jobs.runs import record
from landcover.jobs.runs.order import Fit, RunOrder
from landcover.models import registry, store
from landcover.train.recipes.trainable import Trainable, for_size
from pages.parts.shared import elements, theme, widgets
from pages.parts.train import cost, model, settings, tracking
from pages.parts.train.folder import Data

FAILED: Final = "train_failed"
_COUNT: Final = "train_orders"
FITS: Final[dict[Fit, str]] = {
    "train": "Training split",
    "train+validation": "Then both splits",
}


def show(data: Data) -> None:
    """Show the form; queue what the user starts."""
    elements.heading("Train a model")
    if not data.count("train") or not data.count("validation"):
        st.info(
            "This data set has no training and validation split, so nothing can be trained on it: "
            "give a folder with the official lists or tables of its splits."
        )
        return
    order = _order(data)
    if order is None:
        return
    cost.show(order)
    if failed := st.session_state.pop(FAILED, None):
        st.error(theme.literal(failed))
    widgets.button(
        "Start training",
        key="train_start",
        type="primary",
        icon=":material/play_arrow:",
        on_click=_start,
        args=(order,),
    )


def _order(data: Data) -> RunOrder | None:
    """Return what the form says; None, with the reason on the page, if it cannot be ordered."""
    chosen = model.choose(pictures=data.pictures, own_classes=data.own_classes)
    start = model.choose_start(chosen)
    if start is None:
        return None
    lessons = model.show_lessons(chosen)
    own_bands = settings.bands(chosen)
    config = None if chosen.config is None else for_size(chosen.config, data.count("train"))
    changes = {} if config is None else settings.augmentation(config, own_bands)
    budget = settings.budget(chosen, config)
    if config is not None:
        options = {
            **config.net_options,
            **budget.settings.get("net_options", {}),
            "classes": len(data.classes),
            **({"bands": own_bands} if own_bands else {}),
        }
        model.show_size(config.net, options)
    fit = widgets.segmented_control(
        "Fit to",
        list(FITS),
        default="train",
        format_func=lambda one: FITS[one],
        required=True,
        key="train_fit",
        help="Epoch, thresholds and calibration are always chosen on validation, with a fit to the "
        "training split. It can then be fitted again to both splits, with these choices frozen.",
    )
    places = tracking.choose()
    name = _name(chosen)
    if places is None:
        return None
    try:
        store.check_new(registry.default(), name)
        return RunOrder(
            kind="train",
            dataset=data.name,
            root=data.root,
            model=chosen.name,
            name=name,
            fit=fit or "train",
            settings={
                **budget.settings,
                **start,
                **({"augmentation": changes} if changes else {}),
            },
            epochs=budget.epochs,
            seed=budget.seed,
            device=budget.device,
            bands=own_bands,
            trackers=places,
            teacher=lessons.teacher,
            unlabelled=lessons.unlabelled,
        )
    except LandcoverError as error:
        st.error(theme.literal(str(error)))
        return None


def _name(chosen: Trainable) -> str:
    """Let the user name the model; a new name is offered after each start."""
    return widgets.text_input(
        "Name of the new model",
        _free_name(chosen),
        key=f"train_name_{chosen.name}_{st.session_state.get(_COUNT, 0)}",
    ).strip()


def _free_name(chosen: Trainable) -> str:
    """Return a name that no model and no other run has."""
    usual = "my-" + chosen.name.removeprefix("landcover-").replace(":", "-")
    taken = {name.casefold() for name in registry.default().names()}
    taken |= {run.name.casefold() for run in record.all_runs()}
    names = (usual, *(f"{usual}-{number}" for number in range(2, len(taken) + 3)))
    return next(name for name in names if name.casefold() not in taken)


def _start(order: RunOrder) -> None:
    """Queue a training; the callback of the button."""
    if cost.start(order, FAILED):
        st.session_state[_COUNT] = st.session_state.get(_COUNT, 0) + 1
