"""Waiting for work on the network: deadlines, stops and interrupts end it."""

from __future__ import annotations

import asyncio
import signal
import threading
import time

import pytest

from landcover.core import limits
from landcover.core.errors import Cancelled
from landcover.net.waiting import run, within


class Late(Exception):
    pass


async def long(ended: threading.Event) -> None:
    try:
        await asyncio.sleep(30)
    finally:
        ended.set()


@pytest.mark.parametrize("stopped", [False, True])
def test_work_ends_at_its_deadline_or_when_it_is_stopped(*, stopped: bool) -> None:
    ended, cancel = threading.Event(), threading.Event()
    if stopped:
        threading.Timer(0.05, cancel.set).start()
    until = time.monotonic() + (30 if stopped else 0.05)
    with pytest.raises(Cancelled if stopped else Late):
        run(lambda: within(long(ended), until=until, late=Late, cancel=cancel))
    assert ended.is_set()


def test_a_result_comes_back_and_an_error_is_raised() -> None:
    async def work() -> int:
        return 7

    async def fail() -> int:
        raise Late

    assert run(work) == 7
    with pytest.raises(Late):
        run(fail)


def test_changed_limits_apply_to_the_work() -> None:
    async def most() -> int:
        return limits.current().answer_bytes

    with limits.changed(answer_bytes=77):
        assert run(most) == 77


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs timers that send a signal")
def test_an_interrupt_of_the_user_ends_the_work() -> None:
    ended = threading.Event()

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with pytest.raises(KeyboardInterrupt):
            run(lambda: long(ended))
    finally:
        signal.signal(signal.SIGALRM, before)
    assert ended.wait(2)
