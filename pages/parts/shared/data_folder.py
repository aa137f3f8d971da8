"""Choosing a labelled data set in a folder of this computer, which is opened at once.

Whoever may train in the app may name its folders: see :mod:`pages.parts.shared.training`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import streamlit as st

from landcover.core import home, limits
from landcover.core.errors import LandcoverError
from landcover.datasets.example_folder import write_example
from pages.parts.shared import theme, widgets

TITLES: Final[dict[str, str]] = {
    "bigearthnet": "BigEarthNet, either version, or a fast store of it",
    "bigearthnet-v2": "BigEarthNet v2 (reBEN)",
    "bigearthnet-v1": "BigEarthNet v1",
    "eurosat": "EuroSAT RGB",
    "folder": "Your own: stacks or band folders with a table of labels",
}
"""Kind of data set, as ``--dataset`` takes it → its title."""
_FAILED: Final = "data_folder_failed"
_FILES: Final = 60
"""Files of a folder whose dates tell whether it has changed since it was read."""
Stamp = tuple[Any, ...]
Opened = TypeVar("Opened")


def choose(page: str, kinds: Sequence[str], invitation: str) -> tuple[str, str] | None:
    """Let the user name the kind and the folder of a data set; None until a folder is named.

    Args:
        page: name of the page, with which the keys of its widgets begin.
        kinds: what may be chosen, keys of :data:`TITLES`.
        invitation: what the folder is for, said as long as none is named.
    """
    widgets.selectbox(
        "Data set",
        kinds,
        format_func=lambda kind: TITLES.get(kind, kind),
        key=f"{page}_dataset",
        persist_state="session",
    )
    widgets.text_input(
        "Folder on this computer",
        key=f"{page}_root",
        max_chars=limits.current().path_letters,
        placeholder="/data/BigEarthNet",
        persist_state="session",
    )
    if failed := st.session_state.pop(_FAILED, None):
        st.error(theme.literal(failed))
    named = str(widgets.value(f"{page}_root")).strip()
    if named:
        return widgets.value(f"{page}_dataset"), named
    st.info(invitation)
    widgets.button(
        "Try it with the six example patches",
        key=f"{page}_example",
        icon=":material/science:",
        on_click=_example,
        args=(page,),
    )
    return None


def opened(read: Callable[[str, Path, Stamp], Opened], kind: str, named: str) -> Opened | None:
    """Open a data set; None, with the reason on the page, if that is not possible.

    Args:
        read: takes the kind, the folder, and a value that changes with the folder, for caches.
        kind: as ``--dataset`` takes it.
        named: the folder, as it was typed.
    """
    try:
        root = Path(named).expanduser().absolute()
        return read(kind, root, _stamp(root))
    except LandcoverError as error:
        st.error(theme.literal(str(error)))
    except (OSError, RuntimeError, ValueError):  # no such user, a null character, a name too long
        st.error("This folder cannot be read: check its path.")
    return None


def _example(page: str) -> None:
    """Write the example into the program's own folder, and choose it."""
    try:
        folder = write_example(home.folder() / "examples" / "six-patches")
    except LandcoverError as error:
        st.session_state[_FAILED] = str(error)
        return
    st.session_state[f"{page}_dataset"] = "bigearthnet"
    st.session_state[f"{page}_root"] = str(folder)


def _stamp(root: Path) -> Stamp:
    """Return a cache key that changes with the tables in a folder."""
    if not root.is_dir():
        return ()
    found = []
    for path in root.iterdir():
        found.append((path.name, path.stat().st_mtime_ns))
        if len(found) == _FILES:
            break
    return (root.stat().st_mtime_ns, *sorted(found))
