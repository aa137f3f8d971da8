"""Computing results in a pool before they are needed."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

__all__ = ["Item", "Made", "map_ahead"]

Item = TypeVar("Item")


Made = TypeVar("Made")


def map_ahead(
    pool: Executor, make: Callable[[Item], Made], items: Iterable[Item], depth: int
) -> Iterator[Made]:
    """Yield ``make(item)`` for each item, in order, while the pool works on the next ones.

    Args:
        pool: runs ``make``.
        make: computes one result.
        items: its arguments, taken from the iterable as they are needed.
        depth: number of results that are computed ahead.
    """
    left = iter(items)
    waiting: deque[Future[Made]] = deque()
    try:
        waiting.extend(pool.submit(make, item) for item in itertools.islice(left, depth))
        while waiting:
            made = waiting.popleft().result()
            waiting.extend(pool.submit(make, item) for item in itertools.islice(left, 1))
            yield made
    finally:
        for future in waiting:
            future.cancel()
