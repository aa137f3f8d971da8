"""Show which land covers are there and whether to rely on it: the headline and the checks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import streamlit as st

from landcover.core.errors import LandcoverError, ModelMismatch
from landcover.trust.verdict import DECISION_LABELS
from landcover.trust.wording import headline, next_step
from pages.parts.shared import theme

if TYPE_CHECKING:
    from landcover.trust.result import Result
    from landcover.trust.verdict import Decision, Verdict

ICONS: Final[dict[Decision, str]] = {
    "answer": ":material/check_circle:",
    "warn": ":material/warning:",
    "cannot tell": ":material/block:",
    "unchecked": ":material/help:",
}
"""An icon for each decision, so that colour is never the only sign."""


def show(found: Result) -> None:
    """Show the headline with the reason and what to do next, then the other findings.

    Only a prediction for which all checks were made and passed is green. If some could not be
    made, they are listed in the open.

    Args:
        found: prediction and verdict for one patch or picture.
    """
    judged = found.verdict
    boxes = {"answer": st.success, "warn": st.warning, "cannot tell": st.error}
    partly = judged.decision == "answer" and bool(judged.unchecked)
    box = st.info if partly else boxes.get(judged.decision, st.info)
    text = f"{theme.literal(judged.reason)} {next_step(judged)}".rstrip()
    icon = ICONS["unchecked"] if partly else ICONS[judged.decision]
    box(f"**{theme.literal(headline(found.prediction, judged))}** {text}", icon=icon)
    if partly:
        st.caption("  \n".join(map(theme.literal, judged.unchecked)))
        return
    more = further(judged)
    if more:
        label = f"Other findings and skipped checks ({len(more)})"
        with st.expander(label):
            st.markdown("\n".join(f"- {theme.literal(sentence)}" for sentence in more))


def show_error(error: LandcoverError) -> None:
    """Show why there is no prediction.

    Args:
        error: a :class:`~landcover.core.errors.ModelMismatch` is shown as the verdict "Can't tell";
            any other error as its message alone.
    """
    sentence = theme.literal(str(error))
    if isinstance(error, ModelMismatch):
        head = DECISION_LABELS["cannot tell"]
        st.error(f"**{head}.** {sentence[:1].upper()}{sentence[1:]}", icon=ICONS["cannot tell"])
    else:
        st.error(sentence)


def further(judged: Verdict) -> tuple[str, ...]:
    """Return the findings after the first, which is the reason, and then the skipped checks."""
    return (*(finding.sentence for finding in judged.findings[1:]), *judged.unchecked)
