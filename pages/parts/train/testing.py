"""Testing a model on labelled data: the form, and the result as the Models page shows it."""

from __future__ import annotations

from functools import partial
from typing import Final

import streamlit as st

from landcover.core.errors import LandcoverError, UnknownName
from landcover.datasets.labelled import ALL, SPLITS
from landcover.evaluate import report_files
from landcover.evaluate.report import Evaluation
from landcover.jobs.runs import record
from landcover.jobs.runs.order import RunOrder
from landcover.jobs.runs.record import Run
from landcover.jobs.runs.testing import report_of
from landcover.models import registry
from landcover.models.card import WEIGHTS_FILE
from pages.parts.models import data as models
from pages.parts.models import failures, leaderboard, views
from pages.parts.shared import charts as show
from pages.parts.shared import elements, theme, widgets
from pages.parts.train import cost, live
from pages.parts.train.folder import Data

FAILED: Final = "train_test_failed"
SUMMARY: Final = "Metrics"
VIEWS: Final = (
    "Classes",
    "Confusion",
    "Co-occurrence",
    "Thresholds",
    "Reliability",
    "Risk and coverage",
    "Failures",
)
"""Views of the Models page that any report has something for."""
_CHOSEN: Final = "train_result"
_NEWEST: Final = "train_result_newest"
_FEW: Final = 20
"""Patches below which figures say next to nothing."""
_ADDED: Final = "train_report_added"


def form(data: Data) -> None:
    """Show the form of a test; queue it when it is started."""
    elements.heading("Test a model")
    names = [name for name in registry.default().names() if _suits(name, data)]
    if not names:
        st.info("No installed model is made for this kind of data.")
        return
    name = widgets.selectbox(
        "Model to test",
        names,
        format_func=registry.default().title,
        key=f"train_test_model_{data.pictures}",
        persist_state="session",
    )
    offered = [split for split in reversed(SPLITS) if data.count(split)] + [ALL]
    split = widgets.segmented_control(
        "Split",
        offered,
        default=offered[0],
        required=True,
        key=f"train_test_split_{'_'.join(offered)}",
    )
    if failed := st.session_state.pop(FAILED, None):
        st.error(theme.literal(failed))
    order = RunOrder(
        kind="test",
        dataset=data.name,
        root=data.root,
        model=name or names[0],
        name=f"{name or names[0]} on {data.root.name}, {split}"[:120],
        split=split or offered[0],
    )
    cost.show(order)
    widgets.button(
        "Start the test",
        key="train_test_start",
        type="primary",
        icon=":material/play_arrow:",
        on_click=cost.start,
        args=(order, FAILED),
    )


def _suits(name: str, data: Data) -> bool:
    """Return whether a model takes this kind of data, and tells these classes apart."""
    try:
        card = registry.default().card(name)
    except LandcoverError:
        return False
    return card.exclusive == data.pictures and set(card.classes) == set(data.classes)


def results() -> None:
    """Show the report of a finished test."""
    finished = {
        run.id: run
        for run in record.all_runs()
        if run.order.kind == "test" and run.state == "finished"
    }
    if not finished:
        return
    elements.heading("Results")
    newest = max(finished.values(), key=lambda run: run.ended or run.created).id
    if st.session_state.get(_NEWEST, newest) != newest:
        st.session_state[_CHOSEN] = newest  # it was waited for
    st.session_state[_NEWEST] = newest
    chosen = show.pick("Test", list(finished), _CHOSEN, lambda run: live.titled(finished[run]))
    show_report(finished[chosen])


def show_report(run: Run) -> None:
    """Show the report of a finished test, one view at a time, or say that its model was removed.

    Raises:
        LandcoverError: the report is damaged.
    """
    try:
        entry, found = _entry(run)
    except UnknownName:
        st.info(
            f"The model '{theme.literal(run.order.model)}' of this test was removed. Bring it back "
            "on the page Models, under *Your models*, to see the result."
        )
        return
    if (count := found.metrics.n) < _FEW:
        measured = "1 patch was" if count == 1 else f"{count} patches were"
        st.warning(
            f"Only {measured} measured: the figures, and intervals that look narrow, say next to "
            "nothing of other patches."
        )
    rows = models.rows([entry])
    hidden = views.SEVERAL_LABELS if found.exclusive else frozenset()
    view = show.switch(
        "View", [SUMMARY, *(one for one in VIEWS if one not in hidden)], "train_view"
    )
    _keep(run, found)
    row = next(one for one in rows if one.name == entry.name)
    if view == SUMMARY:
        split = models.split_of(found)
        leaderboard.render([entry], rows, split, "The model and baselines")
    elif view == "Failures":
        failures.render(row, found, run.order.root)
    else:
        views.OF_REPORT[view](row, found)


def _entry(run: Run) -> tuple[models.Entry, Evaluation]:
    """Return a test as the Models page knows models with their reports.

    Raises:
        LandcoverError: the model was removed, or the report is damaged.
    """
    report = _report(run.id, run.folder.stat().st_mtime_ns)
    name = run.order.model
    weights = registry.default().folder(name) / WEIGHTS_FILE
    size = weights.stat().st_size if weights.is_file() else 0
    return models.Entry(name, registry.default().card(name), size, report), report


@st.cache_resource(max_entries=8, show_spinner="Reading the report …")
def _report(run: str, stamp: int) -> Evaluation:  # noqa: ARG001 - part of the cache's key
    return report_of(record.run_of(run).folder)


def _keep(run: Run, report: Evaluation) -> None:
    """Let the user put the report beside those that the Models page shows, for models of theirs."""
    model = run.order.model
    if model not in registry.default().user_names():
        return
    split = (report.metrics.dataset, report.metrics.split)
    folder = registry.default().folder(model)
    if split in report_files.reports(folder) and st.session_state.get(_ADDED) != run.id:
        return
    if st.session_state.get(_ADDED) == run.id:
        st.success(f"The page Models shows this report of {theme.literal(model)} now.")
        return
    widgets.button(
        "Show it on Models too",
        key="train_keep_report",
        icon=":material/add_chart:",
        on_click=partial(_add, run.id, report, model),
    )


def _add(run: str, report: Evaluation, model: str) -> None:
    try:
        report_files.write_report(report, registry.default().folder(model))
    except LandcoverError as error:
        st.session_state[FAILED] = str(error)
        return
    st.session_state[_ADDED] = run
