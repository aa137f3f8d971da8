"""Many users at once: the real app, and browser sessions that click, upload and ask for maps.

``python -m tools.hostile load`` runs it; ``python -m tools.hostile.load --help`` has options. The
sessions speak Streamlit's own protocol. Of ten of them six choose samples, three ask for
explanations and one uploads images; each reads for a while between two clicks, and closes its tab
now and then.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from tests.support.app_server import serve
from tests.support.stack_files import numbers, tif
from tests.support.websocket_client import Client, open_client
from tools.hostile.table import Row

__all__ = ["Load", "Measured", "drive", "run", "slope"]

SAMPLE_BOX: Final = "Places with known"
UPLOAD_BOX: Final = "Sentinel-2 images"
MOST_P95_S: Final = 1.0
MOST_SLOPE: Final = 1.0
"""MiB per 100 requests."""
STEADY_SESSIONS: Final = 4
TAB_CLICKS: Final = 12
"""Clicks after which a session closes its tab and opens a new one."""
EXPLAIN_S: Final = 60.0
"""Seconds for which a session waits for an explanation before it asks for another."""
MIB: Final = 2**20


@dataclass(frozen=True, kw_only=True)
class Load:
    """How much is asked for.

    Attributes:
        sessions: how many browser tabs.
        seconds: for how long.
        steady_s: for how long a few sessions then ask for the same again and again.
        think_s: mean time between two clicks of a session, in seconds.
        port: of the app; None for a free one.
    """

    sessions: int = 50
    seconds: float = 240.0
    steady_s: float = 180.0
    think_s: float = 10.0
    port: int | None = None


@dataclass
class Measured:
    """What was measured.

    Attributes:
        alone_s: seconds of a warm classification without other users.
        all_open: whether every session has opened its first tab.
        clicks_s: seconds of each warm classification, from the click to the complete page, once
            every session has its first tab open.
        uploads_s: seconds of each upload, with its classification.
        opened_s: seconds until each new tab was complete.
        explained: how many explanations were shown.
        requests: how many runs of a page were asked for, polls among them.
        memory: of the app with its workers: requests so far and bytes.
        steady: the same, while a few sessions ask for the same again and again.
        errors: what went wrong.
    """

    alone_s: list[float] = field(default_factory=list)
    all_open: bool = False
    clicks_s: list[float] = field(default_factory=list)
    uploads_s: list[float] = field(default_factory=list)
    opened_s: list[float] = field(default_factory=list)
    explained: int = 0
    requests: int = 0
    memory: list[tuple[int, int]] = field(default_factory=list)
    steady: list[tuple[int, int]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def peak(self) -> int:
        """Most memory, in bytes."""
        return max((size for _, size in self.memory), default=0)


def run(short: bool) -> list[Row]:  # noqa: FBT001 - as all parts
    """Put the app under load.

    Args:
        short: eight sessions for ten seconds, without a limit on the times.
    """
    load = Load(sessions=8, seconds=10, steady_s=5, think_s=1.5) if short else Load()
    return rows(load, drive(load), strict=not short)


def rows(load: Load, found: Measured, *, strict: bool) -> list[Row]:
    """Lay out what was measured; with ``strict`` a target that is missed counts as failed."""
    p95, leak = percentile(found.clicks_s, 95), slope(found.steady)
    alone = statistics.median(found.alone_s)
    return [
        Row(
            f"warm classifications, {load.sessions} sessions",
            len(found.clicks_s),
            len(found.errors) + (strict and p95 > MOST_P95_S),
            f"{times(found.clicks_s)}; alone {alone:.2f} s (p95 is {p95 / alone:.1f} times that); "
            f"load average {os.getloadavg()[0]:.1f}",
        ),
        Row("explanations meanwhile", found.explained, int(strict and not found.explained), ""),
        Row("uploads meanwhile", len(found.uploads_s), 0, times(found.uploads_s)),
        Row("new tabs meanwhile", len(found.opened_s), 0, times(found.opened_s)),
        Row(
            "requests: memory of the app and its workers",
            found.requests,
            0,
            f"peak {found.peak / MIB:,.0f} MiB, with new tabs and new pictures "
            f"{slope(found.memory):+.2f} MiB per 100 requests",
        ),
        Row(
            f"requests of {STEADY_SESSIONS} tabs that ask for the same again",
            found.steady[-1][0] if found.steady else 0,
            int(strict and leak > MOST_SLOPE),
            f"leak {leak:+.2f} MiB per 100 requests",
        ),
    ]


def times(values: list[float]) -> str:
    """Write the median and the 95th percentile of times in seconds."""
    return f"p50 {percentile(values, 50):.2f} s, p95 {percentile(values, 95):.2f} s"


def percentile(values: list[float], percent: float) -> float:
    """Return a percentile; 0 of no values."""
    return float(np.percentile(values, percent)) if values else 0.0


def slope(memory: list[tuple[int, int]]) -> float:
    """Return by how many MiB the memory grows per 100 requests, in the second half of a run.

    The lowest value of each tenth is taken: explanations need memory for a moment, which is not a
    leak.
    """
    half = memory[len(memory) // 2 :]
    parts = [part for part in np.array_split(np.arange(len(half)), 10) if len(part)]
    lowest = [min((half[i] for i in part), key=lambda one: one[1]) for part in parts]
    requests = np.array([one[0] for one in lowest], dtype=float)
    if len(lowest) < 3 or np.ptp(requests) == 0:
        return 0.0
    return float(np.polyfit(requests, [one[1] / MIB for one in lowest], 1)[0] * 100)


def drive(load: Load) -> Measured:
    """Start the app and put it under load."""
    found = Measured()
    with serve(port=load.port) as address:
        asyncio.run(_drive(load, address, found))
        asyncio.run(_repeat(load, address, found))
    return found


async def _drive(load: Load, address: str, found: Measured) -> None:
    await _warm_up(address, found)
    until = time.monotonic() + load.seconds
    watch = asyncio.create_task(_watch_memory(found))
    visits = [
        _Visitor(load, address, found, until, random.Random(number))  # noqa: S311 - no secret
        for number in range(load.sessions)
    ]
    roles = [_ROLES[number % len(_ROLES)] for number in range(load.sessions)]
    await asyncio.gather(*(visit.go(role) for visit, role in zip(visits, roles, strict=True)))
    watch.cancel()


async def _warm_up(address: str, found: Measured) -> None:
    """Load the models, and time clicks while nobody else is there."""
    async with open_client(address) as client:
        await client.run()
        for number in range(1, 7):
            await client.choose(SAMPLE_BOX, f"{number} ·")
        await client.settle()
        for turn in range(10):
            await client.choose(SAMPLE_BOX, f"{turn % 6 + 1} ·")
            found.alone_s.append(client.seconds[-1])
            if turn % 6 == 5:
                await client.settle()


async def _repeat(load: Load, address: str, found: Measured) -> None:
    """Let a few sessions ask for the same again and again: memory that still grows is a leak.

    New tabs and new pictures need memory, which is bounded and given back when a tab is closed.
    """
    until = time.monotonic() + load.steady_s
    done = 0

    async def visit(number: int) -> None:
        nonlocal done
        stack = tif(numbers(side=200))
        async with open_client(address) as client:
            await client.run()
            turn = number
            while time.monotonic() < until:
                turn += 1
                if turn % 8 == 0:
                    await _send(client, f"the same {number}.tif", stack)
                else:
                    await client.choose(SAMPLE_BOX, f"{turn % 6 + 1} ·")
                done += len(client.seconds)
                client.seconds.clear()
                found.steady.append((done, await asyncio.to_thread(memory_of_children)))
                pages = [m for m in client.received if m.WhichOneof("type") == "navigation"]
                client.received[:] = pages[-1:]

    await asyncio.gather(*(visit(number) for number in range(STEADY_SESSIONS)))


async def _send(client: Client, name: str, data: bytes) -> None:
    """Upload a file, and wait until it is read and classified."""
    await client.upload(UPLOAD_BOX, (name, data), settle=False)
    until = time.monotonic() + EXPLAIN_S
    while any(getattr(one, "label", "") == "Cancel" for one in client.widgets()):
        assert time.monotonic() < until, "the upload is not read"
        await asyncio.sleep(min(client.timers.values(), default=0.3))
        for fragment in list(client.timers):
            await client.run(fragment=fragment)


Role = Callable[[Client, random.Random, Measured], Coroutine[Any, Any, None]]


@dataclass(frozen=True)
class _Visitor:
    load: Load
    address: str
    found: Measured
    until: float
    dice: random.Random

    async def go(self, role: Role) -> None:
        """Open one tab after the other."""
        think_s = self.load.think_s
        await asyncio.sleep(self.dice.uniform(0, min(think_s, self.load.seconds / 2)))
        while time.monotonic() < self.until:
            try:
                async with open_client(self.address) as client:
                    try:
                        await self._use(client, role)
                    finally:
                        self.found.errors += client.exceptions()
            except (AssertionError, OSError, TimeoutError, StopIteration) as error:
                self.found.errors.append(f"{type(error).__name__}: {error}"[:300])
                await asyncio.sleep(1)

    async def _use(self, client: Client, role: Role) -> None:
        await client.run()
        self.found.opened_s.append(client.seconds[-1])
        self.found.all_open = len(self.found.opened_s) >= self.load.sessions
        for _ in range(TAB_CLICKS):
            if time.monotonic() > self.until:
                return
            await role(client, self.dice, self.found)
            await self._read(client, self.dice.expovariate(1 / self.load.think_s))

    async def _read(self, client: Client, seconds: float) -> None:
        """Do nothing for a while; as in a browser, the page polls its jobs meanwhile."""
        end = min(time.monotonic() + seconds, self.until)
        while (left := end - time.monotonic()) > 0:
            await asyncio.sleep(min([left, *client.timers.values()]))
            for fragment in list(client.timers):
                await client.run(fragment=fragment)
        self.found.requests += len(client.seconds)
        client.seconds.clear()
        pages = [m for m in client.received if m.WhichOneof("type") == "navigation"]
        client.received[:] = pages[-1:]


async def _classify(client: Client, dice: random.Random, found: Measured) -> None:
    await client.choose(SAMPLE_BOX, f"{dice.randint(1, 6)} ·")
    if found.all_open:
        found.clicks_s.append(client.seconds[-1])


async def _explain(client: Client, dice: random.Random, found: Measured) -> None:
    """Choose another place and another class or method on the Explain page, and wait for it."""
    page = client.page_hash("explain")
    if client.page != page:
        await client.run(page=page)
    place = client.one("Place")
    await client.choose("Place", dice.choice(list(place.options)))
    try:
        await asyncio.wait_for(client.settle(EXPLAIN_S), EXPLAIN_S)
    except (AssertionError, TimeoutError):
        return  # it is still in the queue
    found.explained += 1


async def _upload(client: Client, dice: random.Random, found: Measured) -> None:
    noise = np.random.default_rng(dice.randrange(2**32)).integers(0, 300, (12, 200, 200))
    stack = tif((numbers(side=200) + noise).astype("uint16"))
    begun = time.monotonic()
    await _send(client, f"{dice.randrange(10**9)}.tif", stack)
    found.uploads_s.append(time.monotonic() - begun)


_ROLES: Final[tuple[Role, ...]] = (
    _classify, _explain, _classify, _upload, _classify, _explain, _classify, _classify, _explain,
    _classify,
)  # fmt: skip


async def _watch_memory(found: Measured) -> None:
    while True:
        size = await asyncio.to_thread(memory_of_children)
        found.memory.append((found.requests, size))
        await asyncio.sleep(1)


def memory_of_children() -> int:
    """Return the memory of the processes that this one started, in bytes; 0 except on Linux.

    Pages that processes share count once.
    """
    total, left = 0, _children(os.getpid())
    while left:
        process = left.pop()
        left += _children(process)
        try:
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        except OSError:  # it has ended
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024
    return total


def _children(process: int) -> list[int]:
    found: list[int] = []
    for listed in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            found += map(int, listed.read_text().split())
        except OSError:
            continue
    return found


def main() -> None:
    """Run a load of another size, and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sessions", type=int, default=Load.sessions)
    parser.add_argument("--seconds", type=float, default=Load.seconds)
    parser.add_argument("--think", type=float, default=Load.think_s, help="seconds between clicks")
    parser.add_argument("--port", type=int, default=None)
    given = parser.parse_args()
    load = Load(
        sessions=given.sessions, seconds=given.seconds, think_s=given.think, port=given.port
    )
    found = drive(load)
    for row in rows(load, found, strict=True):
        print(f"{row.what}: {row.count:,}, {row.failed} failed; {row.figure}")
    for error in found.errors[:10]:
        print(error)


if __name__ == "__main__":
    main()
