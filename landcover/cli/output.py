"""Files that commands write: checked and locked before the work, and named after it."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from landcover.core.errors import BadInput
from landcover.core.text import one_line

__all__ = ["check", "saving", "saving_card", "written"]


def check(path: Path, suffixes: Collection[str], *, option: str = "--out") -> None:
    """Check that a file can be written, before anything is computed.

    Args:
        path: the file.
        suffixes: that its name may have.
        option: that named it.

    Raises:
        BadInput: its suffix is none of ``suffixes``, its folder does not exist, or it is a folder.
    """
    if path.suffix.lower() not in suffixes:
        *others, last = sorted(suffixes)
        kinds = f"{', '.join(others)} or {last}" if others else last
        raise BadInput(f"{option} must name a {kinds} file, not '{path.name}'.")
    if not _is_folder(path.parent):
        raise BadInput(f"The folder '{path.parent}' does not exist: make it, or name another.")
    if _is_folder(path):
        raise BadInput(f"'{path.name}' is a folder: name a file for {option}.")


@contextmanager
def saving(options: argparse.Namespace, model: str, *names: str) -> Iterator[Path | None]:
    """The folder into which ``--save`` writes; no other run makes the same files meanwhile.

    Args:
        options: with ``save``.
        model: name or path of the model.
        names: names of the files without extension.

    Returns:
        The model folder; None without ``--save``.

    Raises:
        BadInput: another run makes one of them, or nothing can be saved for the model.
    """
    from landcover.models import registry  # noqa: PLC0415 - loads torch
    from landcover.trust import files  # noqa: PLC0415 - as above

    if not options.save:
        yield None
        return
    folder = registry.default().saves_to(model)
    with files.writing(folder, *names):
        yield folder


@contextmanager
def saving_card(options: argparse.Namespace, model: str) -> Iterator[Path | None]:
    """The folder whose card ``--save`` changes; no other run changes it meanwhile.

    Args:
        options: with ``save``.
        model: name or path of the model.

    Returns:
        The model folder; None without ``--save``.

    Raises:
        BadInput: the model is shipped, another run changes its card, or nothing can be saved.
    """
    from landcover.core import files  # noqa: PLC0415 - as above
    from landcover.models import registry  # noqa: PLC0415 - loads torch
    from landcover.models.card import CARD_FILE  # noqa: PLC0415 - as above

    if not options.save:
        yield None
        return
    if model in registry.default().shipped_names():
        raise BadInput(
            f"'{model}' is a shipped model, whose card stays as it is: copy it with "
            f"`landcover models add {model} --name NAME` and give the copy's name."
        )
    folder = registry.default().saves_to(model)
    with files.lock_file(folder / CARD_FILE):
        yield folder


def written(path: Path | str, *, size: bool = False) -> str:
    """The line that names what was written; names of files can contain control characters.

    Args:
        path: a file or a folder.
        size: whether to state the file's size.
    """
    line = one_line(f"Written: {path}")
    return f"{line} ({Path(path).stat().st_size:,} bytes)" if size else line


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # not a valid file name; writing reports it
        return False
