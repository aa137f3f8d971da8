"""The models that have a name: loaded once, shared by everybody, changed by nobody.

The registry needs torch, which takes seconds to load; it is imported where it is needed,
so that the map is drawn first.
"""

from __future__ import annotations

import gc
import importlib
import threading
from typing import TYPE_CHECKING, Final

import streamlit as st

from landcover.core.errors import LandcoverError
from landcover.core.raster import Raster

if TYPE_CHECKING:
    from landcover.models.card import Card
    from landcover.models.model import Model
    from landcover.trust.result import Result

KEY: Final = "classify_model"
Stamp = tuple[str | int, ...]
"""Which folder a model's name leads to, and which state of it."""


def warm_up() -> None:
    """Start to load torch behind the map, so that the first click need not wait for it."""
    if not any(thread.name == "landcover-warm-up" for thread in threading.enumerate()):
        threading.Thread(
            target=importlib.import_module,
            args=("landcover.report.classification",),
            name="landcover-warm-up",
            daemon=True,
        ).start()


def choose() -> str | None:
    """Let the user choose among several models; None where there is none."""
    with st.spinner("Loading the network …"):
        from landcover.models import registry  # noqa: PLC0415 - loads torch

    names = registry.default().for_patches()
    if not names:
        st.error(
            "No model is installed, so nothing can be classified: install landcover again or "
            "train one with 'landcover train'."
        )
        return None
    if len(names) == 1:
        st.session_state["classify_model_kept"] = names[0]
        return names[0]
    kept = current()
    st.session_state[KEY] = kept if kept in names else names[0]
    chosen = st.selectbox("Model", names, format_func=title, key=KEY)
    st.session_state["classify_model_kept"] = chosen
    return chosen


def current() -> str | None:
    """The model that was chosen, also after a visit to another page."""
    name = st.session_state.get(KEY, st.session_state.get("classify_model_kept"))
    return name if isinstance(name, str) else None


def card(name: str) -> Card:
    """A model's card."""
    from landcover.models import registry  # noqa: PLC0415 - loads torch

    return registry.default().card(name)


def title(name: str) -> str:
    """The name that people read; a model that is damaged or gone is called by its name."""
    from landcover.models import registry  # noqa: PLC0415 - loads torch

    try:
        return registry.default().title(name)
    except LandcoverError:
        return name


def load(name: str) -> Model:
    """A model, ready to predict; loaded again where another one has taken its name.

    Raises:
        LandcoverError: it is unknown or damaged.
    """
    return _load(name, stamp(name))


def stamp(name: str, *files: str) -> Stamp:
    """A key of caches that changes with a model, and with files in its folder.

    It is empty where the model is gone, which :func:`load` says.
    """
    from landcover.models import registry  # noqa: PLC0415 - loads torch

    try:
        return registry.default().stamp(name, *files)
    except LandcoverError:
        return ()


@st.cache_resource(max_entries=4, show_spinner="Loading the model …")
def _load(name: str, state: Stamp) -> Model:  # noqa: ARG001 - part of the cache's key
    from landcover.models import registry  # noqa: PLC0415 - loads torch

    model = registry.default().load(name)
    spare_what_stays()
    return model


def spare_what_stays() -> None:
    """Let collections of garbage pass over all that is loaded by now.

    Streamlit collects garbage after each run of a script, and so at each look at a job.
    That goes through every object of torch and plotly, while no other thread can go on.
    """
    gc.collect()
    gc.freeze()


def predict(name: str, key: str, raster: Raster, aim: str = "f1") -> Result:
    """What a model says of a patch or picture under an aim, remembered for those seen last.

    Args:
        name: of the model.
        key: of the pixels, the same for equal pixels.
        raster: a window of the size that the model looks at.
        aim: what the thresholds should serve; without meaning for classes that exclude each other.

    Raises:
        LandcoverError: the model is damaged, or the pixels are not what it was made for.
    """
    model = load(name)
    return _predict(model, stamp(name), key, raster, "f1" if model.card.exclusive else aim)


@st.cache_resource(max_entries=64, show_spinner="Looking at the pixels …")
def _predict(
    _model: Model,
    state: Stamp,  # noqa: ARG001 - with key, it says to the cache which model and pixels these are
    key: str,  # noqa: ARG001 - as above
    _raster: Raster,
    aim: str,
) -> Result:
    from landcover.trust.result import predict as ask  # noqa: PLC0415 - loads torch

    return ask(_model, _raster, aim)
