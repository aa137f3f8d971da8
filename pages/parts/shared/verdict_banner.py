"""Whether to believe an answer: the verdict of all checks, above the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import streamlit as st

from landcover.core.errors import LandcoverError, ModelMismatch
from pages.parts.shared import theme

if TYPE_CHECKING:  # at run time it would load torch before the map is drawn
    from landcover.trust.verdict import Decision, Verdict

HEADS: Final[dict[Decision, tuple[str, str]]] = {
    "answer": ("An answer.", ":material/check_circle:"),
    "warn": ("An answer with a warning.", ":material/warning:"),
    "cannot tell": ("I can't tell.", ":material/block:"),
}
"""Words and a sign each, so that colour is not needed to tell them apart."""


def show(judged: Verdict) -> None:
    """The decision with its reason, and below it what else was found or not checked."""
    box = {"answer": st.success, "warn": st.warning, "cannot tell": st.error}[judged.decision]
    head, icon = HEADS[judged.decision]
    box(f"**{head}** {theme.literal(judged.reason)}", icon=icon)
    more = further(judged)
    if more:
        label = f"{len(more)} more about whether to believe it"
        with st.expander(label):
            st.markdown("\n".join(f"- {theme.literal(sentence)}" for sentence in more))


def refuse(error: LandcoverError) -> None:
    """What a model says of pixels that it was not made for, or why it cannot be asked at all."""
    sentence = theme.literal(str(error))
    if isinstance(error, ModelMismatch):
        head, icon = HEADS["cannot tell"]
        st.error(f"**{head}** {sentence[:1].upper()}{sentence[1:]}", icon=icon)
    else:
        st.error(sentence)


def further(judged: Verdict) -> tuple[str, ...]:
    """What speaks against the answer besides the reason, and what was not checked."""
    return (*(finding.sentence for finding in judged.findings[1:]), *judged.unchecked)
