"""Registered models, loaded once and shared by all visitors.

The registry needs torch, which takes seconds to load, so it is imported inside functions and
the map is drawn first.
"""

from __future__ import annotations

import gc
import importlib
import threading
import time
from typing import TYPE_CHECKING, Final

import streamlit as st

from landcover.core import logs
from landcover.core.errors import LandcoverError, UnknownName
from landcover.core.raster import Raster
from landcover.io.gate import pool
from landcover.jobs import queue
from pages.parts.shared import shown, taught, url_state, widgets

if TYPE_CHECKING:
    from landcover.models.band_choice import ModelChoice
    from landcover.models.card import Card
    from landcover.models.model import Model
    from landcover.models.registry import Registry
    from landcover.trust.result import Result

KEY: Final = "classify_model"
Stamp = tuple[str | int, ...]
"""Identifies a model's folder and the state of its files, for caches."""


def warm_up() -> None:
    """Start loading torch and a reader of files, so that the first click does not wait for them."""
    pool.start()
    if not any(thread.name == "landcover-warm-up" for thread in threading.enumerate()):
        threading.Thread(
            target=importlib.import_module,
            args=("landcover.report.classification",),
            name="landcover-warm-up",
            daemon=True,
        ).start()


def registry_of(name: str) -> Registry:
    """Return the registry of a model: that of this session if it is one that it has adapted."""
    from landcover.models import registry  # noqa: PLC0415 - loads torch
    from landcover.models.band_subset import split_name  # noqa: PLC0415 - as above

    own = taught.own_registry()
    if own is not None and (split_name(name) or (name,))[0] in own.user_names():
        return own
    return registry.default()


def for_patches() -> tuple[str, ...]:
    """Return the names of the models for reflectance, the default model first."""
    from landcover.models import registry  # noqa: PLC0415 - loads torch

    own = taught.own_registry()
    return (*registry.default().for_patches(), *(() if own is None else own.user_names()))


def choose() -> str | None:
    """Let the user choose a model; None if none is installed."""
    with st.spinner("Loading the model …"):
        names = for_patches()
    if not names:
        st.error(
            "No model is installed, so nothing can be classified. Install landcover again, or "
            "train a model with 'landcover train'."
        )
        return None
    if len(names) > 1:
        url_state.seed(KEY, "model", names, names[0])
        widgets.selectbox(
            "Model",
            names,
            format_func=title,
            key=KEY,
            on_change=url_state.take,
            args=(KEY, "model"),
        )
    return current()


def current() -> str | None:
    """Return the name of the model for patches that the user chose, or the default one."""
    names = for_patches()
    chosen = shown.now().model
    return chosen if chosen in names else next(iter(names), None)


def choose_for(pixels: Raster) -> str | None:
    """Let the user choose the model; a colour picture has its own. None if none is installed."""
    if not pixels.is_rgb:
        chosen = choose()
        return None if chosen is None else _suited(chosen, pixels)
    name = used_for(pixels)
    if name is None:
        st.error("No model for colour pictures is installed. Install landcover again.")
    return name


def _suited(name: str, patch: Raster) -> str:
    """Return the model to use for a patch, and show a line if it is not the chosen one."""
    used = for_bands(name, patch)
    if used.name != name:
        st.caption(
            f"{title(name)} needs bands that this source lacks. {title(used.name)} is used: "
            f"{used.sentence}"
        )
    return used.name


def for_bands(name: str, patch: Raster) -> ModelChoice:
    """Return a model if the patch has its bands, else the default one for its bands.

    If the card is damaged or no model can be used, it is the model itself: loading it or
    predicting with it then gives the error.
    """
    from landcover.models import registry  # noqa: PLC0415 - loads torch
    from landcover.models.band_choice import ModelChoice  # noqa: PLC0415 - as above
    from landcover.models.band_subset import lacks  # noqa: PLC0415 - as above

    try:
        own = registry_of(name).card(name)
        if patch.is_rgb or not lacks(own, patch.bands):
            return ModelChoice(name=name, bands=own.bands)
        return registry.default().best_for(patch.bands, patch.level)
    except LandcoverError:
        return ModelChoice(name=name, bands=())


def used_for(pixels: Raster) -> str | None:
    """Return the name of the model that is used for a patch or picture; None without one."""
    from landcover.models import registry  # noqa: PLC0415 - loads torch

    if not pixels.is_rgb:
        chosen = current()
        return None if chosen is None else for_bands(chosen, pixels).name
    names = registry.default().for_pictures()
    return registry.PICTURE_MODEL if registry.PICTURE_MODEL in names else next(iter(names), None)


def known(name: str) -> str:
    """Return the name of a registered model.

    The registry also takes paths, which the pages never do: a visitor could name any folder.

    Raises:
        UnknownName: no model has that name.
    """
    from landcover.models.band_subset import split_name  # noqa: PLC0415 - loads torch

    names = registry_of(name).names()
    base = name if name in names else (split_name(name) or (name, ()))[0]
    if base not in names:
        raise UnknownName("model", name, names)
    return name


def card(name: str) -> Card:
    """Return a model's card.

    Raises:
        LandcoverError: the model is unknown or damaged.
    """
    return registry_of(name).card(known(name))


def title(name: str) -> str:
    """Return the title to display; the plain name if the model is damaged or missing."""
    try:
        return registry_of(name).title(known(name))
    except LandcoverError:
        return name


def load(name: str) -> Model:
    """Return a model, ready to predict; it is loaded again if its files have changed.

    Raises:
        LandcoverError: the model is unknown or damaged.
    """
    return _load(known(name), stamp(name))


def stamp(name: str, *files: str) -> Stamp:
    """Return a cache key that changes with a model and with the named files in its folder.

    It is empty if the model is missing; :func:`load` then raises.
    """
    try:
        return registry_of(name).stamp(known(name), *files)
    except LandcoverError:
        return ()


@st.cache_resource(max_entries=4, show_spinner="Loading the model …")
def _load(name: str, state: Stamp) -> Model:  # noqa: ARG001 - part of the cache's key
    model = registry_of(name).load(name)
    freeze_garbage()
    return model


def freeze_garbage() -> None:
    """Exclude all objects that exist now from garbage collection.

    Streamlit collects garbage after each script run, so also each time a job's progress is
    polled. A collection visits every object of torch and plotly and blocks all other threads.
    """
    gc.collect()
    gc.freeze()


def predict(name: str, key: str, raster: Raster, aim: str = "f1") -> Result:
    """Predict a patch or picture; the latest results are cached.

    Args:
        name: name of the model.
        key: key of the pixels, the same for equal pixels.
        raster: a window of the model's input size.
        aim: name of the aim of the thresholds; ignored for mutually exclusive classes.

    Raises:
        LandcoverError: the model is damaged, or the pixels do not fit the model.
    """
    model = load(name)
    return _predict(model, stamp(name), key, raster, "f1" if model.card.exclusive else aim)


# A result holds its pixels: 0.8 MB.
@st.cache_resource(max_entries=64, show_spinner="Classifying …")
def _predict(
    _model: Model,
    state: Stamp,  # noqa: ARG001 - part of the cache's key
    key: str,  # noqa: ARG001 - as above
    _raster: Raster,
    aim: str,
) -> Result:
    from landcover.adapt.lineage import logged_name  # noqa: PLC0415 - loads torch
    from landcover.trust import result  # noqa: PLC0415 - as above

    began = time.monotonic()
    found = queue.default().clicks.run(lambda: result.predict(_model, _raster, aim))
    logs.event("classified", ms=1000 * (time.monotonic() - began), model=logged_name(_model.card))
    return found
