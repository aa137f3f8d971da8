"""A hostile input: how it is made, how it reaches the program, and what must come of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

__all__ = [
    "CANARY",
    "SEED",
    "URL",
    "Case",
    "Gate",
    "Must",
    "Place",
    "of_bytes",
    "of_files",
    "random_of",
    "sampled",
]

SEED: Final = 13
"""Seed of everything that is drawn at random."""

URL: Final = "http://127.0.0.1:99999"
"""Stands in files for the address of a server that nothing may ask."""
CANARY: Final = "/tmp/landcover-canary-00000000"  # noqa: S108 - stands for one made by mkdtemp
"""Stands in files for a folder in which nothing may be opened."""

Gate = Literal[
    "path",
    "upload",
    "index",
    "catalogue",
    "archive",
    "model",
    "answer",
    "record",
    "corrections",
    "map",
    "outline",
    "classify",
    "process",
]
"""How a user reaches the program with a file; see :mod:`tools.hostile.corpus.gates`."""

Must = Literal["either", "refused", "stack", "picture"]
"""A typed error or finite pixels; a typed error; or the pixels of the stack or picture that the
case was made from."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a case is made, and what it must not reach.

    Attributes:
        folder: for its files.
        canary: what :data:`CANARY` stands for; its path is as long as that.
        url: what :data:`URL` stands for; as long as that.
    """

    folder: Path
    canary: Path
    url: str

    def filled(self, data: bytes) -> bytes:
        """Put the real address and folder into a file, which keeps its length."""
        data = data.replace(URL.encode(), self.url.encode())
        return data.replace(CANARY.encode(), str(self.canary).encode())


@dataclass(frozen=True, kw_only=True)
class Case:
    """One hostile input.

    Attributes:
        kind: its row in the table.
        name: tells it from others of its kind.
        gate: how it reaches the program.
        file: name of the file or folder in the case's folder, or, if that does not exist, the
            text that a user gives as a source.
        make: writes the files.
        must: what must come of it.
        slow: whether making it takes long, so that the short form leaves it out.
    """

    kind: str
    name: str
    gate: Gate
    file: str
    make: Callable[[Place], None]
    must: Must = "either"
    slow: bool = False


def of_bytes(
    kind: str,
    name: str,
    file: str,
    data: Callable[[], bytes] | bytes,
    *,
    gate: Gate = "path",
    must: Must = "either",
    slow: bool = False,
) -> Case:
    """A case of one file with these bytes."""

    def make(place: Place) -> None:
        whole = data if isinstance(data, bytes) else data()
        (place.folder / file).write_bytes(place.filled(whole))

    return Case(kind=kind, name=name, gate=gate, file=file, make=make, must=must, slow=slow)


def of_files(
    kind: str,
    name: str,
    file: str,
    files: Callable[[], Mapping[str, bytes]] | Mapping[str, bytes],
    *,
    gate: Gate = "path",
    must: Must = "either",
) -> Case:
    """A case of several files, given by their paths in its folder; ``file`` is the one to read."""

    def make(place: Place) -> None:
        for path, data in (files() if callable(files) else files).items():
            whole = place.folder / path
            whole.parent.mkdir(parents=True, exist_ok=True)
            whole.write_bytes(place.filled(data))

    return Case(kind=kind, name=name, gate=gate, file=file, make=make, must=must)


def random_of(*names: object) -> random.Random:
    """A source of random numbers that depends on the names alone."""
    return random.Random(":".join(map(str, (SEED, *names))))  # noqa: S311 - to be repeated


def sampled(cases: Iterable[Case], each: int) -> Iterator[Case]:
    """At most so many cases of each kind, evenly spread over it."""
    kinds: dict[str, list[Case]] = {}
    for case in cases:
        if not case.slow:
            kinds.setdefault(case.kind, []).append(case)
    for found in kinds.values():
        step = max(1, len(found) // each)
        yield from found[: step * each : step]
