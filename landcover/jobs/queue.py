"""The fair queue: lanes by urgency, and in each lane the owners take turns.

- Clicks (:mod:`landcover.jobs.clicks`) go before all lanes: jobs pause while one is computed.
- Each lane has its own few threads. A lane that computes also pauses while a more urgent lane that
  computes is working. Pauses have a limit, so a job may become slow but never stands still.
- In a lane, owners take turns: whoever queues ten jobs delays others by one. A long job gives its
  turn away at each point where it yields, so a short one need not wait for its end.
- An owner may have only a few jobs, and jobs of an owner who left are cancelled.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, Final

from landcover.core import limits
from landcover.core.errors import BadInput
from landcover.jobs.clicks import PAUSE_S, Clicks
from landcover.jobs.job import Cancel, Job, Work, place_text

__all__ = ["EXPLAIN", "FETCH", "LONG", "PATIENCE_S", "Lane", "Queue", "default"]

PATIENCE_S: Final = 20.0
"""Seconds that the end of the program waits for jobs: no step between two checks takes longer."""
_FIRST_GUESS_S: Final = 5.0
"""Seconds that a job is expected to take before any has ended."""
_MEMORY: Final = 0.3
"""Weight of the latest job in the average of how long jobs take."""


@dataclass(frozen=True)
class Lane:
    """Jobs of one kind.

    Attributes:
        name: of the lane.
        workers: how many of its jobs run at the same time.
        computes: whether its jobs keep a core busy; others wait for a network most of the time.
        nice: how much less often than others its threads get a core that several want (Linux).
    """

    name: str
    workers: int = 1
    computes: bool = True
    nice: int = 0


FETCH: Final = Lane("fetch", workers=4, computes=False)
"""Searches of archives and downloads."""
EXPLAIN: Final = Lane("explain", nice=5)
"""Attribution maps and what else the Explain page shows."""
LONG: Final = Lane("long", workers=2, nice=10)
"""Grids of windows, and everything that takes minutes."""


@dataclass
class _Line:
    """The state of a lane: who waits, in the order of turns, and what runs."""

    lane: Lane
    waiting: OrderedDict[str, deque[Job]] = field(default_factory=OrderedDict)
    running: list[Job] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)
    usual_s: float = _FIRST_GUESS_S

    def put(self, job: Job) -> None:
        self.waiting.setdefault(job.owner, deque()).append(job)

    def take(self) -> Job:
        owner, jobs = self.waiting.popitem(last=False)
        job = jobs.popleft()
        if jobs:
            self.waiting[owner] = jobs  # at the end: all others have a turn first
        return job

    def in_order(self) -> Iterator[Job]:
        left = [list(jobs) for jobs in self.waiting.values()]
        for turn in range(max(map(len, left), default=0)):
            yield from (jobs[turn] for jobs in left if turn < len(jobs))

    def jobs(self) -> list[Job]:
        return [*self.running, *(job for jobs in self.waiting.values() for job in jobs)]

    @property
    def busy(self) -> bool:
        return bool(self.running or self.waiting)


class Queue:
    """Jobs of all users, and the threads that do them.

    Args:
        clicks: the computations that all jobs let go first.
        lanes: from the most to the least urgent.
    """

    def __init__(self, clicks: Clicks, lanes: Sequence[Lane] = (FETCH, EXPLAIN, LONG)) -> None:
        self.clicks = clicks
        self._changed = threading.Condition()
        self._lines = {lane.name: _Line(lane) for lane in lanes}
        self._stopping = False

    def submit(
        self,
        lane: Lane,
        purpose: Any,  # noqa: ANN401 - any value identifies a job
        work: Work,
        *,
        owner: str = "",
        outlives: bool = False,
    ) -> Job:
        """Put a job at the end of its owner's jobs in a lane.

        Args:
            lane: where it waits.
            purpose: what the job is for, to distinguish it from other jobs.
            work: what to do.
            owner: whose job it is, such as the id of a session.
            outlives: whether it goes on when its owner leaves.

        Raises:
            BadInput: the owner, or all owners together, have too many jobs.
        """
        most = limits.current()
        job = Job(
            purpose=purpose,
            work=work,
            stop=Cancel(partial(self._pause, lane)),
            places=self,
            seconds=most.job_seconds,
            owner=owner,
            outlives=outlives,
        )
        with self._changed:
            jobs = self._jobs()
            own = sum(owner == each.owner for each in jobs) if owner else 0
            if own >= most.session_jobs:
                raise BadInput(
                    f"{own} computations of yours are still waiting or running: wait for one of "
                    "them, or stop it."
                )
            if len(jobs) >= most.jobs:
                raise BadInput("The server has too much to do: try again in a few minutes.")
            line = self._lines[lane.name]
            line.put(job)
            if len(line.threads) < lane.workers:
                self._add_worker(line)
            self._changed.notify_all()
        return job

    def forget(self, owner: str) -> None:
        """Stop the jobs of an owner who has left, except those that outlive their owner."""
        for job in self.jobs_of(owner):
            if not job.outlives:
                job.cancel()

    def jobs_of(self, owner: str) -> list[Job]:
        """Return the jobs of an owner that wait or run."""
        with self._changed:
            every = self._jobs()
        return [job for job in every if job.owner == owner]

    def stop(self, patience_s: float = PATIENCE_S) -> None:
        """Cancel all jobs, and wait until those that run have ended.

        A thread that computes with torch while the interpreter ends aborts the process.

        Args:
            patience_s: seconds after which a job that does not end is left alone.
        """
        until = time.monotonic() + patience_s
        with self._changed:
            self._stopping = True
            every = self._jobs()
            threads = [thread for line in self._lines.values() for thread in line.threads]
        for job in every:
            job.cancel()
        with self._changed:
            self._changed.notify_all()
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        with self._changed:
            self._stopping = False
            for line in self._lines.values():
                line.threads.clear()

    def _jobs(self) -> list[Job]:
        return [job for line in self._lines.values() for job in line.jobs()]

    def _add_worker(self, line: _Line) -> None:
        name = f"landcover-{line.lane.name}-{len(line.threads)}"
        thread = threading.Thread(target=self._serve, args=(line,), daemon=True, name=name)
        line.threads.append(thread)
        thread.start()

    def _serve(self, line: _Line) -> None:
        _be_nice(line.lane.nice)
        while True:
            with self._changed:
                while not line.waiting and not self._stopping:
                    self._changed.wait()
                if self._stopping:
                    return
                job = line.take()
                line.running.append(job)
            ended = job.run()
            with self._changed:
                line.running.remove(job)
                if ended:
                    line.usual_s += _MEMORY * (job.spent_s - line.usual_s)
                else:
                    line.put(job)
                self._changed.notify_all()

    def remove(self, job: Job) -> None:
        """Remove a job that is not running, and end it."""
        with self._changed:
            for line in self._lines.values():
                jobs = line.waiting.get(job.owner)
                if jobs and job in jobs:
                    jobs.remove(job)
                    if not jobs:
                        del line.waiting[job.owner]
                    job.drop()

    def text_of(self, job: Job) -> str:
        """Say where a waiting job is in the queue, such as ``"3rd in the queue, about 20 s"``."""
        with self._changed:
            for line in self._lines.values():
                for place, each in enumerate(line.in_order(), 1):
                    if each is job:
                        left = (len(line.running) + place - 1) * line.usual_s
                        return place_text(place, left / line.lane.workers)
        return "Starting"

    def _pause(self, lane: Lane) -> None:
        """Wait while more urgent work computes, for a limited time."""
        if not lane.computes:
            return
        self.clicks.wait_until_idle()
        until = time.monotonic() + PAUSE_S
        with self._changed:
            while self._is_urgent_before(lane) and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)

    def _is_urgent_before(self, lane: Lane) -> bool:
        for line in self._lines.values():
            if line.lane == lane:
                return False
            if line.lane.computes and line.busy:
                return True
        return False


def _be_nice(more: int) -> None:
    """Let the other threads of this program go first; Linux has a priority for each thread."""
    if more and sys.platform == "linux":
        thread = threading.get_native_id()
        now = os.getpriority(os.PRIO_PROCESS, thread)
        os.setpriority(os.PRIO_PROCESS, thread, min(19, now + more))


@cache
def default() -> Queue:
    """Return the queue of this program."""
    queue = Queue(Clicks())
    atexit.register(queue.stop)
    return queue
