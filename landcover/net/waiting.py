"""Waiting for work on the network: until its deadline, or until the user stops it.

Work that is given up is cancelled, which closes its connections: nothing is received afterwards.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Event
from typing import Any, Final, TypeVar

from landcover.core.progress import check

__all__ = ["POLL_S", "T", "run", "within"]

POLL_S: Final = 0.1
"""How often running work checks whether the user has stopped it."""

T = TypeVar("T")


async def within(
    work: Coroutine[Any, Any, T],
    *,
    until: float,
    late: Callable[[], Exception],
    cancel: Event | None = None,
) -> T:
    """Await work until a deadline, or until the user stops it; then it is cancelled.

    Args:
        work: what to await.
        until: the deadline, on the clock of :func:`time.monotonic`.
        late: makes the error to raise at the deadline.
        cancel: set to stop.

    Raises:
        Cancelled: the user stopped it.
    """
    task = asyncio.ensure_future(work)
    try:
        while not task.done():
            left = until - time.monotonic()
            if left <= 0:
                raise late()
            check(cancel)
            await asyncio.wait({task}, timeout=min(left, POLL_S))
        return task.result()
    finally:
        task.cancel()


def run(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine in a new thread and wait for its result.

    The caller's thread may already have a running loop, as in a notebook. If the user
    interrupts the wait, the coroutine is cancelled.
    """
    outcome: list[T] = []
    fault: list[BaseException] = []
    running: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = []

    async def whole() -> T:
        task = asyncio.current_task()
        assert task is not None
        running.append((asyncio.get_running_loop(), task))
        return await work()

    def loop() -> None:
        try:
            outcome.append(_completed(whole()))
        except BaseException as error:  # noqa: BLE001 - raised again in the waiting thread
            fault.append(error)

    context = contextvars.copy_context()  # limits that the caller has changed apply here too
    thread = threading.Thread(
        target=context.run, args=(loop,), daemon=True, name="landcover-transport"
    )
    thread.start()
    try:
        thread.join()
    except BaseException:
        with suppress(RuntimeError):  # the loop has just ended
            for here, task in running:
                here.call_soon_threadsafe(task.cancel)
        raise
    if fault:
        raise fault[0]
    return outcome[0]


def _completed(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in a new loop, as :func:`asyncio.run` does.

    That one would also wait for the threads of the loop, of which one may be asking for the
    numbers of a host name. Nothing can stop it, and it can take half a minute.
    """
    loop = asyncio.new_event_loop()
    loop.set_default_executor(ThreadPoolExecutor(thread_name_prefix="landcover-loop"))
    try:
        return loop.run_until_complete(work)
    finally:
        loop.run_until_complete(_end())
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


async def _end() -> None:
    """Cancel what still runs in this loop."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
