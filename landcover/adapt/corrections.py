"""Corrections: what a user says of a model's answer for one window on the ground.

A class that the user has not spoken of is unknown, not absent, unless the user said that the
correction is complete. Corrections are kept in one file, ``corrections.json``, in the program's
home folder, or in any other: a server has one file for each user. A later correction of the same
pixels replaces an earlier one, which comes back if the later one is undone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Annotated, Any, Final, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from landcover.core import files, home, limits
from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import BadInput
from landcover.core.raster import Raster
from landcover.core.regular_file import read_regular
from landcover.core.schema import Schema
from landcover.core.text import plain
from landcover.core.untrusted_json import BadJson, parse

__all__ = [
    "FILE",
    "Correction",
    "Kept",
    "built",
    "complaint",
    "current",
    "digest",
    "of_answer",
    "pixels_sha256",
]

FILE: Final = "corrections.json"
_VERSION: Final = 1
_LATITUDE, _LONGITUDE = 90.0, 180.0
_writing: Final = tuple(Lock() for _ in range(64))
"""Locks between threads, shared out over files: users hardly wait for each other."""

Line = Annotated[str, Field(max_length=200)]
Sha256 = Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]
Hash = Annotated[str, Field(pattern=r"^([0-9a-f]{12})?$")]
Labels = tuple[str, ...]


class Correction(Schema):
    """What a user says of the classes in one window.

    Attributes:
        outline: latitude and longitude (WGS 84 degrees) of the window's corners, or of its centre
            alone.
        confirmed: classes of the answer that are there.
        struck: classes that are not there.
        added: classes that are there and were not in the answer.
        complete: whether the user said that no other class is there.
        acquired: sensing time, if known.
        pixels_sha256: of the window's pixels (:func:`pixels_sha256`); empty if unknown.
        source: name of the file, sample or catalogue item, never a path.
        answer: the probability that the model gave each class; empty if unknown.
        model, card_hash: the model that gave it.
        made: when the correction was made.
    """

    outline: tuple[tuple[float, float], ...]
    confirmed: Labels = ()
    struck: Labels = ()
    added: Labels = ()
    complete: bool = False
    acquired: datetime | None = None
    pixels_sha256: Sha256 = ""
    source: Line = ""
    answer: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(default_factory=dict)
    model: Line = ""
    card_hash: Hash = ""
    made: datetime

    @field_validator("source", "model")
    @classmethod
    def _one_line(cls, text: str) -> str:
        return plain(text)

    @model_validator(mode="after")
    def _check_rules(self) -> Self:
        said = (*self.confirmed, *self.struck, *self.added)
        if not 1 <= len(self.outline) <= limits.current().correction_points:
            raise ValueError(
                f"a place has 1 to {limits.current().correction_points} points, not "
                f"{len(self.outline):,}"
            )
        if any(abs(lat) > _LATITUDE or abs(lon) > _LONGITUDE for lat, lon in self.outline):
            raise ValueError("a point is not on the Earth")
        unknown = next((name for name in (*said, *self.answer) if name not in CLASS_NAMES), None)
        if unknown is not None:
            raise ValueError(f"'{plain(unknown)[:60]}' is none of the {len(CLASS_NAMES)} classes")
        if len(set(said)) < len(said):
            raise ValueError("a class is named twice")
        if not said and not self.complete:
            raise ValueError("no class is confirmed, struck out or added")
        return self

    @property
    def id(self) -> str:
        """Twelve hexadecimal digits that name the correction."""
        return _sha256(self.model_dump(mode="json"))[:12]

    @property
    def place(self) -> tuple[float, float]:
        """Latitude and longitude of the middle of its outline."""
        first = self.outline[0][1]
        turns = [(lon - first + 180) % 360 - 180 for _, lon in self.outline]
        longitude = first + sum(turns) / len(turns)
        latitude = sum(lat for lat, _ in self.outline) / len(self.outline)
        return latitude, (longitude + 180) % 360 - 180

    @property
    def truth(self) -> dict[str, bool]:
        """The classes that are known to be there (True) or not (False); others are left out."""
        known = dict.fromkeys(CLASS_NAMES, False) if self.complete else {}
        known |= dict.fromkeys((*self.confirmed, *self.added), True)
        return known | dict.fromkeys(self.struck, False)


@dataclass(frozen=True, kw_only=True)
class Kept:
    """The corrections that are kept in a file, and the folder beside it.

    Attributes:
        path: the file; neither it nor its folder need exist.
    """

    path: Path

    @classmethod
    def default(cls) -> Kept:
        """The corrections in the program's home folder."""
        return cls(path=home.location() / FILE)

    @property
    def folder(self) -> Path:
        """Where :mod:`landcover.adapt.evidence` keeps what nets make of corrected windows."""
        return self.path.with_name(f"{self.path.stem}-features")

    def read(self) -> tuple[Correction, ...]:
        """Read all corrections, oldest first.

        Raises:
            BadInput: the file is damaged or too large.
        """
        try:
            raw = parse(read_regular(self.path, limits.current().json_bytes))
        except FileNotFoundError:
            return ()
        except (OSError, ValueError) as error:
            why = f"because {error}" if isinstance(error, BadJson) else "or is too large"
            raise BadInput(
                f"'{plain(self.path.name)}' in the program's folder cannot be read, {why}: move it "
                "away to start anew."
            ) from None
        if not (isinstance(raw, dict) and raw.get("version") == _VERSION):
            raise self._damaged("it has another version")
        rows = raw.get("corrections")
        if not isinstance(rows, list) or len(rows) > limits.current().corrections:
            raise self._damaged("it has no list of corrections, or too many")
        try:
            return tuple(Correction.model_validate(row) for row in rows)
        except ValidationError as error:
            raise self._damaged(complaint(error)) from None

    def add(self, corrections: Iterable[Correction]) -> int:
        """Add corrections; those that are there already are left out.

        Returns:
            How many were added.

        Raises:
            BadInput: there would be too many, another run writes the file, or it cannot be read
                or written.
        """
        with self.changing():
            before = self.read()
            known = {one.id for one in before}
            given = {one.id: one for one in corrections}
            new = [one for key, one in given.items() if key not in known]
            if len(before) + len(new) > limits.current().corrections:
                raise BadInput(
                    f"At most {limits.current().corrections:,} corrections are kept, and there are "
                    f"{len(before):,}: undo or export some first."
                )
            if new:
                self._write((*before, *new))
            return len(new)

    def undo(self, which: str | None = None, *, tidy: bool = True) -> Correction:
        """Remove the correction that was added last, or the one with an id.

        Args:
            which: its id; None for the last one.
            tidy: whether to remove what is kept of its window at once; if not, it stays until the
                next change, so that the correction can be added again.

        Raises:
            BadInput: there is none, another run writes the file, or it cannot be read or written.
        """
        with self.changing():
            before = self.read()
            if not before:
                raise BadInput("There are no corrections, so there is nothing to undo.")
            found = [one for one in before if which in (None, one.id)]
            if not found:
                raise BadInput(
                    f"There is no correction '{plain(str(which))[:20]}': see `landcover "
                    "corrections list`."
                )
            left = [one for one in before if one is not found[-1]]
            self._write(left)
            if tidy:
                self.tidy(left)
            return found[-1]

    def clear(self) -> tuple[Correction, ...]:
        """Remove all corrections, and return them, so that they can be added again.

        What is kept of their windows stays until the next change of the file.

        Raises:
            BadInput: another run writes the file, or it cannot be read or written.
        """
        with self.changing():
            before = self.read()
            if before:
                self._write(())
            return before

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Lock the file against other runs, and against the other threads of this one.

        Raises:
            BadInput: another run writes it, or its folder cannot be written to.
        """
        if self.path == Kept.default().path:
            home.folder()  # makes it, readable by its user only
        files.make_folder(self.path.parent)
        with _writing[hash(self.path) % len(_writing)], files.lock_file(self.path):
            yield

    def tidy(self, corrections: Iterable[Correction]) -> None:
        """Remove what is kept of windows without a correction, and the oldest beyond the limit.

        Args:
            corrections: all that are kept; the file must be locked (:meth:`changing`).
        """
        used = {one.pixels_sha256 for one in corrections}
        with suppress(OSError):  # there is no folder, or its files stay for the next time
            found = sorted(self.folder.glob("*.safetensors"), key=lambda one: one.stat().st_mtime)
            wanted = [one for one in found if one.name.partition("-")[0] in used]
            for one in {*found} - {*wanted[-limits.current().correction_features :]}:
                one.unlink()

    def _write(self, corrections: Sequence[Correction]) -> None:
        values = {"version": _VERSION, "corrections": [one.as_dict() for one in corrections]}
        files.write_text(self.path, json.dumps(values, ensure_ascii=False, indent=1) + "\n")

    def _damaged(self, why: str) -> BadInput:
        return BadInput(
            f"'{plain(self.path.name)}' in the program's folder is damaged ({why}): move it away "
            "to start anew."
        )


def pixels_sha256(patch: Raster) -> str:
    """Return the SHA-256 of a window's pixels: bands, size, reflectance and valid mask.

    It does not depend on where the pixels are, or on the file that they were read from.
    """
    found = hashlib.sha256(json.dumps([list(patch.bands), patch.height, patch.width]).encode())
    found.update(patch.data.astype("<f4").tobytes())
    found.update(patch.valid.tobytes())
    return found.hexdigest()


def of_answer(
    patch: Raster,
    answer: Mapping[str, float],
    *,
    predicted: Iterable[str],
    present: Iterable[str] = (),
    absent: Iterable[str] = (),
    complete: bool = False,
    model: str = "",
    card_hash: str = "",
) -> Correction:
    """Make the correction of an answer.

    Args:
        patch: the window; its position must be known.
        answer: the probability of each class.
        predicted: the classes of the answer.
        present: classes that the user says are there.
        absent: classes that the user says are not there.
        complete: whether no other class is there.
        model: name of the model that gave the answer.
        card_hash: of its card.

    Raises:
        BadInput: the position is not known, or the classes are contradictory or unknown.
    """
    shown, there = set(predicted), list(present)
    return built(
        {
            "outline": patch.outline,
            "confirmed": [name for name in there if name in shown],
            "struck": list(absent),
            "added": [name for name in there if name not in shown],
            "complete": complete,
            "acquired": patch.acquired,
            "pixels_sha256": pixels_sha256(patch),
            "source": patch.provenance.source[:200],
            "answer": dict(answer),
            "model": model,
            "card_hash": card_hash,
            "made": datetime.now(UTC).replace(microsecond=0),
        }
    )


def built(raw: object) -> Correction:
    """Build a correction from untrusted values.

    Raises:
        BadInput: one of them cannot be used.
    """
    try:
        return Correction.model_validate(raw)
    except ValidationError as error:
        raise BadInput(f"A correction cannot be used: {complaint(error)}.") from None


def complaint(error: ValidationError) -> str:
    """Return what is wrong with a correction, as the end of a sentence."""
    first = error.errors(include_url=False)[0]
    if not first["loc"]:
        return str(first.get("ctx", {}).get("error", "it is not an object"))
    return f"'{plain(str(first['loc'][0]))[:40]}' is missing or not valid"


def current(corrections: Iterable[Correction]) -> tuple[Correction, ...]:
    """Return the last correction of each window.

    Corrections without a hash of the pixels are of the same window if place and time are equal.
    """
    last: dict[object, Correction] = {}
    for one in corrections:
        key = one.pixels_sha256 or (one.outline, one.acquired)
        last.pop(key, None)
        last[key] = one
    return tuple(last.values())


def digest(corrections: Iterable[Correction]) -> str:
    """Return the SHA-256 of corrections, whatever their order."""
    return _sha256(sorted(one.id for one in corrections))


def _sha256(values: Any) -> str:  # noqa: ANN401 - any JSON
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
