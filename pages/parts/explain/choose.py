"""Choice of what the Explain page compares: classes, methods, or two models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import streamlit as st

from landcover.core.classes import cover_of
from landcover.core.errors import LandcoverError
from landcover.core.raster import Raster
from landcover.explain.faithfulness import ratings
from landcover.explain.faithfulness.ratings import Faithfulness
from pages.parts.explain.computation import Request
from pages.parts.shared import charts as show
from pages.parts.shared import loaded_models, shown, url_state, widgets

if TYPE_CHECKING:  # at run time it would load torch before the map is drawn
    from landcover.trust.result import Result

MEASURED: Final = "trust/faithfulness.json"
"""File of the measured faithfulness in a model's folder."""
MOST: Final = 4
"""Maximum number of maps side by side; more would be too small to read."""
FIRST: Final = 2
SIDES: Final = ("Land covers", "Methods", "Two models")
ADDRESSES: Final = dict(zip(SIDES, ("classes", "methods", "models"), strict=True))
"""What the address of the page calls them."""
BASELINE_TITLES: Final = {"mean": "average land", "dark": "black", "blurred": "the blurred patch"}


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One map on the page.

    Attributes:
        title: what distinguishes it from the other panels.
        map, bands: the results that it shows.
    """

    title: str
    map: Request
    bands: Request

    @property
    def check(self) -> Request:
        """The comparison of the map with chance."""
        return replace(self.map, kind="check")


def panels(name: str, key: str, pixels: Raster, found: Result) -> list[Panel]:
    """Let the user choose what to compare; return at least one panel."""
    chances = {score.label: score for score in found.prediction.labels}

    def option(label: str) -> str:
        score = chances[label]
        return (
            f"{cover_of(label).short} ({score.probability:.0%}, {word(predicted=score.predicted)})"
        )

    with st.container(key="explain_choice"):
        first, second, third, last = st.columns([5, 6, 4, 4])
        with first:
            side = show.switch(
                "Compare", SIDES, "explain_side", field="compare", text=ADDRESSES.__getitem__
            )
        with second:
            labels = _labels(side, found, option)
        with third:
            methods = _methods(name, side)
        with last:
            baseline = _baseline()
        others = _other_model(name, pixels) if side == SIDES[2] else []
    chosen = [(model, label, method) for model in (name, *others)
              for label in labels for method in methods]  # fmt: skip
    return [
        Panel(
            title=_title(side, model, label, method),
            map=Request(
                kind="map", model=model, key=key, label=label, method=method, baseline=baseline
            ),
            bands=Request(kind="bands", model=model, key=key, label=label, baseline=baseline),
        )
        for model, label, method in chosen
    ]


def word(*, predicted: bool) -> str:
    """Return "present" or "absent"."""
    return "present" if predicted else "absent"


def ranked(found: Result) -> list[str]:
    """Return the classes, the most probable first."""
    scores = sorted(found.prediction.labels, key=lambda score: -score.probability)
    return [score.label for score in scores]


def _labels(side: str, found: Result, option: Callable[[str], str]) -> list[str]:
    order = ranked(found)
    if side != SIDES[0]:
        return [show.pick("Land cover", order, "explain_label", option, field="labels")]
    named = [score.label for score in found.prediction.predicted]
    most = [label for label in order if label in named][:FIRST] or order[:1]
    return _several(f"Land covers (up to {MOST})", order, most, "labels", option)


def _several(
    title: str,
    options: Sequence[str],
    default: Sequence[str],
    field: str,
    option: Callable[[str], str],
) -> list[str]:
    """Let the user choose several options, which the address of the page has; at least one."""
    key = f"explain_{field}"
    url_state.seed_several(key, field, options, default, MOST)
    chosen = widgets.multiselect(
        title,
        options,
        format_func=option,
        max_selections=MOST,
        key=key,
        on_change=url_state.take,
        args=(key, field),
    )
    return chosen or list(default)


def _methods(name: str, side: str) -> list[str]:
    from landcover.explain.explanation import METHODS  # noqa: PLC0415 - loads torch

    known = measured(name)
    if set(shown.now().methods) & set(METHODS) - set(offered(name)):
        st.session_state["explain_all_methods"] = True
    names = offered(name, everything=bool(st.session_state.get("explain_all_methods")))

    def option(method: str) -> str:
        return f"{METHODS[method].title} ({rating(known, method)})"

    if side == SIDES[1]:
        methods = _several(f"Methods (up to {MOST})", names, names[:FIRST], "methods", option)
    else:
        methods = [
            show.pick(
                "Method",
                names,
                "explain_method",
                option,
                best_index(known, names),
                field="methods",
            )
        ]
    if known is not None and set(METHODS) - set(known.offered):
        widgets.checkbox(
            "Include methods that fail the randomisation check",
            key="explain_all_methods",
            persist_state="session",
        )
    return methods


def offered(name: str, *, everything: bool = False) -> list[str]:
    """Return the methods for a model, the best measured one first.

    Args:
        name: name of the model.
        everything: include methods that fail the randomisation check.
    """
    from landcover.explain.explanation import METHODS  # noqa: PLC0415 - loads torch

    known = measured(name)
    if known is None:
        return list(METHODS)
    best = [method for method in known.by_gain if method in METHODS]
    names = [*best, *(method for method in METHODS if method not in best)]
    passing = [method for method in names if method in known.offered]
    return names if everything or not passing else passing


def rating(known: Faithfulness | None, method: str) -> str:
    """Return how a method compares with chance and with the other methods, in a few words."""
    if known is None or method not in known.methods:
        return "not measured"
    return known.verdict(method).badge


def best_index(known: Faithfulness | None, names: Sequence[str]) -> int:
    """Return the index of the best measured method, which is the default."""
    from landcover.explain.explanation import DEFAULT_METHOD  # noqa: PLC0415 - loads torch

    best = (known.best if known is not None else None) or DEFAULT_METHOD
    return names.index(best) if best in names else 0


def _baseline() -> str:
    from landcover.explain.explanation import BASELINES  # noqa: PLC0415 - loads torch

    return show.pick(
        "Compared with",
        list(BASELINES),
        "explain_baseline",
        lambda name: BASELINE_TITLES.get(name, name),
        field="baseline",
    )


def _other_model(name: str, pixels: Raster) -> list[str]:
    from landcover.models import registry  # noqa: PLC0415 - loads torch

    every = registry.default().for_pictures() if pixels.is_rgb else loaded_models.for_patches()
    others = [other for other in every if other != name and _explainable(other)]
    if not others:
        st.caption("There is no second model with attribution maps.")
        return []
    picked = show.pick(
        "The other model", others, "explain_other", loaded_models.title, field="other"
    )
    return [_with_bands(picked, pixels)]


def _with_bands(name: str, pixels: Raster) -> str:
    """Return the name of that model with the bands of the pixels."""
    try:
        return loaded_models.registry_of(name).choice(name, pixels.bands).name
    except LandcoverError:
        return name


def _explainable(name: str) -> bool:
    try:
        return loaded_models.card(name).explainable
    except LandcoverError:
        return False


def _title(side: str, model: str, label: str, method: str) -> str:
    from landcover.explain.explanation import METHODS  # noqa: PLC0415 - loads torch

    if side == SIDES[0]:
        return cover_of(label).short
    return METHODS[method].title if side == SIDES[1] else loaded_models.title(model)


def measured(name: str) -> Faithfulness | None:
    """Return the measured faithfulness of a model's methods; None if there is none."""
    return _measured(name, loaded_models.stamp(name, MEASURED))[0]


def reason_not_measured(name: str) -> str:
    """Return why the faithfulness was not measured; empty if it was."""
    return _measured(name, loaded_models.stamp(name, MEASURED))[1]


@st.cache_resource(max_entries=16, show_spinner=False)
def _measured(
    name: str,
    state: loaded_models.Stamp,  # noqa: ARG001 - part of the cache's key
) -> tuple[Faithfulness | None, str]:
    from landcover.models.band_subset import estimated_bands  # noqa: PLC0415 - loads torch

    try:
        if estimated_bands(loaded_models.registry_of(name).card(name)):
            return None, (
                "Whether this method is faithful to a model that estimates bands was not measured."
            )
        found = ratings.load(loaded_models.registry_of(name).folder(name))
    except LandcoverError as error:
        return None, str(error)
    if found is None:
        return None, (
            "Whether this method is faithful to this model has not been measured. Measure it with "
            f"`landcover trust faithfulness ROOT --model {name} --save`."
        )
    return found, ""
