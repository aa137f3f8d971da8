"""What the user has taught: corrections of answers, and the models that are adapted to them.

On a personal computer both are in the program's home folder, and stay. On a server each session has
a folder of its own for them, which is removed with the session, so nobody sees what others teach.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import streamlit as st

from landcover.adapt.corrections import FILE, Correction, Kept, current
from landcover.core import limits
from landcover.core.errors import BadInput, LandcoverError
from pages.parts.shared import choice, holdings

if TYPE_CHECKING:  # at run time it would load torch before the map is drawn
    from landcover.models.registry import Registry

VARIABLE: Final = "LANDCOVER_PERSONAL"
"""Environment variable that is ``1`` if only one person uses the app; ``make run`` sets it."""
LEAST: Final = 5
"""Fewest corrections from which an adapted model is offered."""
FAILED: Final = "taught_failed"
"""State key of why the latest change was not possible; whoever shows it removes it."""
_REMOVED: Final = "taught_removed"
_CHOICES: Final = "taught_choices"
_READ: Final = "taught_read"


def is_personal() -> bool:
    """Whether one person uses the app: the environment says so, and other computers cannot."""
    if os.environ.get(VARIABLE, "").strip() != "1":
        return False
    address = str(st.get_option("server.address") or "")
    try:
        return address == "localhost" or ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def where() -> str:
    """Say in one sentence where what is taught is kept, and for how long."""
    if is_personal():
        return (
            "Your corrections and adapted models are kept on this computer, in the program's own "
            "folder, until you remove them."
        )
    return (
        "Your corrections and adapted models belong to this browser tab: nobody else sees them, "
        "and they are gone once you close or reload it. Export the corrections to keep them."
    )


def kept() -> Kept:
    """Return where the corrections are kept.

    Raises:
        BadInput: the session's folder cannot be made.
    """
    if is_personal():
        return Kept.default()
    return Kept(path=holdings.now().folder / FILE)


def everything() -> tuple[Correction, ...]:
    """Return all corrections, oldest first, with those that later ones have replaced.

    Raises:
        BadInput: the file is damaged.
    """
    if not is_personal() and not holdings.now().has_folder:
        return ()
    file = kept()
    try:
        found = file.path.stat()
    except OSError:
        return ()
    # Another tab on a personal computer may have written the file.
    stamp = (str(file.path), found.st_mtime_ns, found.st_size, found.st_ino)
    if st.session_state.get(_READ, (None,))[0] != stamp:
        st.session_state[_READ] = (stamp, file.read())
    return st.session_state[_READ][1]  # type: ignore[no-any-return]  # just put there


def corrections() -> tuple[Correction, ...]:
    """Return the last correction of each window, oldest first.

    Raises:
        BadInput: the file is damaged.
    """
    return current(everything())


def of_pixels(sha256: str) -> Correction | None:
    """Return the correction of a window by the hash of its pixels, or None."""
    return next((one for one in corrections() if one.pixels_sha256 == sha256), None)


def add(made: Iterable[Correction]) -> int:
    """Keep corrections; return how many are new.

    Raises:
        BadInput: they are too many, or cannot be written.
    """
    new, most, there = list(made), limits.current().session_corrections, len(everything())
    if not is_personal() and there + len(new) > most:
        raise BadInput(
            f"A browser tab keeps at most {most:,} corrections, and there are {there:,}: remove "
            "some, or bring fewer."
        )
    st.session_state[_REMOVED] = ()
    return kept().add(new)


def remove(which: str) -> None:
    """Remove a correction by its id; it can be brought back.

    Raises:
        BadInput: there is none, or the file cannot be written.
    """
    st.session_state[_REMOVED] = (kept().undo(which, tidy=False),)


def remove_all() -> None:
    """Remove all corrections; they can be brought back.

    Raises:
        BadInput: the file cannot be written.
    """
    st.session_state[_REMOVED] = kept().clear()


def attempt(change: Callable[..., object], *given: object) -> None:
    """Make a change; the callback of a button. If it is not possible, note why."""
    try:
        change(*given)
    except LandcoverError as error:
        st.session_state[FAILED] = str(error)


def removed() -> tuple[Correction, ...]:
    """Return what was removed last and can be brought back."""
    return tuple(st.session_state.get(_REMOVED, ()))


def bring_back() -> None:
    """Bring back what was removed last.

    Raises:
        BadInput: the file cannot be written.
    """
    back = removed()
    st.session_state[_REMOVED] = ()
    kept().add(back)


def remember(one: Correction, chosen: choice.Chosen) -> None:
    """Remember which choice a correction is about, so that it can be shown again."""
    st.session_state.setdefault(_CHOICES, {})[one.pixels_sha256] = chosen


def choice_of(one: Correction) -> choice.Chosen:
    """Return the choice that shows the window of a correction, or its place."""
    known = st.session_state.get(_CHOICES, {}).get(one.pixels_sha256)
    if isinstance(known, choice.Chosen) and choice.is_held(known):
        return known
    return choice.at(*one.place)


def own_registry() -> Registry | None:
    """Return the models that only this session has; None if it keeps them with all others."""
    if is_personal() or not holdings.now().has_folder:
        return None
    return _registry_in(holdings.now().folder)


def _registry_in(folder: Path) -> Registry:
    from landcover.models import registry  # noqa: PLC0415 - loads torch

    return registry.Registry(shipped=registry.default().shipped, home=folder)


def registry_to_add() -> Registry:
    """Return where an adapted model is added.

    Raises:
        BadInput: the session's folder cannot be made, or has too many models.
    """
    from landcover.models import registry  # noqa: PLC0415 - loads torch

    if is_personal():
        return registry.default()
    from landcover.models import store  # noqa: PLC0415 - as above

    own, most = _registry_in(holdings.now().folder), limits.current().session_models
    if len(own.user_names()) >= most:
        raise BadInput(f"A browser tab keeps at most {most} adapted models: remove one of them.")
    store.forget_removed(own, keep=1)
    return own
