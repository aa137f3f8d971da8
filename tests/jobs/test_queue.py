"""The queue: clicks go first, owners take turns, and every job ends as it should."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from landcover.core import limits
from landcover.core.errors import BadInput
from landcover.core.progress import Progress, Report, check
from landcover.jobs import queue
from landcover.jobs.clicks import Clicks
from landcover.jobs.job import Job, Work, place_text
from landcover.jobs.queue import EXPLAIN, FETCH, LONG, Queue

PATIENCE_S = 20.0


@pytest.fixture
def made() -> Iterator[Queue]:
    own = Queue(Clicks(2))
    yield own
    own.stop()


def wait_for(job: Job) -> Job:
    until = time.monotonic() + PATIENCE_S
    while not job.done:
        assert time.monotonic() < until, f"the job did not end: {job.text}"
        time.sleep(0.005)
    return job


def endless(begun: threading.Event) -> Work:
    def work(_report: Report, cancel: threading.Event) -> None:
        begun.set()
        while True:
            check(cancel)
            time.sleep(0.005)

    return work


class Blocker:
    """A job that keeps a lane of one worker busy until it is released."""

    def __init__(self, made: Queue) -> None:
        self._release, begun = threading.Event(), threading.Event()

        def work(_report: Report, _cancel: threading.Event) -> None:
            begun.set()
            self._release.wait(PATIENCE_S)

        self.job = made.submit(EXPLAIN, "blocker", work, owner="blocker")
        assert begun.wait(PATIENCE_S)

    def release(self) -> None:
        self._release.set()
        wait_for(self.job)


def test_results_errors_and_faults(made: Queue, caplog: pytest.LogCaptureFixture) -> None:
    def refuse(_report: Report, _cancel: threading.Event) -> None:
        raise BadInput("No: do that.")

    def fail(_report: Report, _cancel: threading.Event) -> None:
        raise ValueError("broken")

    assert wait_for(made.submit(FETCH, 1, lambda *_: 7)).result == 7
    assert wait_for(made.submit(FETCH, 2, refuse)).error == "No: do that."
    fault = wait_for(made.submit(FETCH, 3, fail))
    assert fault.error == "An internal error occurred (ValueError). Try again."
    assert "broken" in caplog.text
    # The log shows where the fault occurred; what a user can act on is not logged.
    assert [record.exc_info is not None for record in caplog.records] == [True]


def test_owners_take_turns(made: Queue) -> None:
    blocker, order = Blocker(made), list[str]()
    jobs = [
        made.submit(EXPLAIN, name, lambda *_, name=name: order.append(name), owner=name[0])
        for name in ("a1", "a2", "a3", "b1", "c1", "b2")
    ]
    blocker.release()
    for job in jobs:
        wait_for(job)
    assert order == ["a1", "b1", "c1", "a2", "b2", "a3"]


def test_a_long_job_gives_its_turn_away(made: Queue) -> None:
    blocker, order = Blocker(made), list[str]()

    def pieces(_report: Report, _cancel: threading.Event) -> Iterator[None]:
        for number in range(3):
            order.append(f"piece {number}")
            yield
        return "all"

    long = made.submit(EXPLAIN, "long", pieces, owner="a")
    short = made.submit(EXPLAIN, "short", lambda *_: order.append("short"), owner="b")
    blocker.release()
    wait_for(short)
    assert wait_for(long).result == "all"
    assert order == ["piece 0", "short", "piece 1", "piece 2"]


def test_the_place_in_the_queue_is_said(made: Queue) -> None:
    blocker = Blocker(made)
    jobs = [made.submit(EXPLAIN, k, lambda *_: None, owner=str(k)) for k in range(3)]
    assert [job.text.split(",")[0] for job in jobs] == [
        "1st in the queue",
        "2nd in the queue",
        "3rd in the queue",
    ]
    jobs[0].cancel()
    assert jobs[2].text.startswith("2nd in the queue, about ")
    assert jobs[0].cancelled
    assert jobs[0].done
    blocker.release()
    wait_for(jobs[2])


def test_the_place_is_written_in_plain_words() -> None:
    assert place_text(1, 0) == "Next in the queue"
    assert place_text(3, 20.4) == "3rd in the queue, about 20 s"
    assert place_text(11, 100) == "11th in the queue, about 2 min"
    assert place_text(22, 10).startswith("22nd")


def test_progress_is_reported_and_a_running_job_is_cancelled(made: Queue) -> None:
    begun = threading.Event()

    def work(report: Report, cancel: threading.Event) -> None:
        report(Progress(what="Counting", done=1, total=4, unit="sheep"))
        endless(begun)(report, cancel)

    job = made.submit(EXPLAIN, "count", work)
    assert begun.wait(PATIENCE_S)
    assert job.text.startswith("Counting: 1 of 4 sheep, ")
    assert job.progress.fraction == 0.25
    job.cancel()
    assert wait_for(job).cancelled
    assert job.error is None


def test_a_job_that_takes_too_long_is_stopped(made: Queue) -> None:
    with limits.changed(job_seconds=1):
        job = made.submit(FETCH, "slow", endless(threading.Event()))
    error = wait_for(job).error
    assert error is not None
    assert error.startswith("This took longer than 1 seconds")
    assert not job.cancelled


def test_an_owner_and_all_owners_have_a_bound(made: Queue) -> None:
    blocker = Blocker(made)
    with limits.changed(session_jobs=2, jobs=4):
        for _ in range(2):
            made.submit(EXPLAIN, 0, lambda *_: None, owner="a")
        with pytest.raises(BadInput, match="2 computations of yours"):
            made.submit(LONG, 0, lambda *_: None, owner="a")
        made.submit(EXPLAIN, 0, lambda *_: None, owner="b")
        with pytest.raises(BadInput, match="too much to do"):
            made.submit(EXPLAIN, 0, lambda *_: None, owner="c")
    blocker.release()


def test_jobs_of_an_owner_who_left_are_stopped_unless_they_outlive_it(made: Queue) -> None:
    blocker, begun = Blocker(made), threading.Event()
    running = made.submit(FETCH, "running", endless(begun), owner="a")
    waiting = made.submit(EXPLAIN, "waiting", lambda *_: 1, owner="a")
    outliving = made.submit(EXPLAIN, "training", lambda *_: 1, owner="a", outlives=True)
    other = made.submit(EXPLAIN, "other", lambda *_: 1, owner="b")
    assert begun.wait(PATIENCE_S)
    made.forget("a")
    assert waiting.cancelled
    assert wait_for(running).cancelled
    blocker.release()
    assert (wait_for(outliving).result, wait_for(other).result) == (1, 1)
    assert made.jobs_of("a") == []


def test_jobs_pause_for_clicks_but_never_stand_still(made: Queue) -> None:
    steps, begun, release = list[float](), threading.Event(), threading.Event()

    def work(_report: Report, cancel: threading.Event) -> None:
        while True:
            check(cancel)
            steps.append(time.monotonic())
            begun.set()
            time.sleep(0.001)

    job = made.submit(EXPLAIN, "map", work)
    assert begun.wait(PATIENCE_S)
    click = threading.Thread(target=made.clicks.run, args=(lambda: release.wait(PATIENCE_S),))
    click.start()
    while not made.clicks.active:
        time.sleep(0.001)
    time.sleep(0.05)  # the step that was running when the click came
    before = len(steps)
    time.sleep(1.2)
    during = len(steps) - before
    assert 1 <= during <= 4  # a step each half second, instead of hundreds
    release.set()
    click.join()
    job.cancel()
    wait_for(job)


def test_long_work_pauses_for_explanations(made: Queue) -> None:
    steps, begun = list[float](), threading.Event()

    def work(_report: Report, cancel: threading.Event) -> None:
        while True:
            check(cancel)
            steps.append(time.monotonic())
            begun.set()
            time.sleep(0.001)

    job = made.submit(LONG, "grid", work)
    assert begun.wait(PATIENCE_S)
    blocker = Blocker(made)
    time.sleep(0.05)
    before = len(steps)
    time.sleep(0.7)
    assert len(steps) - before <= 3
    blocker.release()
    job.cancel()
    wait_for(job)


def test_no_more_clicks_than_slots_run_at_the_same_time() -> None:
    clicks, running, most, lock = Clicks(2), [0], [0], threading.Lock()

    def work() -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.02)
        with lock:
            running[0] -= 1

    threads = [threading.Thread(target=clicks.run, args=(work,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [2]
    assert clicks.active == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a priority for each thread")
def test_threads_of_jobs_are_nicer_than_those_of_clicks(made: Queue) -> None:
    def work(_report: Report, _cancel: threading.Event) -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    own = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    found = [wait_for(made.submit(lane, 0, work)).result for lane in (FETCH, EXPLAIN, LONG)]
    assert found == sorted(found)
    assert found[0] == own
    assert found[1] > own or own == 19


def test_all_jobs_are_stopped_at_the_end_of_the_program(made: Queue) -> None:
    begun, release = threading.Event(), threading.Event()
    job = made.submit(EXPLAIN, "forever", endless(begun))
    assert begun.wait(PATIENCE_S)
    made.stop()
    assert job.cancelled
    stubborn = made.submit(EXPLAIN, "stubborn", lambda *_: release.wait(30))
    while stubborn.waits:
        time.sleep(0.005)
    before = time.monotonic()
    made.stop(patience_s=0.1)
    assert time.monotonic() - before < 5
    assert not stubborn.done
    release.set()
    wait_for(stubborn)


def test_the_program_has_one_queue() -> None:
    assert queue.default() is queue.default()
