"""The hostile corpus: thousands of files that must be refused or read right.

Each is made from small sound files by :mod:`tools.hostile.corpus` modules named after what they
damage, reaches the program as a user's file would (:mod:`tools.hostile.corpus.gates`), and is
judged by :mod:`tools.hostile.corpus.runner`: a typed error of one printable line or a right
answer, within 5 seconds and 1 GiB, without a traceback, and without anything opened, written,
started or asked that the file has no right to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from tools.hostile.corpus import (
    archives,
    areas,
    catalogues,
    corrections,
    flips,
    healthy,
    maps,
    models,
    numbers,
    pictures,
    places,
    references,
    tiffs,
    trace,
)
from tools.hostile.corpus.case import Case, sampled
from tools.hostile.corpus.runner import Outcome, run_cases
from tools.hostile.table import Row

__all__ = ["cases", "judged", "rows_of", "run", "short_cases"]

_MODULES = (
    healthy, flips, tiffs, archives, pictures, references, numbers, places, models, catalogues,
    corrections, maps, areas,
)  # fmt: skip


def cases() -> Iterator[Case]:
    """All cases, and a sample of them through the command line."""
    for module in _MODULES:
        yield from module.cases()
    yield from _by_command()


def _by_command() -> Iterator[Case]:
    files = [
        case for module in _MODULES for case in module.cases() if case.gate in ("path", "upload")
    ]
    for case in sampled(files, 6):
        if case.must not in ("stack", "picture"):
            yield replace(case, kind="by `classify`", name=f"{case.kind}: {case.name}",
                          gate="classify", must="either")  # fmt: skip
    for case in list(sampled(files, 1))[:8]:
        yield replace(case, kind="by `classify`, own process", name=f"{case.kind}: {case.name}",
                      gate="process", must="either")  # fmt: skip


def short_cases(each: int = 3) -> list[Case]:
    """Some cases of every kind, none of which takes long to make."""
    return [case for case in sampled(cases(), each) if case.gate != "process"]


def rows_of(outcomes: Iterable[Outcome]) -> list[Row]:
    """A row for each kind: how many, how many failed, the slowest and the largest."""
    kinds: dict[str, list[Outcome]] = {}
    for one in outcomes:
        kinds.setdefault(one.case.kind, []).append(one)
    rows = []
    for kind, found in kinds.items():
        slowest = max(one.seconds for one in found)
        most = max(one.bytes for one in found) / 2**20
        failed = sum(bool(one.fault) for one in found)
        figure = f"slowest {slowest:.2f} s, peak {most:,.0f} MiB"
        rows.append(Row(kind, len(found), failed, figure))
    return rows


def judged(outcomes: Iterable[Outcome], record: Path | None = None) -> list[Row]:
    """Print what fails as it comes, and give the rows.

    Args:
        outcomes: of the cases.
        record: a file for what came of each case, or None.
    """
    found = []
    for one in outcomes:
        found.append(one)
        if one.fault:
            name = f"{one.case.kind}: {one.case.name!r} ({one.case.gate})"
            print(f"failed: {name}: {one.fault}", flush=True)
    if record is not None:
        lines = (
            f"{one.case.kind}\t{one.case.name!r}\t{one.case.gate}\t{one.seconds:.3f}\t"
            f"{one.bytes >> 20}\t{(one.fault or one.said)!r}\n"
            for one in found
        )
        record.write_text("".join(lines), encoding="utf-8")
    return rows_of(found)


def run(short: bool) -> list[Row]:  # noqa: FBT001 - as all parts
    """Run the corpus, or a sample of every kind."""
    if short:
        return judged(run_cases(short_cases()))
    if not trace.available():
        print("strace is not installed: what C code opens is only seen in the canary's folder")
    return judged(run_cases(cases(), traced=trace.available()))
