"""Patches with the largest loss of a model, with their images."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import streamlit as st

from landcover.core.errors import LandcoverError
from landcover.core.raster import ByteArray
from landcover.datasets import album
from landcover.datasets.own import NAME as OWN
from landcover.datasets.thumbnails import Thumbnails, open_thumbnails
from landcover.evaluate.report import Evaluation
from landcover.metrics import failures
from pages.parts.models import data
from pages.parts.shared import charts as show
from pages.parts.shared import class_link, elements, patch_link, theme

ALL: Final = "All classes"
COUNTS: Final = (6, 12, 24)
EVERYWHERE: Final = "All countries"
ACROSS: Final = 3
_NO_PICTURES: Final = (
    "There are no pictures, because the report does not say where your data are: start the app "
    f"with {patch_link.VARIABLE} set to their folder."
)


@show.section
def render(row: data.Row, report: Evaluation, folder: Path | None = None) -> None:
    """Show the worst patches with their labels, predictions and probabilities.

    Args:
        row: the model.
        report: its report.
        folder: where the data set lies, if that is known.
    """
    alone = report.exclusive
    left, middle, right = st.columns(3)
    with left:
        index = show.pick_class(report, "models_failures_class", ALL)
    with middle:
        places = sorted({country for country in report.predictions.countries if country})
        country = show.pick("Country", [EVERYWHERE, *places], "models_failures_country")
    with right:
        count = show.pick("Patches", COUNTS, "models_failures_count")
    table, order = _table(report, index)
    if country != EVERYWHERE:
        kept = table["Country"] == country
        table, order = table[kept], order[kept.to_numpy()]
    what = ALL.lower() if index is None else data.shorts(report)[index]
    st.caption(
        "Loss is cross-entropy in nats, "
        + ("−log of the true class's probability" if alone else f"mean over {what}")
        + ": 0 is perfect, 0.69 is a coin toss. The CSV file has every patch, the worst first, "
        "with all probabilities. A label can be wrong too, so look at the image before you blame "
        "the model."
    )
    shown = table.head(count)
    _pictures(report, order[:count], shown["Loss"].tolist(), folder)
    with st.expander("Show as a table"):
        show.numbers(
            shown[[c for c in table.columns if not c.startswith("p: ")]],
            f"failures-{row.name}",
            f"The worst patches of {row.title}",
        )
    show.download(table, show.file_stem("failures", row.name, what))


def _table(
    report: Evaluation, index: int | None
) -> tuple[pd.DataFrame, np.ndarray[Any, np.dtype[np.intp]]]:
    """Return all patches by decreasing loss, and their indices in the report."""
    found, alone = report.predictions, report.exclusive
    if index is None:
        loss = failures.patch_loss(found.truth, found.probability, exclusive=alone)
    else:
        loss = failures.cross_entropy(found.truth, found.probability)[:, index]
    order = failures.worst_first(loss)
    names, decided = np.array(data.shorts(report)), data.predicted(report)
    table = pd.DataFrame(
        {
            "Patch": np.array(found.ids)[order],
            "Country": np.array(found.countries)[order],
            "Loss": loss[order],
            "Labels": _joined(found.truth[order], names),
            "Predicted": _joined(decided[order], names),
            "Missed": _joined((found.truth & ~decided)[order], names),
            "False alarms": _joined((decided & ~found.truth)[order], names),
        }
    )
    chances = pd.DataFrame(
        found.probability[order].astype(np.float64), columns=[f"p: {name}" for name in names]
    )
    return pd.concat([table, chances], axis=1), order


def _joined(marks: np.ndarray[Any, np.dtype[np.bool_]], names: np.ndarray[Any, Any]) -> list[str]:
    return ["; ".join(names[row]) for row in marks]


def _pictures(
    report: Evaluation,
    order: np.ndarray[Any, np.dtype[np.intp]],
    loss: list[float],
    folder: Path | None,
) -> None:
    """Show each patch, with its image if the data set is on this computer."""
    dataset = report.metrics.dataset
    thumbnails, problem = _album(dataset, folder)
    if problem:
        st.info(theme.literal(problem))
    for start in range(0, len(order), ACROSS):
        for place, k, value in zip(
            st.columns(ACROSS), order[start : start + ACROSS], loss[start:], strict=False
        ):
            with place.container(border=True):
                _one(report, int(k), value, thumbnails, folder or patch_link.root())


def _album(dataset: str, known: Path | None) -> tuple[Thumbnails | None, str]:
    """Open the data set if it is on this computer, else say why it cannot be opened."""
    for folder in patch_link.folders(dataset) if known is None else (known,):
        try:
            return _opened(dataset, folder), ""
        except (LandcoverError, OSError, ValueError):  # the variable may name anything
            continue
    if known is not None:
        return None, "The data set is no longer in its folder, so the pictures are small."
    if patch_link.root() is None:
        return None, _NO_PICTURES if dataset == OWN else ""
    without = "there are no pictures" if dataset == OWN else "the pictures are small"
    return None, (
        f"{data.title_of(dataset)} is not in the folder that {patch_link.VARIABLE} names, so "
        f"{without}."
    )


@st.cache_resource(max_entries=2, ttl=600, show_spinner="Reading the data set's tables …")
def _opened(dataset: str, folder: Path) -> Thumbnails:
    return open_thumbnails(dataset, folder)


@st.cache_data(max_entries=64, ttl=600, show_spinner=False)
def _picture(_album: Thumbnails, dataset: str, folder: Path | None, patch: str) -> ByteArray:  # noqa: ARG001 - part of the cache's key
    return _album.picture(patch)


def _one(
    report: Evaluation, k: int, loss: float, thumbnails: Thumbnails | None, folder: Path | None
) -> None:
    """Show a patch: image, id, and the present or predicted classes with probabilities."""
    found = report.predictions
    patch, names = found.ids[k], report.classes
    if thumbnails is not None:
        try:
            pixels = _picture(thumbnails, report.metrics.dataset, folder, patch)
            elements.picture(pixels, f"True colours of patch {patch}", enlarge=3)
        except LandcoverError as error:
            st.caption(theme.literal(str(error)))
    elif (small := album.picture(patch)) is not None:
        elements.picture(small, f"True colours of patch {patch}", enlarge=4)
    decided = data.predicted(report)[k]
    lines = []
    for j in np.argsort(-found.probability[k], kind="stable"):
        there, called = bool(found.truth[k, j]), bool(decided[j])
        if there or called:
            outcome = {
                (True, True): "✓ found",
                (True, False): "✗ missed",
                (False, True): "✗ false alarm",
            }[there, called]
            lines.append(
                f"- {class_link.as_markdown(names[j])}: {found.probability[k, j]:.2f}, {outcome}"
            )
    where = found.countries[k] or "country unknown"
    st.markdown(f"**{theme.literal(where)}**, loss {loss:.2f}\n" + "\n".join(lines))
    st.caption(theme.literal(patch))
    reader = thumbnails.patch if thumbnails is not None and thumbnails.patches else None
    patch_link.button(patch, None, f"models_failure_{k}", reader)
