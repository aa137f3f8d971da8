"""Labels of a folder that are probably wrong, each with its picture and the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Final

import pandas as pd
import streamlit as st

from landcover.core import limits
from landcover.core.classes import cover_of
from landcover.core.errors import LandcoverError
from landcover.core.progress import Report, check
from landcover.datasets.labelled import Record
from landcover.jobs import queue
from landcover.jobs.job import Job
from pages.parts.data import patches
from pages.parts.data.folder import Folder
from pages.parts.shared import charts as show
from pages.parts.shared import class_link, job_bar, sessions, theme, widgets

if TYPE_CHECKING:  # at run time it would load the library before the page is drawn
    from landcover.train.label_errors import Checked, Suspect

ALL: Final = "All classes"
SHOWN: Final = 12
ACROSS: Final = 3
_JOB, _FOUND, _FAILED = "data_errors_job", "data_errors_found", "data_errors_failed"


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """The result of a check, and the folder and predictions that it is of."""

    folder: Folder
    predictions: str
    checked: Checked


def render(folder: Folder) -> None:
    """Offer the check, and show its progress and its result."""
    st.markdown(
        "A label is suspected if a model **that has not seen the patch** contradicts it clearly "
        "(confident learning, Northcutt et al. 2021, by cleanlab). This says where to look first, "
        "not what is wrong: many suspected labels are right and only hard to tell. Random errors "
        "are found better than those of people, who confuse similar classes."
    )
    if _running() is not None:
        job_bar.watch(_running, _collect, "data_errors_cancel")
        return
    predictions = widgets.text_input(
        "Out-of-fold predictions (optional)",
        key="data_predictions",
        max_chars=limits.current().path_letters,
        help="A CSV file with a column patch and one of probabilities for each class, or the "
        "folder of a recipe that `landcover evaluate --by country --out OUT` has written, such as "
        "OUT/landcover-cnn. Without it, extra trees are fitted to the statistics of bands.",
        persist_state="session",
    ).strip()
    if widgets.button("Look for label errors", key="data_errors_start", type="primary"):
        _start(folder, predictions)
        st.rerun()
    if failed := st.session_state.get(_FAILED):
        st.error(theme.literal(failed))
    found = st.session_state.get(_FOUND)
    if isinstance(found, Found) and found.folder is folder:
        _result(found)


def _running() -> Job | None:
    job = st.session_state.get(_JOB)
    return job if isinstance(job, Job) else None


def _start(folder: Folder, predictions: str) -> None:
    """Start the job that reads the patches, fits, and compares."""
    st.session_state[_FAILED] = st.session_state[_FOUND] = None

    def work(report: Report, cancel: Event) -> Found:
        from landcover.train import label_errors  # noqa: PLC0415 - loads torch

        check(cancel)
        path = Path(predictions).expanduser() if predictions else None
        checked = label_errors.of_dataset(folder.dataset, (), path, report, cancel)
        return Found(folder=folder, predictions=predictions, checked=checked)

    try:
        key = ("label errors", str(folder.root), folder.dataset.name, folder.stamp, predictions)
        st.session_state[_JOB] = queue.default().submit(
            queue.LONG, key, work, owner=sessions.current()
        )
    except LandcoverError as error:
        st.session_state[_FAILED] = str(error)


def _collect(job: Job) -> None:
    st.session_state[_JOB] = None
    if isinstance(job.result, Found):
        st.session_state[_FOUND] = job.result
    else:
        st.session_state[_FAILED] = job.error or "Stopped: no label was checked."


@show.section
def _result(found: Found) -> None:
    checked = found.checked
    counted = pd.Series([one.label for one in checked.suspects], dtype=object).value_counts()
    st.markdown(
        f"**{len(checked.suspects):,} labels** of {len(checked.records):,} patches are suspected. "
        f"Probabilities are out of fold: {theme.literal(checked.by)}."
    )
    rare = [name for name in found.folder.dataset.classes if name not in checked.classes]
    if rare:
        st.caption(f"Too rare, or too frequent, to be checked: {class_link.several(rare)}.")
    if not checked.suspects:
        return
    chosen = show.pick(
        "Class",
        [ALL, *counted.index],
        "data_errors_class",
        lambda name: name if name == ALL else f"{cover_of(name).short} ({counted[name]})",
    )
    listed = [one for one in checked.suspects if chosen in (ALL, one.label)]
    if len(listed) > SHOWN:
        st.caption(f"The {SHOWN} most suspect of {len(listed):,}; the table has all of them.")
    shown = [checked.records[one.row] for one in listed[:SHOWN]]
    reasons = [_linked(one) for one in listed[:SHOWN]]
    patches.grid(found.folder, shown, "data_error", ACROSS, reasons)
    table = as_table(checked.records, listed)
    with st.expander("Show as a table"):
        show.numbers(table, "label-errors", "Suspected labels, the most suspect first")
    show.download(table, "label-errors")


def _linked(one: Suspect) -> str:
    """Return why a label is suspected, in Markdown, with a link to what the class means."""
    link = class_link.as_markdown(one.label, one.label)
    return theme.literal(one.reason).replace(theme.literal(one.label), link, 1)


def as_table(records: Sequence[Record], suspects: Sequence[Suspect]) -> pd.DataFrame:
    """Return one row for each suspected label."""
    return pd.DataFrame(
        {
            "Patch": records[one.row].patch_id,
            "Class": cover_of(one.label).short,
            "Labelled": "yes" if one.given else "no",
            "Probability": one.probability,
            "Reason": one.reason,
            "Country": records[one.row].country,
            "Split": records[one.row].split,
        }
        for one in suspects
    )
