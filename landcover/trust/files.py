"""Files with values measured or fitted for one model, stored in the model folder.

They are in ``<model folder>/trust`` and contain the card's hash, which also covers the
weights. A file of another card is refused, because bounds or indices fitted to other
weights would be wrong. Sizes are limited, because model folders may be untrusted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import ValidationError

from landcover.core import files
from landcover.core.errors import CorruptModel
from landcover.core.regular_file import read_regular
from landcover.core.schema import Schema
from landcover.core.untrusted_json import BadJson, parse

# `landcover --help` and a page's first second should not wait for torch.
if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "FOLDER",
    "MAX_BYTES",
    "Kept",
    "read_json",
    "read_record",
    "read_tensors",
    "unpacked",
    "write_json",
    "write_tensors",
    "writing",
]

Kept = TypeVar("Kept", bound=Schema)

FOLDER: Final = "trust"
MAX_BYTES: Final = 2_000_000
"""Size limit of one file; the largest shipped one has 0.33 MB."""
_HASH: Final = "card_hash"
_VALUES: Final = "values"


@contextmanager
def writing(folder: Path, *names: str) -> Iterator[None]:
    """Lock files for as long as they are made, so that no other run makes them as well.

    Args:
        folder: the model folder.
        names: names of the files without extension.

    Raises:
        BadInput: another run makes one of them, or the folder cannot be written to.
    """
    files.make_folder(folder / FOLDER)
    with ExitStack() as locks:
        for name in names:
            locks.enter_context(files.lock_file(folder / FOLDER / name))
        yield


def write_json(folder: Path, name: str, card_hash: str, values: dict[str, Any]) -> Path:
    """Write JSON-ready values and a card's hash to ``trust/<name>.json``.

    Args:
        folder: the model folder.
        name: name of the file without extension.
        card_hash: hash of the card that the values belong to.
        values: the values; NaN is not allowed, since JSON does not have it.

    Returns:
        the file.
    """
    stamped = {_HASH: card_hash, _VALUES: values}
    text = json.dumps(stamped, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    return _write(folder, f"{name}.json", text.encode())


def read_json(folder: Path, name: str, card_hash: str) -> dict[str, Any] | None:
    """Read the values of ``trust/<name>.json``; None if there is no such file.

    Raises:
        CorruptModel: the file is damaged, too large, or of another card.
    """
    data = _read(folder, f"{name}.json")
    if data is None:
        return None
    try:
        raw = parse(data)
    except BadJson as error:
        raise _corrupt(folder, f"{name}.json", str(error)) from None
    if not isinstance(raw, dict) or not isinstance(raw.get(_VALUES), dict):
        raise _corrupt(folder, f"{name}.json", "its values are not in the expected format")
    _check_hash(folder, f"{name}.json", raw.get(_HASH), card_hash)
    values: dict[str, Any] = raw[_VALUES]
    return values


def read_record(
    folder: Path, name: str, card_hash: str, kind: type[Kept], command: str
) -> Kept | None:
    """Read ``trust/<name>.json`` as a typed value; None if there is no such file.

    Args:
        folder: the model folder.
        name: name of the file without extension.
        card_hash: hash of the card that the values must belong to.
        kind: type of the values.
        command: the command that makes the file again.

    Raises:
        CorruptModel: the file is damaged, incomplete, too large, or of another card.
    """
    values = read_json(folder, name, card_hash)
    if values is None:
        return None
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"])) or "a value"
        raise CorruptModel(
            f"{name}.json of the model '{folder.name}' cannot be used: {where} is missing or "
            f"damaged; make it again with `{command}`."
        ) from None


def write_tensors(
    folder: Path, name: str, card_hash: str, tensors: dict[str, Tensor], values: dict[str, Any]
) -> Path:
    """Write tensors and a card's hash to ``trust/<name>.safetensors``.

    Args:
        folder: the model folder.
        name: name of the file without extension.
        card_hash: hash of the card that the tensors belong to.
        tensors: contiguous tensors on the CPU.
        values: further JSON-ready values, stored in the same file.

    Returns:
        the file.
    """
    from safetensors.torch import save  # noqa: PLC0415 - see the top

    notes = {_HASH: card_hash, _VALUES: json.dumps(values, ensure_ascii=False, allow_nan=False)}
    return _write(folder, f"{name}.safetensors", save(tensors, notes))


def read_tensors(
    folder: Path, name: str, card_hash: str
) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Read tensors and values of ``trust/<name>.safetensors``; None if there is no such file.

    Raises:
        CorruptModel: the file is damaged, too large, or of another card.
    """
    file = f"{name}.safetensors"
    data = _read(folder, file)
    if data is None:
        return None
    try:
        tensors, notes = unpacked(data)
        values = parse(notes[_VALUES])
    except (ValueError, KeyError):
        raise _corrupt(folder, file, "it cannot be read") from None
    if not isinstance(values, dict):
        raise _corrupt(folder, file, "its values are not in the expected format")
    _check_hash(folder, file, notes.get(_HASH), card_hash)
    return tensors, values


def unpacked(data: bytes) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read the tensors and notes of an untrusted safetensors file.

    Raises:
        ValueError: the bytes are damaged, or have no notes.
    """
    from safetensors import SafetensorError  # noqa: PLC0415 - see the top
    from safetensors.torch import load  # noqa: PLC0415

    try:
        tensors = load(data)
        # Layout: eight bytes with the length of the JSON header, then the header.
        header = parse(data[8 : 8 + int.from_bytes(data[:8], "little")])
        notes = header["__metadata__"]
    except (SafetensorError, KeyError, TypeError):
        raise ValueError("it is not a safetensors file with notes") from None
    return tensors, dict(notes)


def _write(folder: Path, file: str, data: bytes) -> Path:
    if len(data) > MAX_BYTES:
        raise ValueError(f"{file} would have {len(data):,} bytes, more than {MAX_BYTES:,}")
    target = folder / FOLDER / file
    files.make_folder(target.parent)
    files.write_bytes(target, data)
    return target


def _read(folder: Path, file: str) -> bytes | None:
    path = folder / FOLDER / file
    try:
        return read_regular(path, MAX_BYTES, inside=folder)
    except FileNotFoundError:
        return None
    except OSError:
        raise _corrupt(folder, file, "it cannot be read") from None
    except ValueError:
        raise _corrupt(folder, file, f"it is larger than {MAX_BYTES // 1_000_000} MB") from None


def _check_hash(folder: Path, file: str, found: object, card_hash: str) -> None:
    if found != card_hash:
        raise _corrupt(folder, file, "it belongs to another card or other weights")


def _corrupt(folder: Path, file: str, why: str) -> CorruptModel:
    return CorruptModel(
        f"{file} of the model '{folder.name}' cannot be used: {why}; make it again with "
        "`landcover trust`, or install landcover again."
    )
