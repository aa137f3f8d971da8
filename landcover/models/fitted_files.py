"""Files with values measured or fitted for one model, stored in a folder of the model folder.

They contain the card's hash, which also covers the weights. A file of another card is refused,
because bounds, indices or heads fitted to other weights would be wrong. Sizes are limited, because
model folders may be untrusted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
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

__all__ = ["MAX_BYTES", "FittedFiles", "Kept", "unpacked"]

Kept = TypeVar("Kept", bound=Schema)

MAX_BYTES: Final = 2_000_000
"""Size limit of one file; the largest shipped one has 0.33 MB."""
_HASH: Final = "card_hash"
_VALUES: Final = "values"


@dataclass(frozen=True)
class FittedFiles:
    """The files in one folder of model folders.

    Attributes:
        place: name of that folder.
        command: the command that makes the files again.
    """

    place: str
    command: str

    @contextmanager
    def writing(self, folder: Path, *names: str) -> Iterator[None]:
        """Lock files for as long as they are made, so that no other run makes them as well.

        Args:
            folder: the model folder.
            names: names of the files without extension.

        Raises:
            BadInput: another run makes one of them, or the folder cannot be written to.
        """
        files.make_folder(folder / self.place)
        with ExitStack() as locks:
            for name in names:
                locks.enter_context(files.lock_file(folder / self.place / name))
            yield

    def write_json(self, folder: Path, name: str, card_hash: str, values: dict[str, Any]) -> Path:
        """Write JSON-ready values and a card's hash to ``<place>/<name>.json``.

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
        return self._write(folder, f"{name}.json", text.encode())

    def read_json(self, folder: Path, name: str, card_hash: str) -> dict[str, Any] | None:
        """Read the values of ``<place>/<name>.json``; None if there is no such file.

        Raises:
            CorruptModel: the file is damaged, too large, or of another card.
        """
        data = self._read(folder, f"{name}.json")
        if data is None:
            return None
        try:
            raw = parse(data)
        except BadJson as error:
            raise self.corrupt(folder, f"{name}.json", str(error)) from None
        if not isinstance(raw, dict) or not isinstance(raw.get(_VALUES), dict):
            raise self.corrupt(folder, f"{name}.json", "its values are not in the expected format")
        self._check_hash(folder, f"{name}.json", raw.get(_HASH), card_hash)
        values: dict[str, Any] = raw[_VALUES]
        return values

    def read_record(
        self, folder: Path, name: str, card_hash: str, kind: type[Kept], command: str
    ) -> Kept | None:
        """Read ``<place>/<name>.json`` as a typed value; None if there is no such file.

        Args:
            folder: the model folder.
            name: name of the file without extension.
            card_hash: hash of the card that the values must belong to.
            kind: type of the values.
            command: the command that makes the file again.

        Raises:
            CorruptModel: the file is damaged, incomplete, too large, or of another card.
        """
        values = self.read_json(folder, name, card_hash)
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
        self,
        folder: Path,
        name: str,
        card_hash: str,
        tensors: dict[str, Tensor],
        values: dict[str, Any],
    ) -> Path:
        """Write tensors and a card's hash to ``<place>/<name>.safetensors``.

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
        return self._write(folder, f"{name}.safetensors", save(tensors, notes))

    def read_tensors(
        self, folder: Path, name: str, card_hash: str
    ) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Read tensors and values of ``<place>/<name>.safetensors``; None if there is no such file.

        Raises:
            CorruptModel: the file is damaged, too large, or of another card.
        """
        file = f"{name}.safetensors"
        data = self._read(folder, file)
        if data is None:
            return None
        try:
            tensors, notes = unpacked(data)
            values = parse(notes[_VALUES])
        except (ValueError, KeyError):
            raise self.corrupt(folder, file, "it cannot be read") from None
        if not isinstance(values, dict):
            raise self.corrupt(folder, file, "its values are not in the expected format")
        self._check_hash(folder, file, notes.get(_HASH), card_hash)
        return tensors, values

    def corrupt(self, folder: Path, file: str, why: str) -> CorruptModel:
        """The error for a file that cannot be used.

        Args:
            folder: the model folder.
            file: name of the file.
            why: the reason, without a full stop.
        """
        return CorruptModel(
            f"{file} of the model '{folder.name}' cannot be used: {why}; make it again with "
            f"`{self.command}`, or install landcover again."
        )

    def _write(self, folder: Path, file: str, data: bytes) -> Path:
        if len(data) > MAX_BYTES:
            raise ValueError(f"{file} would have {len(data):,} bytes, more than {MAX_BYTES:,}")
        target = folder / self.place / file
        files.make_folder(target.parent)
        files.write_bytes(target, data)
        return target

    def _read(self, folder: Path, file: str) -> bytes | None:
        path = folder / self.place / file
        try:
            return read_regular(path, MAX_BYTES, inside=folder)
        except FileNotFoundError:
            return None
        except OSError:
            raise self.corrupt(folder, file, "it cannot be read") from None
        except ValueError:
            why = f"it is larger than {MAX_BYTES // 1_000_000} MB"
            raise self.corrupt(folder, file, why) from None

    def _check_hash(self, folder: Path, file: str, found: object, card_hash: str) -> None:
        if found != card_hash:
            raise self.corrupt(folder, file, "it belongs to another card or other weights")


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
