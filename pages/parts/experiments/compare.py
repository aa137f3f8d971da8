"""Two experiments side by side: what they reached, the settings that differ, their curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import pandas as pd
import streamlit as st

from landcover.jobs.runs import comparison
from landcover.jobs.runs.comparison import shown
from landcover.jobs.runs.experiments import Experiment
from pages.parts.experiments import details, listing
from pages.parts.models import curves
from pages.parts.shared import charts as show
from pages.parts.shared import elements, theme

CHARTS: Final = (
    ("loss", "Loss (cross-entropy)", (("train_loss", "training"), ("val_loss", "validation"))),
    ("ap", "AP on validation", (("val_macro_ap", "macro"), ("val_micro_ap", "micro"))),
)
"""Name, title, and columns of the history with their names."""


def render(found: Sequence[Experiment]) -> None:
    """Let the user choose two experiments, and show in what they differ.

    Raises:
        LandcoverError: the settings of one cannot be read.
    """
    if len(found) < 2:
        st.info("There is only one experiment: start another on the page Train to compare them.")
        return
    # Trainings first, and as B those of the kind of A, which have the same settings.
    known = {each.key: each for each in sorted(found, key=_is_test)}
    left, right = st.columns(2)
    with left:
        first = known[_pick("A", list(known), known, field="run")]
    others = [key for key in known if key != first.key]
    others.sort(key=lambda key: _is_test(known[key]) != _is_test(first))
    with right:
        second = known[_pick("B", others, known, field="beside")]
    _reached(first, second)
    _settings(first, second)
    _curves(first, second)


def _is_test(one: Experiment) -> bool:
    return one.kind == "test"


def _pick(letter: str, keys: list[str], known: Mapping[str, Experiment], *, field: str) -> str:
    return show.pick(
        f"Experiment {letter}",
        keys,
        f"experiments_{letter.lower()}",
        lambda option: listing.titled(known[option]),
        field=field,
    )


def _reached(first: Experiment, second: Experiment) -> None:
    elements.heading("What they reached")
    one, two = details.facts(first), details.facts(second)
    names = list(dict.fromkeys(["Name", *one, *two]))
    cells = [{"Name": each.name, **facts} for each, facts in ((first, one), (second, two))]
    table = pd.DataFrame(
        {
            "": names,
            **{
                letter: [values.get(name, "–") for name in names]
                for letter, values in zip("AB", cells, strict=True)
            },
        }
    )
    show.numbers(table, "reached", "Name, state, epochs, average precision and time of both")


def _settings(first: Experiment, second: Experiment) -> None:
    elements.heading("Settings that differ")
    found = comparison.compare(first, second)
    differing = found.differing
    if _is_test(first) != _is_test(second):
        st.caption("One is a training and the other a test: only what both have is compared.")
        differing = {name: pair for name, pair in differing.items() if None not in pair}
    same = "1 other setting is" if found.same == 1 else f"{found.same} other settings are"
    if not differing:
        st.markdown(f"None; {found.same} are the same.")
        return
    table = pd.DataFrame(
        {
            "Setting": list(differing),
            "A": [shown(one) for one, _ in differing.values()],
            "B": [shown(two) for _, two in differing.values()],
        }
    )
    show.numbers(table, "differing", "Settings in which the two differ, with both values")
    st.caption(f"{same} the same. A dash: not set, or not known.")
    show.download(table, show.file_stem("settings", first.name, second.name))


def _curves(first: Experiment, second: Experiment) -> None:
    drawn = [each for each in (first, second) if each.history]
    if not drawn:
        return
    elements.heading("Curves")
    if len(drawn) == 1:
        st.caption(f"Only {theme.literal(drawn[0].name)} has epochs.")
    for stem, title, columns in CHARTS:
        table = over_each_other(first, second, columns)
        if len(table.columns) < 2:
            continue
        styles = _styled(columns)
        figure = curves.lines(table, [(name, name) for name in styles], title, [*styles.values()])
        show.chart(
            figure,
            table,
            show.file_stem(stem, first.name, second.name),
            f"{title} of A and B by epoch",
        )


def over_each_other(first: Experiment, second: Experiment, kinds: curves.Columns) -> pd.DataFrame:
    """Return the epochs of two experiments in one table, with a column for each curve.

    Args:
        first: A.
        second: B.
        kinds: columns of the history, with their names.
    """
    tables = [pd.DataFrame(index=pd.Index([], name="epoch", dtype=int))]
    for letter, each in (("A", first), ("B", second)):
        history = curves.table_of(each.history)
        named = {
            column: f"{letter}, {kind}"
            for column, kind in kinds
            if curves.measured(history, column)
        }
        if named:
            tables.append(history.set_index("epoch")[list(named)].rename(columns=named))
    return pd.concat(tables, axis=1).sort_index().reset_index()


def _styled(kinds: curves.Columns) -> dict[str, show.Style]:
    """Return one colour and symbol an experiment, and one dash a kind of curve."""
    return {
        f"{letter}, {kind}": replace(show.style(k), dash=show.DASHES[2 * number])
        for k, letter in enumerate("AB")
        for number, (_, kind) in enumerate(kinds)
    }
