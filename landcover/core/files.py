"""The one way to write a file or a folder, to lock an output, and to use temporary folders.

A file is written aside, in a temporary folder next to its place, brought to the disk and then
renamed. At any moment there is the old file or the new one, never a part of one, whether the
program is killed, the disk is full or the power fails. Errors of the disk are one sentence.

What a killed program leaves is removed by the next one that writes to the same folder. A lock of
the kernel tells the two apart: it ends with the process, so neither the clock nor process numbers
matter. On Windows and on file systems without locks nothing is removed and nothing is locked.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from landcover.core import disk_errors, home, locks
from landcover.core.errors import BadInput
from landcover.core.locks import LOCK_FILE
from landcover.core.text import plain

__all__ = [
    "LOCK_FILE",
    "PARTS",
    "aside",
    "check_apart",
    "copy_folder",
    "free_bytes",
    "is_own",
    "lock",
    "lock_file",
    "make_folder",
    "probe",
    "remove_abandoned",
    "replacing",
    "scratch",
    "settle",
    "write_bytes",
    "write_part",
    "write_text",
]

_ASIDE: Final = re.compile(r"\..*\.landcover-[0-9a-f]{12}\.part", re.DOTALL)
_LOCK: Final = re.compile(r"(\..*)?\.landcover-lock", re.DOTALL)
_SCRATCH: Final = "landcover-scratch"
PARTS: Final = ".parts"
"""End of the name of a folder with the finished parts of an output that was stopped."""
_PROBED: Final = 1_000_000
"""Bytes that are appended to a file to find out why it cannot be written."""
_swept: set[tuple[int, int, int]] = set()
"""Process, device and inode of the folders from which this process has removed what was left."""


def write_bytes(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Write a file; an older one is replaced at once, or stays if the writing fails.

    Args:
        path: the file; its folder must exist.
        content: its bytes.
        durable: whether to wait for the disk. Without it a file can be empty after a power
            failure, so its readers must be able to tell.

    Raises:
        BadInput: it cannot be written.
    """
    with replacing(path, durable=durable) as part:
        part.write_bytes(content)


def write_text(path: Path, content: str, *, durable: bool = True) -> None:
    """Write a file of UTF-8 text as :func:`write_bytes` does; lines end as in ``content``.

    Raises:
        BadInput: it cannot be written.
    """
    write_bytes(path, content.encode("utf-8", "replace"), durable=durable)


def write_part(path: Path, content: bytes) -> None:
    """Write a file in a folder of :func:`aside`, which as a whole is brought to the disk later.

    Raises:
        BadInput: it cannot be written.
    """
    with disk_errors.explained(path):
        path.write_bytes(content)


def check_apart(written: Iterable[Path], *read: str | Path | None) -> None:
    """Check that no file that is read would be replaced by one that is written.

    Args:
        written: files that a command writes.
        read: files that it reads, or texts that may name one; None is none.

    Raises:
        BadInput: one would be.
    """
    targets = tuple(written)
    for source in [Path(name) for name in read if name]:
        if any(_is_same(source, path) for path in targets):
            raise BadInput(
                f"'{plain(source.name)}' is read, and the result would replace it: give the "
                "result another name."
            )


def _is_same(one: Path, other: Path) -> bool:
    """Whether two paths lead to one file, also by links."""
    try:
        return one.absolute() == other.absolute() or one.samefile(other)
    except (OSError, ValueError):  # one of them does not exist, or is no path
        return False


def probe(path: Path) -> None:
    """Append bytes to a file in a folder of :func:`aside` that another library could not write.

    Libraries often say only that writing failed. The disk then says why.

    Raises:
        OSError: the disk is full, or cannot be written to.
    """
    with path.open("ab", buffering=0) as file:
        left = _PROBED
        while left:
            left -= file.write(bytes(left))


@contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """A temporary path for a writer of any kind; it becomes ``path`` at the end of the block.

    It has the same file name, and so the same extension. If the block fails or writes nothing, an
    older file stays. A link is replaced, not followed.

    Args:
        path: the file; its folder must exist.
        durable: as for :func:`write_bytes`.

    Raises:
        BadInput: it cannot be written; any error of the operating system in the block counts.
    """
    with disk_errors.explained(path):
        _check_target(path)
        with _temporary(path.parent, f".{path.name[:40]}") as folder:
            part = folder / path.name
            yield part
            settle(part, path, durable=durable)


@contextmanager
def aside(parent: Path, name: str) -> Iterator[Path]:
    """A temporary folder in ``parent``, to be filled and then renamed with :func:`settle`.

    It is removed at the end of the block with what is left in it.

    Args:
        parent: an existing folder on the disk to which the result is to go.
        name: what is made there; it only serves to recognise the folder.

    Raises:
        BadInput: it cannot be written; any error of the operating system in the block counts.
    """
    with disk_errors.explained(parent / name), _temporary(parent, f".{name[:40]}") as folder:
        yield folder


def settle(part: Path, path: Path, *, durable: bool = True) -> None:
    """Bring a file or folder to the disk, then rename it to its final path.

    Args:
        part: what was written, on the same disk.
        path: where it belongs. A file is replaced; a folder only if it is empty.
        durable: as for :func:`write_bytes`.

    Raises:
        BadInput: the disk is full, or something else is there.
    """
    with disk_errors.explained(path):
        if durable:
            for each in part.rglob("*") if part.is_dir() else ():
                _sync(each)
            _sync(part)
        part.replace(path)
        if durable:
            _sync(path.parent)


def copy_folder(source: Path, target: Path) -> None:
    """Copy a folder in a folder of :func:`aside`, by links to its files where that is possible.

    This module only ever replaces files, so the copies do not change with each other. Locks and
    temporary folders are left out.

    Args:
        source: the folder.
        target: the copy, which must not exist.

    Raises:
        BadInput: it holds a link or a device, or the copy cannot be written.
    """

    def left_out(folder: str, names: list[str]) -> list[str]:
        for path in (Path(folder, name) for name in names):
            kind = path.lstat().st_mode
            if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
                raise BadInput(
                    f"'{plain(path.name)}' in '{plain(source.name)}' is a link or a device: put "
                    "the file itself there, or move it away."
                )
        return [name for name in names if is_own(name)]

    with disk_errors.explained(target, folder=True):
        shutil.copytree(source, target, ignore=left_out, copy_function=_link)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without links
        shutil.copy2(source, target)


def make_folder(path: Path) -> None:
    """Make a folder with its parents, unless it exists.

    Raises:
        BadInput: it cannot be made, or a file is there.
    """
    with disk_errors.explained(path, folder=True):
        path.mkdir(parents=True, exist_ok=True)


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Lock an output folder, so that two runs never mix their files; it is made if missing.

    The lock ends with the block, and when the process ends in any way. A folder that was made
    for it and stays empty is removed.

    Raises:
        BadInput: another run, or another thread of this one, writes to the folder; or it cannot
            be written to.
    """
    with disk_errors.explained(folder, folder=True):
        made = not folder.is_dir()
        folder.mkdir(parents=True, exist_ok=True)
        handle = locks.take(folder / LOCK_FILE, folder)
    try:
        with disk_errors.explained(folder, folder=True):
            _sweep(folder)
        yield
    finally:
        locks.release(handle, folder / LOCK_FILE)
        if made:
            with suppress(OSError):
                folder.rmdir()


@contextmanager
def lock_file(path: Path, *, wait_s: float = 0.0) -> Iterator[None]:
    """Lock an output file in the same way, with a lock file beside it.

    Args:
        path: the file.
        wait_s: how long to wait for another run that holds the lock, in seconds.

    Raises:
        BadInput: another run writes to the file, or its folder cannot be written to.
    """
    beside = locks.beside(path)
    with disk_errors.explained(path):
        handle = locks.take(beside, path, wait_s=wait_s)
    try:
        yield
    finally:
        locks.release(handle, beside)


def free_bytes(path: Path) -> int:
    """Room on the disk of a path, which need not exist, in bytes."""
    return shutil.disk_usage(next(each for each in (path, *path.parents) if each.exists())).free


def is_own(name: str) -> bool:
    """Whether a name is that of a lock or of a temporary folder of this module."""
    return _LOCK.fullmatch(name) is not None or _ASIDE.fullmatch(name) is not None


@contextmanager
def scratch() -> Iterator[Path]:
    """A temporary folder outside all outputs, which only this user may read.

    It is in the system's folder for temporary files (``TMPDIR``), or in the program's own folder
    if that one cannot be written to. It is removed at the end of the block; after a kill, by the
    next program that needs one.

    Raises:
        BadInput: there is no room for temporary files; any error of the operating system in the
            block counts.
    """
    try:
        with _temporary(_scratch_parent(), f".{_SCRATCH}") as folder:
            yield folder
    except OSError as error:
        raise disk_errors.no_scratch(error) from None


def remove_abandoned(folder: Path | None = None) -> int:
    """Remove the temporary folders of killed programs.

    Args:
        folder: where to look; by default where :func:`scratch` makes its folders.

    Returns:
        How many were removed.
    """
    try:
        return _remove_abandoned(folder or _scratch_parent())
    except OSError:
        return 0


def _scratch_parent() -> Path:
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError:  # neither TMPDIR nor /tmp can be written to
        return home.folder()


@contextmanager
def _temporary(parent: Path, name: str) -> Iterator[Path]:
    """Make a folder that is locked as long as this process lives, and remove it at the end."""
    _sweep(parent)
    while True:
        folder = parent / f"{name}.landcover-{secrets.token_hex(6)}.part"
        folder.mkdir(mode=0o700)
        handle = locks.flock(folder, wait=True)
        if folder.is_dir():  # else another program removed it before it was locked
            break
        locks.close(handle)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        locks.close(handle)


def _sweep(folder: Path) -> None:
    """Remove, once in the life of this process, what killed programs left in a folder."""
    found = folder.stat()
    key = (os.getpid(), found.st_dev, found.st_ino)
    if key not in _swept:
        _swept.add(key)
        _remove_abandoned(folder)


def _remove_abandoned(folder: Path) -> int:
    if not locks.POSSIBLE:
        return 0
    with os.scandir(folder) as entries:
        left = [
            Path(entry.path)
            for entry in entries
            if _ASIDE.fullmatch(entry.name)
            and entry.is_dir(follow_symlinks=False)
            and entry.stat(follow_symlinks=False).st_uid == os.getuid()
        ]
    count = 0
    for path in left:
        handle = None
        with suppress(OSError):
            handle = locks.flock(path)
            if handle is not None:
                shutil.rmtree(path)
                count += 1
        locks.close(handle)
    return count


def _check_target(path: Path) -> None:
    """Refuse folders and devices; ``/dev/stdout`` must not be replaced by a file."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    in_dev = path.parent.resolve() == Path("/dev")  # a link to a file, if output is redirected
    if in_dev or (path.exists() and not path.is_file()):
        raise BadInput(f"'{plain(path.name)}' is a device, not a file: name a file.")


def _sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        if os.name == "posix":
            raise
        return  # Windows does not open folders
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
