"""Files of a model folder: which may exist, their size limits, and how to copy them.

Apart from card and weights these are the training's configuration and history, saved reports
(``evaluation/``), values measured or fitted for the model (``trust/``), its cover head
(``area/``), and the baselines that it is compared with (``baselines/``). Other files, such as
checkpoints, are not copied.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final

from landcover.core import files
from landcover.core.errors import BadInput
from landcover.core.regular_file import read_regular
from landcover.core.untrusted_json import parse
from landcover.io.guard import shown
from landcover.models.card import (
    CARD_FILE,
    MAX_CARD_BYTES,
    MAX_FORMER,
    WEIGHTS_FILE,
    Card,
    FormerName,
    read_card,
)
from landcover.models.cover import FOLDER as AREA_FOLDER
from landcover.models.fitted_files import MAX_BYTES
from landcover.models.model import MAX_WEIGHTS_BYTES

__all__ = [
    "MAX_FILES",
    "carry_over",
    "check_name",
    "contents",
    "copy",
    "is_name",
    "limit",
    "paths",
    "rename",
    "restamp",
    "write",
]

MAX_FILES: Final = 200
_PART: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_NAME: Final = re.compile(_PART)
_LIMITS: Final[tuple[tuple[re.Pattern[str], int], ...]] = (
    (re.compile(re.escape(CARD_FILE)), MAX_CARD_BYTES),
    (re.compile(re.escape(WEIGHTS_FILE)), MAX_WEIGHTS_BYTES),
    (re.compile(r"config\.json"), 1_000_000),
    (re.compile(r"history\.csv"), 5_000_000),
    (re.compile(rf"evaluation/{_PART}\.(json|parquet)"), 20_000_000),
    (re.compile(rf"trust/{_PART}\.(json|safetensors)"), MAX_BYTES),
    (re.compile(rf"{AREA_FOLDER}/{_PART}\.(json|safetensors)"), MAX_BYTES),
    (re.compile(rf"baselines/{_PART}/{re.escape(CARD_FILE)}"), MAX_CARD_BYTES),
    (re.compile(rf"baselines/{_PART}/{re.escape(WEIGHTS_FILE)}"), MAX_WEIGHTS_BYTES),
)
"""Pattern of a path in the folder → size limit in bytes."""
_WITH_HASH: Final = ("evaluation/", "trust/", f"{AREA_FOLDER}/")
"""Folders whose files hold the hash of the card."""
_DIRECTORIES: Final = (".", "evaluation", "trust", AREA_FOLDER, "baselines/*")


def is_name(name: str) -> bool:
    """Whether a model may have that name: letters, digits, ``.``, ``_`` and ``-``, 64 at most."""
    return _NAME.fullmatch(name) is not None and not name.endswith(".")


def check_name(name: str) -> None:
    """Check that a name is valid for a model.

    Raises:
        BadInput: the name is not valid.
    """
    if not is_name(name):
        raise BadInput(
            f"'{name[:60]}' cannot be a model's name: use up to 64 letters, digits, '-', '_' and "
            "'.', with a letter or digit first."
        )


def limit(path: str) -> int | None:
    """Return the size limit in bytes of a path in the folder; None if it may not be there."""
    return next((most for pattern, most in _LIMITS if pattern.fullmatch(path)), None)


def paths(folder: Path) -> list[str]:
    """List the known files of a model folder, as sorted relative paths with ``/``."""
    found = (path for place in _DIRECTORIES for path in folder.glob(f"{place}/*"))
    names = (path.relative_to(folder).as_posix() for path in found if path.is_file())
    return sorted(name for name in names if limit(name) is not None)


def contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Iterate over path and bytes of each known file of a model folder.

    Raises:
        BadInput: a file is too large or cannot be read.
    """
    for name in paths(folder):
        yield name, _read(folder, name)


def _read(folder: Path, name: str) -> bytes:
    path, most = folder / name, limit(name) or 0
    try:
        return read_regular(path, most, inside=folder)
    except OSError:
        raise BadInput(
            f"'{shown(str(path))}' cannot be read, or is a link out of the model's folder: "
            "check its permissions, or put the file itself there."
        ) from None
    except ValueError:
        raise BadInput(
            f"'{shown(str(path))}' is larger than the limit of {most / 1e6:,.0f} MB: "
            "it is not a file of a model."
        ) from None


def write(folder: Path, name: str, data: bytes) -> None:
    """Write one file of a model folder.

    Args:
        folder: the model folder.
        name: path of the file in the folder.
        data: its content.

    Raises:
        BadInput: the file cannot be written.
    """
    path = folder / name
    files.make_folder(path.parent)
    files.write_bytes(path, data)


def copy(source: Path, target: Path) -> None:
    """Copy the known files of a model folder into another folder.

    Raises:
        BadInput: a file is too large, or cannot be read or written.
    """
    for name, data in contents(source):
        write(target, name, data)


def carry_over(source: Path, target: Path, names: Collection[str]) -> None:
    """Copy what was fitted for one model to another for which it holds as well.

    Args:
        source: folder of the one model.
        target: folder of the other, with its card.
        names: paths in the folders; those that are missing, or not fitted for the card of
            ``source``, are left out.

    Raises:
        CorruptModel: a card is damaged.
        BadInput: a file is too large, or cannot be read or written.
    """
    old, new = read_card(source), read_card(target)
    for name, data in contents(source):
        if name not in names:
            continue
        stamp = _stamped_json if name.endswith(".json") else _stamped_tensors
        stamped = stamp(data, _as_former(old), new)
        if stamped is not None:
            write(target, name, stamped)


def rename(folder: Path, name: str, *, keep_former: bool = False) -> Card:
    """Rename the model in a folder, and update the card's hash in its reports.

    A card's hash covers its name, and reports and the files in ``trust/`` and ``area/`` are used
    only if they contain the hash of the card next to them. Files of another card stay unchanged.

    Args:
        folder: the model folder.
        name: the new name.
        keep_former: whether the card keeps the old name and hash, so that what refers to the model
            by them finds it. A copy keeps none.

    Returns:
        the new card.

    Raises:
        CorruptModel: the card is damaged.
        BadInput: a file cannot be written.
    """
    old = read_card(folder)
    if old.name == name:
        return old
    former = (*old.former, _as_former(old))[-MAX_FORMER:] if keep_former else ()
    new = old.with_fields(name=name, former=former)
    new.write(folder)
    restamp(folder, _as_former(old), new)
    return new


def restamp(folder: Path, old: FormerName, new: Card) -> None:
    """Replace name and hash of a card in reports and fitted files.

    Args:
        folder: a model folder, or another one with reports in ``evaluation/``.
        old: what the files hold; files of another card stay unchanged.
        new: the card that they belong to from now on.

    Raises:
        BadInput: a file cannot be read or written.
    """
    for path in paths(folder):
        if not path.startswith(_WITH_HASH):
            continue
        data, stamped = _read(folder, path), None
        if path.endswith(".json"):
            stamped = _stamped_json(data, old, new)
        elif path.endswith(".safetensors"):
            stamped = _stamped_tensors(data, old, new)
        if stamped is not None:
            files.write_bytes(folder / path, stamped)


def _as_former(card: Card) -> FormerName:
    return FormerName(name=card.name, card=card.hash)


def _stamped_json(data: bytes, old: FormerName, new: Card) -> bytes | None:
    """Return the file with the new hash; None if it is damaged or of another card.

    Such a file is left for its reader to report.
    """
    try:
        values = parse(data)
        if not _stamp(values, old, new):
            return None
        _stamp(values.get("values"), old, new)
        return (json.dumps(values, indent=1, ensure_ascii=False) + "\n").encode()
    except ValueError:
        return None


def _stamped_tensors(data: bytes, old: FormerName, new: Card) -> bytes | None:
    """Do the same for a safetensors file: eight bytes of length, a JSON header, the tensors."""
    end = 8 + int.from_bytes(data[:8], "little")
    try:
        header = parse(data[8:end])
        if not _stamp(header.get("__metadata__"), old, new):
            return None
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    except (ValueError, AttributeError):
        return None
    text += b" " * (-len(text) % 8)  # keep the tensors aligned
    return len(text).to_bytes(8, "little") + text + data[end:]


def _stamp(values: Any, old: FormerName, new: Card) -> bool:  # noqa: ANN401 - untrusted JSON
    """Replace a card's hash and name in one object; return whether it had the old hash."""
    if not isinstance(values, dict):
        return False
    found = values.get("card_hash") == old.card
    if found:
        values["card_hash"] = new.hash
    if values.get("model") == old.name:
        values["model"] = new.name
    return found
