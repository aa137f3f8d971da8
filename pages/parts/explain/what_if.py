"""What-if: the result before and after changes, and its stability under shifts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from landcover.core.bands import COMPOSITES
from landcover.core.classes import cover_of
from landcover.core.errors import LandcoverError
from landcover.core.raster import Raster
from pages.parts.explain import computation, what_if_controls
from pages.parts.explain.choose import word
from pages.parts.explain.computation import Failed, Request, Subject
from pages.parts.shared import class_link, downloads, elements, loaded_models, theme, verdict_banner

if TYPE_CHECKING:  # at run time these would load torch before the page is drawn
    from landcover.explain.what_if import WhatIf
    from landcover.trust.result import Result
    from landcover.trust.shift_stability import Stability
    from landcover.trust.verdict import Verdict

SHOWN: Final = 8
ROW: Final = 40
BEFORE: Final = "#868e96"
AFTER: Final = "#d9731a"


@st.fragment
def show(name: str, key: str, subject: Subject, found: Result, aim: str) -> None:
    """Show the controls on the left and their effect on the right."""
    elements.heading("What if the patch looked different?")
    st.caption(
        "Change the patch and see how the probabilities change. The changes are kept when you "
        "choose another place."
    )
    left, right = st.columns(2, gap="large")
    with left:
        settings = what_if_controls.controls()
    assert not subject.pixels.is_rgb
    with right:
        if not settings.changes:
            st.info("Nothing is changed yet. Move a slider or switch a band off.")
            return
        try:
            outcome, judged = _outcome(
                loaded_models.load(name),
                loaded_models.stamp(name),
                key,
                settings,
                aim,
                subject.pixels,
                subject.scene,
            )
        except LandcoverError as error:
            st.error(theme.literal(str(error)))
            return
        _show_outcome(outcome, judged, found)
        elements.chart(
            chart(outcome, theme.ink()),
            "Probabilities before and after the change, as in the table",
            key="explain_whatif_chart",
        )
        st.caption(
            "Ring: before. Diamond: after. Vertical line: threshold from which a land cover counts "
            "as present."
        )
        with st.expander("All land covers as a table"):
            class_link.table(table(outcome), "Land cover")
            downloads.table("Before and after", values(outcome), "what-if", found)


@st.cache_resource(max_entries=64, show_spinner="Classifying the changed patch …")
def _outcome(
    _model: Any,  # noqa: ANN401 - a model, whose type would load torch
    state: loaded_models.Stamp,  # noqa: ARG001 - part of the cache's key
    key: str,  # noqa: ARG001 - as above
    settings: what_if_controls.Settings,
    aim: str,
    _patch: Raster,
    _scene: Raster | None,
) -> tuple[WhatIf, Verdict]:
    from landcover.explain import what_if  # noqa: PLC0415 - loads torch
    from landcover.trust.assessment import assess  # noqa: PLC0415 - loads torch

    found = what_if.what_if(_model, _patch, settings.changes, scene=_scene, aim=aim)
    return found, assess(_model, found.patch, found.after)


def _show_outcome(outcome: WhatIf, judged: Verdict, found: Result) -> None:
    left, right = st.columns([1, 2], vertical_alignment="top")
    with left:
        alt = "The changed patch in true colours"
        elements.picture(outcome.patch.image(COMPOSITES[0]), alt, enlarge=2)
    with right:
        st.markdown(theme.literal(sentence(outcome)))
        head, icon = judged.label, verdict_banner.ICONS[judged.decision]
        same = judged.decision == found.verdict.decision
        st.markdown(
            f"{icon} {'Still: ' if same else 'Now: '}**{head}.** {theme.literal(judged.reason)}"
        )
        if outcome.mirrored:
            st.caption(
                f"{outcome.mirrored:.0%} of the pixels are mirrored at the border, because the "
                "image ends there."
            )


def sentence(outcome: WhatIf) -> str:
    """Describe the change and its effect in one or two sentences."""
    what = f"With {'; '.join(outcome.descriptions)}"
    if not outcome.flipped:
        most = max(outcome.difference.items(), key=lambda item: abs(item[1]))
        return (
            f"{what}, no land cover changes between present and absent. The largest change is "
            f"{cover_of(most[0]).short}, by {points(most[1])} percentage points."
        )
    now = {score.label for score in outcome.after.labels if score.predicted}
    gained = [cover_of(label).short for label in outcome.flipped if label in now]
    lost = [cover_of(label).short for label in outcome.flipped if label not in now]
    parts = [f"{verb} {', '.join(names)}" for verb, names in (("finds", gained), ("loses", lost))
             if names]  # fmt: skip
    return f"{what}, the model {' and '.join(parts)}."


def points(change: float) -> str:
    """Format a change of probability in percentage points, with a sign and a proper minus."""
    text = f"{100 * change:+.0f}"
    return "0" if float(text) == 0 else text.replace("-", "−")


def most_changed(outcome: WhatIf) -> list[str]:
    """Return the classes that change most or are predicted, the most probable first."""
    predicted = {s.label for p in (outcome.before, outcome.after) for s in p.labels if s.predicted}
    change = outcome.difference
    order = sorted(change, key=lambda label: (label not in predicted, -abs(change[label])))[:SHOWN]
    before = {score.label: score.probability for score in outcome.before.labels}
    return sorted(order, key=lambda label: -before[label])


def chart(outcome: WhatIf, ink: theme.Ink) -> go.Figure:
    """Draw a line from before to after per class, with names above it so that they fit a phone."""
    labels = most_changed(outcome)
    before = {score.label: score for score in outcome.before.labels}
    after = {score.label: score for score in outcome.after.labels}
    figure = go.Figure()
    ys = [-float(k) for k in range(len(labels))]
    for y, label in zip(ys, labels, strict=True):
        ends = [before[label].probability, after[label].probability]
        figure.add_shape(type="line", x0=0, x1=1, y0=y, y1=y, line={"color": ink.line, "width": 1},
                         opacity=0.4)  # fmt: skip
        figure.add_shape(type="line", x0=ends[0], x1=ends[1], y0=y, y1=y,
                         line={"color": AFTER, "width": 4})  # fmt: skip
        value = f"{ends[0]:.0%} → {ends[1]:.0%}, {state_text(outcome, label)}"
        for x, text, side in ((0.0, cover_of(label).short, "left"), (1.0, value, "right")):
            figure.add_annotation(
                x=x, y=y + 0.5, text=text, showarrow=False, xanchor=side, yanchor="middle",
                font={"color": ink.text, "size": 13},
            )  # fmt: skip
    for xs, (symbol, colour, size) in (
        ([after[label].threshold for label in labels], ("line-ns", ink.text, 9)),
        ([before[label].probability for label in labels], ("circle-open", BEFORE, 12)),
        ([after[label].probability for label in labels], ("diamond", AFTER, 11)),
    ):
        figure.add_scatter(
            x=xs, y=ys, mode="markers", hoverinfo="skip",
            marker={"symbol": symbol, "size": size, "color": colour,
                    "line": {"width": 2, "color": colour}},
        )  # fmt: skip
    figure.update_layout(
        height=ROW * len(labels) + 16,
        margin={"l": 2, "r": 2, "t": 4, "b": 4},
        showlegend=False,
        dragmode=False,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        xaxis={"range": [-0.03, 1.03], "visible": False, "fixedrange": True},
        yaxis={"range": [-len(labels) + 0.6, 0.9], "visible": False, "fixedrange": True},
    )
    return figure


def state_text(outcome: WhatIf, label: str) -> str:
    """Return whether a class is present after the change, and whether that is new."""
    now = next(score.predicted for score in outcome.after.labels if score.label == label)
    was = next(score.predicted for score in outcome.before.labels if score.label == label)
    return word(predicted=now) if now == was else f"now {word(predicted=now)}"


def table(outcome: WhatIf) -> pd.DataFrame:
    """Return one row per class, the most probable first."""
    after = {score.label: score for score in outcome.after.labels}
    scores = sorted(outcome.before.labels, key=lambda score: -score.probability)
    return pd.DataFrame(
        {
            "Land cover": cover_of(score.label).short,
            "Before": f"{score.probability:.1%}",
            "After": f"{after[score.label].probability:.1%}",
            "Change (points)": points(after[score.label].probability - score.probability),
            "Label": state_text(outcome, score.label),
        }
        for score in scores
    ).set_index("Land cover")


def values(outcome: WhatIf) -> pd.DataFrame:
    """Return the same as numbers with the changes, for a file."""
    after = {score.label: score for score in outcome.after.labels}
    return pd.DataFrame(
        {
            "label": score.label,
            "before": score.probability,
            "after": after[score.label].probability,
            "predicted_before": score.predicted,
            "predicted_after": after[score.label].predicted,
            "changes": "; ".join(outcome.descriptions),
        }
        for score in outcome.before.labels
    )


def show_stability(request: Request, found: Result) -> None:
    """Show how much of the result stays the same if the window moves by 100 m."""
    elements.heading("Is it stable if the window moves?")
    piece = computation.store().get(request)
    if piece is None:
        st.caption("The shifted windows are being classified …")
        return
    if isinstance(piece, Failed):
        st.info(theme.literal(piece.sentence))
        return
    left, right = st.columns([1, 3], vertical_alignment="center")
    with left:
        st.metric(f"Stability under {piece.shift_m:.0f} m", f"{piece.score:.0%}")
    with right:
        st.markdown(theme.literal(piece.sentence))
        st.caption(
            "Stability: of the land covers predicted in either window, the share predicted in "
            f"both, averaged over {piece.windows} windows shifted to the sides and corners. It is "
            "100 % if no land cover appears or disappears."
        )
    with st.expander("Change of each land cover"):
        class_link.table(stability_table(piece, found), "Land cover")
        downloads.table("Stability", stability_values(piece, found), "stability", found)


def stability_table(piece: Stability, found: Result) -> pd.DataFrame:
    """Return one row per class, the largest change first."""
    chances = {score.label: score for score in found.prediction.labels}
    order = sorted(piece.change, key=lambda label: -piece.change[label])
    return pd.DataFrame(
        {
            "Land cover": cover_of(label).short,
            "Here": f"{chances[label].probability:.1%}, {word(predicted=chances[label].predicted)}",
            "Largest change (points)": f"{100 * piece.change[label]:.0f}",
            "Label changes in": f"{piece.flips.get(label, 0)} of {piece.windows} windows",
        }
        for label in order
    ).set_index("Land cover")


def stability_values(piece: Stability, found: Result) -> pd.DataFrame:
    """Return the same as numbers, for a file."""
    return pd.DataFrame(
        {
            "label": score.label,
            "probability": score.probability,
            "predicted": score.predicted,
            "largest_change": piece.change[score.label],
            "windows_turned": piece.flips.get(score.label, 0),
            "windows": piece.windows,
            "shift_m": piece.shift_m,
            "stability": piece.score,
        }
        for score in found.prediction.labels
    )
