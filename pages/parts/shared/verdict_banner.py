"""Show whether a prediction is reliable: the verdict of all checks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import streamlit as st

from landcover.core.errors import LandcoverError, ModelMismatch
from landcover.trust.verdict import DECISION_LABELS
from pages.parts.shared import theme

if TYPE_CHECKING:
    from landcover.trust.verdict import Decision, Verdict

ICONS: Final[dict[Decision, str]] = {
    "answer": ":material/check_circle:",
    "warn": ":material/warning:",
    "cannot tell": ":material/block:",
}
"""An icon for each decision, so that colour is never the only sign."""


def show(judged: Verdict) -> None:
    """Show the decision with its reason, and in an expander the other findings and skipped checks.

    Args:
        judged: the verdict on one patch or picture.
    """
    box = {"answer": st.success, "warn": st.warning, "cannot tell": st.error}[judged.decision]
    head = DECISION_LABELS[judged.decision]
    box(f"**{head}.** {theme.literal(judged.reason)}", icon=ICONS[judged.decision])
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
