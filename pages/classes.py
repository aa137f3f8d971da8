"""The Classes page: what each class means, how it looks, and how good the model is at it."""

from __future__ import annotations

from typing import Final

import streamlit as st

from landcover.core import class_guide
from landcover.core.errors import LandcoverError
from pages.parts.classes import one, overview
from pages.parts.shared import charts, elements, entry, theme

ALL: Final = "All classes"


def main() -> None:
    """Choose a class and show it, or show all."""
    elements.title("What do the classes mean?")
    guides = class_guide.guides()
    chosen = charts.pick(
        "Class",
        [ALL, *guides],
        overview.KEY,
        lambda name: guides[name].title if name in guides else name,
        field=overview.FIELD,
    )
    if chosen in guides:
        one.show(guides[chosen])
    else:
        overview.show()


entry.require_app(__file__)
try:
    main()
except LandcoverError as error:
    st.error(theme.literal(str(error)))
