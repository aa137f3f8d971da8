"""The user's models: add, remove, restore, and export or import as one zip file.

Each model has a folder in ``LANDCOVER_HOME/models``. A new model is written to a temporary folder,
loaded from there to check it, and only then renamed to its final place, so that other processes
see either all of it or nothing. A removed model goes to ``LANDCOVER_HOME/trash/models``.

An archive holds the files of a model folder (:mod:`landcover.models.model_files`) under their
paths in that folder, without a top-level folder. Archives are untrusted: only known file names
are unpacked, and sizes are limited while reading, whatever the archive states.
"""

from __future__ import annotations

import io
import shutil
import stat
import struct
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

from landcover.core import files, once
from landcover.core.errors import BadInput, LandcoverError, UnknownName
from landcover.core.regular_file import open_regular
from landcover.io.guard import shown
from landcover.io.zip_reader import Budget, ZipFault, read_directory
from landcover.models import hub, model_files
from landcover.models.card import CARD_FILE, WEIGHTS_FILE, read_card
from landcover.models.model import MAX_WEIGHTS_BYTES, load_model
from landcover.models.registry import Registry

__all__ = [
    "MAX_ARCHIVE_BYTES",
    "add",
    "check_new",
    "export_archive",
    "forget_removed",
    "holds",
    "import_archive",
    "remove",
    "restore",
    "tidy",
]

MAX_ARCHIVE_BYTES: Final = MAX_WEIGHTS_BYTES + 100_000_000
_END: Final = struct.Struct("<4s4H2LH")
"""End record of a zip file: magic, disks, entries, size and offset of the directory."""
_MOMENT: Final = (1980, 1, 1, 0, 0, 0)
"""Date of all members, so that the same model gives the same archive."""


def tidy(registry: Registry) -> None:
    """Remove what killed runs of :func:`add` and :func:`import_archive` left."""
    files.remove_abandoned(registry.user)


def check_new(registry: Registry, name: str) -> None:
    """Check that a user's model may be added under a name.

    Raises:
        BadInput: the name is invalid, or a model already has it.
    """
    model_files.check_name(name)
    taken = {known.casefold() for known in registry.shipped_names()}
    published = {known.removeprefix(hub.PREFIX).casefold() for known in hub.MODELS}
    if name.casefold() in taken | published:
        kind = "shipped" if name.casefold() in taken else "published"
        raise BadInput(f"'{name}' is the name of a {kind} model: give another one with --name.")
    if name.casefold() in {path.name.casefold() for path in registry.user.glob("*")}:
        raise BadInput(
            f"You already have a model '{name}': remove it with `landcover models remove {name}`, "
            "or give another name with --name."
        )


def add(registry: Registry, model: str | Path, name: str | None = None) -> str:
    """Copy a model folder into the user's models.

    Args:
        registry: the registry to add it to.
        model: the path of a folder, or the name of a model to copy.
        name: the new name; by default the folder's name. The card of the copy gets this name
            and therefore a new hash, which its reports get as well.

    Returns:
        the name of the new model.

    Raises:
        LandcoverError: there is no such model, it cannot be used, or the name is taken.
    """
    source = registry.folder(model)
    name = source.resolve().name if name is None else name
    check_new(registry, name)
    load_model(source, "cpu")
    _add(registry, name, lambda new: model_files.copy(source, new))
    return name


def holds(registry: Registry, name: str, folder: Path) -> bool:
    """Whether the user's model of that name has the weights of a model folder.

    It says whether the result of a training was already added, before the training was
    interrupted or repeated.
    """
    try:
        return (
            registry.card(registry.user_folder(name)).weights_sha256
            == registry.card(folder).weights_sha256
        )
    except LandcoverError:
        return False


def remove(registry: Registry, name: str) -> Path:
    """Move a user's model to the trash.

    For a shipped model this is the user's copy with their reports; the shipped model stays.

    Returns:
        its folder in the trash.

    Raises:
        BadInput: it is a shipped model, or it cannot be moved.
        UnknownName: the user has no model of that name.
    """
    own, folder = registry.user_names(), registry.user_folder(name)
    if name not in own and name in registry.shipped_names():
        raise BadInput(f"'{name}' is a shipped model: only your own models can be removed.")
    if name not in own:
        raise UnknownName("model of your own", name, own)
    trash = _trash(registry)
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
    before = max(
        (path.name.rpartition("@")[2] for path in trash.glob(f"{folder.name}@*")), default=""
    )
    if before >= moment:  # the clock was set back; the last one removed must sort last
        moment = f"{before}+"
    target = trash / f"{folder.name}@{moment}"
    try:
        trash.mkdir(parents=True, exist_ok=True)
        folder.rename(target)
    except OSError as error:
        raise BadInput(
            f"The model '{name}' cannot be moved to '{trash}': {error.strerror or error}."
        ) from None
    once.forget()
    return target


def restore(registry: Registry, name: str) -> Path:
    """Move the most recently removed model of that name back to the user's models.

    Returns:
        its folder.

    Raises:
        BadInput: another model has that name now, or it cannot be moved.
        UnknownName: there is no such model in the trash.
    """
    trash = _trash(registry)
    stem = name.removeprefix(hub.PREFIX)
    found = sorted(path.parent for path in trash.glob(f"*@*/{CARD_FILE}"))
    names = {path.name.rpartition("@")[0] for path in found}
    if stem not in names:
        raise UnknownName("removed model", name, names)
    folder = registry.user_folder(name)
    if folder.exists():
        raise BadInput(f"You have another model '{name}' now: remove it first, then restore.")
    last = [path for path in found if path.name.rpartition("@")[0] == stem][-1]
    try:
        last.rename(folder)
    except OSError as error:
        raise BadInput(
            f"The model '{name}' cannot be moved back from '{last}': {error.strerror or error}."
        ) from None
    once.forget()
    return folder


def forget_removed(registry: Registry, keep: int) -> None:
    """Delete removed models for good, except those that were removed last.

    Args:
        registry: the registry that they were removed from.
        keep: how many stay.

    Raises:
        BadInput: one cannot be deleted.
    """
    trash = _trash(registry)
    found = sorted(trash.glob("*@*"), key=lambda path: path.name.rpartition("@")[2])
    for path in found[: max(0, len(found) - keep)]:
        try:
            shutil.rmtree(path)
        except OSError as error:
            raise BadInput(
                f"The removed model '{shown(path.name)}' cannot be deleted: "
                f"{error.strerror or error}."
            ) from None


def export_archive(registry: Registry, model: str | Path, path: Path) -> None:
    """Write a model with its reports to a zip file; the same files give the same bytes.

    Raises:
        LandcoverError: there is no such model, it cannot be used, or the file cannot be written.
    """
    folder = registry.folder(model)
    load_model(folder, "cpu")
    with files.replacing(path) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in model_files.contents(folder):
            member = zipfile.ZipInfo(name, _MOMENT)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(member, data)


def import_archive(registry: Registry, path: Path, name: str | None = None) -> str:
    """Validate an untrusted archive in the format of :func:`export_archive`, and add its model.

    Args:
        registry: the registry to add it to.
        path: path of the zip file.
        name: the new name; by default the one in the card.

    Returns:
        the name of the new model.

    Raises:
        BadInput: the archive is damaged or too large, contains files that do not belong to a
            model, or the name is taken.
        CorruptModel: its card or weights are damaged or do not belong together.
    """
    if name is not None:
        check_new(registry, name)
    files = _read(path)
    if missing := [file for file in (CARD_FILE, WEIGHTS_FILE) if file not in files]:
        raise BadInput(f"'{shown(path.name)}' holds no model: it has no {missing[0]}.")

    def unpack(new: Path) -> None:
        for file, data in files.items():
            model_files.write(new, file, data)

    return _add(registry, name, unpack)


def _add(registry: Registry, name: str | None, fill: Callable[[Path], None]) -> str:
    """Fill a temporary folder, check it, and rename it to the user's model of that name."""
    with registry.staging() as (new, place):
        fill(new)
        if name is None:
            name = read_card(new).name
            check_new(registry, name)
        model_files.rename(new, name)
        load_model(new, "cpu")
        for card in new.glob(f"baselines/*/{CARD_FILE}"):
            load_model(card.parent, "cpu")
        place(name)
    once.forget()
    return name


def _trash(registry: Registry) -> Path:
    return registry.user.parent / "trash" / "models"


def _read(path: Path) -> dict[str, bytes]:
    """Read the members of an archive; all must be files of a model within their size limits."""
    name = shown(path.name)
    try:
        with open_regular(path) as file:
            _check_end(file, name)
            return _members(file, name)
    except ZipFault as fault:
        raise BadInput(f"'{name}' {fault.why}: export it again.") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise BadInput(f"'{name}' cannot be read: {why}.") from None


def _check_end(file: BinaryIO, name: str) -> None:
    """Reject large files, and those whose last bytes are not what our export writes."""
    size = file.seek(0, io.SEEK_END)
    if size > MAX_ARCHIVE_BYTES:
        raise BadInput(
            f"'{name}' is larger than {MAX_ARCHIVE_BYTES / 1e6:,.0f} MB: it is not a model archive."
        )
    file.seek(max(0, size - _END.size))
    magic, _, _, _, _, _, _, comment = _END.unpack(file.read().rjust(_END.size, b"\0"))
    if magic != b"PK\x05\x06" or comment:
        raise BadInput(
            f"'{name}' is not an archive from `landcover models export`: export it again."
        )


def _members(file: BinaryIO, name: str) -> dict[str, bytes]:
    directory = read_directory(file, model_files.MAX_FILES)
    files = {}
    budget = Budget(MAX_ARCHIVE_BYTES)
    if len(directory.members) < directory.entries:
        raise BadInput(f"'{name}' holds folders, which do not belong to a model: export it again.")
    for member in directory.members.values():
        most = model_files.limit(member.name)
        if most is None or not member.is_plain:
            raise BadInput(
                f"'{name}' holds '{shown(member.name)}', which does not belong to a "
                "model: nothing was added."
            )
        if member.size > most:
            raise BadInput(
                f"'{shown(member.name)}' in '{name}' unpacks to more than "
                f"{most / 1e6:,.0f} MB: nothing was added."
            )
        files[member.name] = directory.read(file, member, budget)
    return files
