"""Background jobs end before the program does."""

from __future__ import annotations

import threading
import time

from landcover.core.progress import Report, check
from pages.parts.shared import jobs


def test_all_jobs_are_stopped() -> None:
    begun = threading.Event()

    def work(_report: Report, cancel: threading.Event) -> None:
        begun.set()
        while True:
            check(cancel)
            time.sleep(0.01)

    job = jobs.start("forever", work)
    assert begun.wait(10)
    assert not job.done
    jobs.stop_all()
    assert job.done
    assert job.cancelled


def test_a_job_that_does_not_stop_is_left_alone() -> None:
    release = threading.Event()
    job = jobs.start("stubborn", lambda _report, _cancel: release.wait(30))
    before = time.monotonic()
    jobs.stop_all(patience_s=0.1)
    assert time.monotonic() - before < 5
    assert not job.done
    release.set()
