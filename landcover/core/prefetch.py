"""Results of slow work made ready before they are asked for."""

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
    """What ``make`` makes of each item, in order, with up to ``depth`` under way meanwhile."""
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
