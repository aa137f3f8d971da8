"""How a user's model gets another name without a moment at which a part of it is missing.

The renamed model is made beside the old one, of links to the same files, and put in its place as a
whole; then the old folder goes. A program that is killed before leaves the old model, one that is
killed later leaves the new one. In between, a note says which old folder is to go; the next program
that changes the user's models does that.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from landcover.core import disk_errors, files, locks, untrusted_json
from landcover.core.errors import BadInput, LandcoverError
from landcover.core.regular_file import read_regular
from landcover.models import model_files
from landcover.models.card import read_card
from landcover.models.model import load_model
from landcover.models.registry import Registry

__all__ = ["busy", "finish", "move"]

_NOTE: Final = ".renamed"
"""File among the user's models that names the old folder and the new one."""
_MOST_BYTES: Final = 10_000
_PATIENCE_S: Final = 20.0


def move(registry: Registry, old: str, new: str) -> Path:
    """Rename the folder of a user's model, and the model in its card and reports.

    Raises:
        CorruptModel: the model is damaged.
        BadInput: it holds links or devices, or the disk cannot be written to.
    """
    source, target = registry.user_folder(old), registry.user_folder(new)
    note = registry.user / _NOTE
    with files.lock_file(note, wait_s=_PATIENCE_S), registry.staging() as (made, place):
        made.rmdir()
        files.copy_folder(source, made)
        model_files.rename(made, target.name, keep_former=True)
        load_model(made, "cpu")
        files.write_text(note, json.dumps({"old": source.name, "new": target.name}))
        place(new)
        _drop(source, made.with_name("old"), note)
    return target


def finish(registry: Registry) -> None:
    """Finish a renaming that was killed; does nothing while one is under way."""
    note = registry.user / _NOTE
    if not note.is_file():
        return
    try:
        with files.lock_file(note), files.aside(registry.user, "model") as parent:
            _finish(registry.user, note, parent)
    except BadInput:
        return  # another program renames a model now, or the folder cannot be written to


def busy(folder: Path) -> str:
    """Name a file in a model folder that another program writes now; empty if there is none."""
    for path in folder.rglob(f"*{files.LOCK_FILE}"):
        if locks.is_held(path):
            return path.name.removesuffix(files.LOCK_FILE).strip(".") or folder.name
    return ""


def _finish(user: Path, note: Path, parent: Path) -> None:
    try:
        values = untrusted_json.parse(read_regular(note, _MOST_BYTES, inside=user))
        old, new = (user / values[key] for key in ("old", "new"))
        if all(model_files.is_name(path.name) and path.parent == user for path in (old, new)):
            last = read_card(new).former[-1]
            if (read_card(old).name, read_card(old).hash) == (last.name, last.card):
                _drop(old, parent / "old", note)
    except (OSError, ValueError, KeyError, TypeError, IndexError, LandcoverError):
        pass  # it was killed before the new folder was there, or after the old one was gone
    note.unlink(missing_ok=True)


def _drop(old: Path, away: Path, note: Path) -> None:
    """Let the old folder vanish at once; its files are deleted with the temporary folder."""
    with disk_errors.explained(old, folder=True):
        old.rename(away)
        note.unlink()
