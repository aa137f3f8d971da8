"""Indexing a folder of scenes into the user's own catalogue, a stac-geoparquet file."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import Final

from landcover.core import files
from landcover.core.errors import BadInput
from landcover.core.progress import Progress, Report, check, ignore
from landcover.core.regular_file import open_regular
from landcover.io.guard import shown
from landcover.stac.geoparquet import MAGIC, Item, write
from landcover.stac.layouts.found_scene import FoundScene, is_odd
from landcover.stac.layouts.walk import Skipped, scenes

__all__ = ["KEPT_SKIPS", "REPORT_EVERY_S", "SHOWN_SKIPS", "IndexResult", "build", "index_text"]

KEPT_SKIPS: Final = 1_000
"""Maximum number of skipped files that are listed; further ones are only counted."""
SHOWN_SKIPS: Final = 20
REPORT_EVERY_S: Final = 0.2

_LAYOUTS: Final[Mapping[str, tuple[str, str]]] = {
    "bands": ("scene with a file for each band", "scenes with a file for each band"),
    "patch": ("BigEarthNet patch", "BigEarthNet patches"),
    "stack": ("stack", "stacks"),
}
"""Layout → its name in the singular and in the plural."""


@dataclass(frozen=True, kw_only=True)
class IndexResult:
    """The result of indexing a folder.

    Attributes:
        folder: the folder that was searched.
        out: the catalogue's file.
        layouts: layout (``bands``, ``patch``, ``stack``) → number of scenes.
        l1c: how many of these scenes are Level-1C.
        skipped: files and folders that are not in the catalogue, at most a thousand.
        skips: number of all that were skipped.
        first, last: sensing times of the oldest and the newest scene (UTC).
        seconds: time taken.
    """

    folder: Path
    out: Path
    layouts: Mapping[str, int]
    l1c: int
    skipped: tuple[Skipped, ...]
    skips: int
    first: datetime
    last: datetime
    seconds: float

    @property
    def count(self) -> int:
        """Scenes in the catalogue."""
        return sum(self.layouts.values())


def build(
    folder: Path,
    out: Path,
    *,
    date: datetime | None = None,
    progress: Report | None = None,
    cancel: Event | None = None,
) -> IndexResult:
    """Make the catalogue of a folder; an existing one is replaced.

    It recognises SAFE products (Level-2A and Level-1C), sets of band files, BigEarthNet patch
    folders and stacks of twelve or thirteen bands. Only metadata, names and headers are read.
    Paths in the catalogue are relative to it, so that both can be moved together.

    Args:
        folder: contains the scenes, at any depth.
        out: file of the catalogue, usually ``….parquet``.
        date: sensing time of scenes without one in metadata, tags or name; UTC if it has no
            time zone.
        progress: called a few times a second.
        cancel: set to stop; the file then stays unchanged.

    Raises:
        BadInput: there is no such folder, no scene in it, another run writes the file, or it
            cannot be written.
        Cancelled: ``cancel`` was set.
    """
    folder, out = _folder(folder), _out(out)
    tally = _Tally(folder, progress or ignore, cancel)
    with files.lock_file(out):
        write(_items(folder, out.parent, date, tally), out, tally.tick)
    if tally.first is None or tally.last is None:
        raise BadInput(_nothing(folder, tally))
    return IndexResult(
        folder=folder,
        out=out,
        layouts=dict(tally.layouts),
        l1c=tally.l1c,
        skipped=tuple(tally.skipped),
        skips=tally.skips,
        first=tally.first,
        last=tally.last,
        seconds=time.monotonic() - tally.begun,
    )


def index_text(result: IndexResult) -> str:
    """Text for the command line: counts, dates, and what was skipped and why."""
    counts = [(result.layouts.get(layout, 0), words) for layout, words in _LAYOUTS.items()]
    parts = [f"{count:,} {words[count > 1]}" for count, words in counts if count]
    days = f"{result.first:%Y-%m-%d} to {result.last:%Y-%m-%d}"
    lines = [f"{result.out}: {', '.join(parts)}, {days} ({result.seconds:.1f} s)"]
    if result.l1c:
        lines.append(f"Level-1C, which no model for Level-2A reads: {result.l1c:,} of these.")
    if result.skips:
        lines.append(f"Skipped {result.skips:,}:")
        lines += [
            f"  {_line(_where(skipped, result.folder))}" for skipped in result.skipped[:SHOWN_SKIPS]
        ]
    if result.skips > SHOWN_SKIPS:
        lines.append(f"  and {result.skips - SHOWN_SKIPS:,} more.")
    return "\n".join(lines)


@dataclass
class _Tally:
    """What was found so far, with the callbacks for progress and stopping."""

    folder: Path
    report: Report
    cancel: Event | None
    layouts: Counter[str] = field(default_factory=Counter)
    l1c: int = 0
    skips: int = 0
    skipped: list[Skipped] = field(default_factory=list)
    first: datetime | None = None
    last: datetime | None = None
    begun: float = field(default_factory=time.monotonic)
    reported: float = 0.0

    def add(self, found: FoundScene) -> None:
        self.layouts[found.layout] += 1
        self.l1c += found.level == "L1C"
        self.first = min(self.first or found.acquired, found.acquired)
        self.last = max(self.last or found.acquired, found.acquired)

    def skip(self, skipped: Skipped) -> None:
        self.skips += 1
        if len(self.skipped) < KEPT_SKIPS:
            self.skipped.append(skipped)

    def tick(self, count: int) -> None:
        check(self.cancel)
        now = time.monotonic()
        if now - self.reported >= REPORT_EVERY_S:
            self.reported = now
            what = f"Searching {shown(self.folder.name)}"
            self.report(Progress(what=what, done=count, unit="scenes"))


def _items(folder: Path, base: Path, date: datetime | None, tally: _Tally) -> Iterator[Item]:
    names: Counter[str] = Counter()
    for found in scenes(folder, date):
        tally.tick(sum(tally.layouts.values()))
        if isinstance(found, Skipped):
            tally.skip(found)
        elif found is not None:
            try:
                item = found.item(base)
            except BadInput as error:
                tally.skip(Skipped(path=next(iter(found.files.values())), why=str(error)))
                continue
            tally.add(found)
            # Copies of a scene get different ids, which must be unique in a collection.
            names[found.name] += 1
            if (copy := names[found.name]) > 1:
                item["id"] = f"{found.name} ({copy})"
            yield item


def _folder(folder: Path) -> Path:
    try:
        if folder.is_dir():
            return folder.resolve()
    except (OSError, ValueError, RuntimeError):
        pass
    raise BadInput(f"There is no folder '{shown(folder.name)}': give the one with your scenes.")


def _out(out: Path) -> Path:
    """Path of the catalogue, checked before the long work begins."""
    name = shown(out.name)
    try:
        whole = out.parent.resolve() / out.name
        if is_odd(out.name) or not whole.parent.is_dir():
            raise BadInput(f"There is no folder for '{name}': make it, or choose another --out.")
        if whole.exists() and not _is_parquet(whole):
            raise BadInput(
                f"'{name}' exists and is not a catalogue: choose another name with --out."
            )
    except (OSError, ValueError, RuntimeError):
        raise BadInput(
            f"'{name}' cannot be written: choose a folder that you can write to with --out."
        ) from None
    return whole


def _is_parquet(path: Path) -> bool:
    if not path.is_file():
        return False
    with open_regular(path) as file:
        return file.read(len(MAGIC)) == MAGIC


def _nothing(folder: Path, tally: _Tally) -> str:
    where = f"No scene was found in '{shown(folder.name)}'"
    if tally.skipped:
        return f"{where}; {tally.skips:,} skipped, the first because: {tally.skipped[0].why}"
    return (
        f"{where}: give a folder with SAFE products, band files, BigEarthNet patches "
        "or stacks of twelve bands."
    )


def _where(skipped: Skipped, folder: Path) -> str:
    """The sentence, after the path of the folder unless that is the indexed one."""
    parts = skipped.path.relative_to(folder).parts[:-1]
    return f"{'/'.join(parts)}: {skipped.why}" if parts else skipped.why


def _line(text: str) -> str:
    """Replace line breaks and control characters that names of files can contain."""
    return "".join(c if c.isprintable() else "�" for c in text)
