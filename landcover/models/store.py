"""The user's models: add, rename, remove, restore, and export or import as one zip file.

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
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import BinaryIO, Final

from landcover.core import files, limits, once
from landcover.core.errors import BadInput, LandcoverError, UnknownName
from landcover.core.regular_file import open_regular
from landcover.io.guard import shown
from landcover.io.zip_reader import Budget, ZipFault, read_directory
from landcover.models import hub, model_files, renaming
from landcover.models.card import CARD_FILE, WEIGHTS_FILE, read_card
from landcover.models.model import MAX_WEIGHTS_BYTES, load_model
from landcover.models.registry import Registry

__all__ = [
    "MAX_ARCHIVE_BYTES",
    "NameTaken",
    "Removed",
    "add",
    "check_new",
    "export_archive",
    "forget_removed",
    "holds",
    "import_archive",
    "remove",
    "removed",
    "rename",
    "restore",
    "tidy",
]

MAX_ARCHIVE_BYTES: Final = MAX_WEIGHTS_BYTES + 100_000_000
_END: Final = struct.Struct("<4s4H2LH")
"""End record of a zip file: magic, disks, entries, size and offset of the directory."""
_STEM: Final = 55
"""Most letters of a name to which a number is added."""
_TIME: Final = "%Y%m%dT%H%M%S.%f"
"""When a model was removed, at the end of its folder's name in the trash."""
_MOMENT: Final = (1980, 1, 1, 0, 0, 0)
"""Date of all members, so that the same model gives the same archive."""


def tidy(registry: Registry) -> None:
    """Finish or remove what killed runs of :func:`add`, :func:`rename` and others left."""
    renaming.finish(registry)
    files.remove_abandoned(registry.user)


class NameTaken(BadInput):
    """A model already has the name.

    Args:
        message: the sentence.
        free: a similar name that no model has.
    """

    def __init__(self, message: str, free: str) -> None:
        super().__init__(message)
        self.free = free


def check_new(registry: Registry, name: str) -> None:
    """Check that a user's model may be added under a name.

    Raises:
        NameTaken: a model already has it.
        BadInput: the name is invalid.
    """
    model_files.check_name(name)
    shipped = {known.casefold() for known in registry.shipped_names()}
    published = {known.removeprefix(hub.PREFIX).casefold() for known in hub.MODELS}
    own = {path.name.casefold() for path in registry.user.glob("*")}
    free = _free(name, shipped | published | own)
    if name.casefold() in shipped | published:
        kind = "shipped" if name.casefold() in shipped else "published"
        raise NameTaken(f"'{name}' is the name of a {kind} model: give another name.", free)
    if name.casefold() in own:
        raise NameTaken(
            f"You already have a model '{name}': give another name, or rename or remove that one.",
            free,
        )


def _free(name: str, taken: AbstractSet[str]) -> str:
    """Return a name with the lowest number that makes it free."""
    tried = (f"{name[:_STEM]}-{number}" for number in count(2))
    return next(one for one in tried if one.casefold() not in taken)


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


def rename(registry: Registry, old: str, new: str) -> Path:
    """Give a user's model another name.

    Its reports and what was fitted for it stay valid, and its card keeps the old name, by which
    models that were adapted from it find it. Runs that name it are changed by
    :func:`landcover.jobs.runs.models.rename`, which calls this function.

    Args:
        registry: the registry that has it.
        old: its name; also that of a model that is not used because a shipped one has the name.
        new: its new name.

    Returns:
        its folder.

    Raises:
        BadInput: it is a shipped or published model, the name is invalid or taken, or the model is
            being written to.
        CorruptModel: it is damaged.
        UnknownName: the user has no model of that name.
    """
    own = registry.user_names()
    if old in registry.shipped_names() and old not in registry.shadowed():
        raise BadInput(f"'{old}' is a shipped model: only your own models can be renamed.")
    if old not in own:
        raise UnknownName("model of your own", old, own)
    if hub.is_published(old):
        raise BadInput(f"'{old}' is a published model and keeps its name: add a copy of it.")
    if new.casefold() == old.casefold():
        raise BadInput(
            f"'{new[:60]}' is the name that the model has: give one that differs in more than "
            "capital letters."
        )
    tidy(registry)
    check_new(registry, new)
    _refuse_busy(registry.user_folder(old), old)
    folder = renaming.move(registry, old, new)
    once.forget()
    return folder


def _refuse_busy(folder: Path, name: str) -> None:
    if file := renaming.busy(folder):
        raise BadInput(
            f"Another program writes '{shown(file)}' of the model '{name}' now: wait until it ends."
        )


def remove(registry: Registry, name: str) -> Path:
    """Move a user's model to the trash, of which only the latest are kept.

    For a shipped model this is the user's copy with their reports; the shipped model stays.

    Returns:
        its folder in the trash.

    Raises:
        BadInput: it is a shipped model, is being written to, or cannot be moved.
        UnknownName: the user has no model of that name.
    """
    own, folder = registry.user_names(), registry.user_folder(name)
    if name not in own and name in registry.shipped_names():
        raise BadInput(f"'{name}' is a shipped model: only your own models can be removed.")
    if name not in own:
        raise UnknownName("model of your own", name, own)
    _refuse_busy(folder, name)
    trash = _trash(registry)
    moment = datetime.now(UTC).strftime(_TIME)
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
    with suppress(BadInput):  # an older one that cannot be deleted; this one was removed
        forget_removed(registry, keep=limits.current().models_removed)
    return target


@dataclass(frozen=True, kw_only=True)
class Removed:
    """A model in the trash.

    Attributes:
        id: by which :func:`restore` brings back this one, also if a later one had the same name.
        name: its name among the user's models.
        when: when it was removed, in UTC; None if that is not known.
        folder: its folder.
    """

    id: str
    name: str
    when: datetime | None
    folder: Path


def removed(registry: Registry) -> list[Removed]:
    """List the models that can be restored, the latest first."""
    trash = _trash(registry)
    found = []
    for folder in once.folders_with(trash, CARD_FILE):
        name, _, moment = folder.rpartition("@")
        if model_files.is_name(name):
            known = f"{hub.PREFIX}{name}" if f"{hub.PREFIX}{name}" in hub.MODELS else name
            one = Removed(id=folder, name=known, when=_when(moment), folder=trash / folder)
            found.append((moment, one))
    return [one for _, one in sorted(found, key=lambda pair: pair[0], reverse=True)]


def _when(moment: str) -> datetime | None:
    try:
        return datetime.strptime(moment.rstrip("+"), _TIME).replace(tzinfo=UTC)
    except ValueError:
        return None


def restore(registry: Registry, name: str) -> str:
    """Move a removed model back to the user's models.

    Args:
        registry: the registry that had it.
        name: its name, for the one of that name that was removed last; or the id of
            :func:`removed`.

    Returns:
        its name.

    Raises:
        BadInput: another model has that name now, or it cannot be moved.
        UnknownName: there is no such model in the trash.
    """
    found = removed(registry)
    last = next((one for one in found if name in (one.id, one.name)), None)
    if last is None:
        raise UnknownName("removed model", name, {one.name for one in found})
    folder = registry.user_folder(last.name)
    if folder.exists():
        raise BadInput(
            f"You have another model '{last.name}' now: rename or remove it first, then restore."
        )
    try:
        last.folder.rename(folder)
    except OSError as error:
        raise BadInput(
            f"The model '{last.name}' cannot be moved back from '{last.folder}': "
            f"{error.strerror or error}."
        ) from None
    once.forget()
    return last.name


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
