"""What a tensor is computed from, and one operation of a net as a rule sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from landcover.nets.reach import Reach

__all__ = ["Line", "Step", "Trace", "anywhere", "tensors"]


@dataclass(frozen=True)
class Line:
    """An axis of a tensor along which it is a map.

    Attributes:
        dim: index of the axis, counted from the last: -1, -2, …
        reach: which pixels each cell depends on.
    """

    dim: int
    reach: Reach


@dataclass(frozen=True)
class Trace:
    """What a tensor is computed from.

    Attributes:
        sources: numbers of the blocks it was computed from last.
        rows, columns: its axes; None where it depends on the whole patch.
    """

    sources: frozenset[int]
    rows: Line | None
    columns: Line | None

    @property
    def field(self) -> int | None:
        """Pixels along the longer side of the receptive field of a cell; None: all of them."""
        if self.rows is None or self.columns is None:
            return None
        return max(self.rows.reach.width, self.columns.reach.width)

    def on_lines(self, change: Callable[[Line], Line | None]) -> Trace:
        """Change each axis that is left."""
        rows, columns = (None if line is None else change(line) for line in self.lines())
        return replace(self, rows=rows, columns=columns)

    def lines(self) -> tuple[Line | None, Line | None]:
        """Rows and columns."""
        return self.rows, self.columns

    def whole(self) -> Trace:
        """The same of a tensor that depends on the whole patch."""
        return replace(self, rows=None, columns=None)

    def joined(self, other: Trace) -> Trace:
        """What depends on both of two tensors."""
        rows, columns = (
            Line(a.dim, a.reach.joined(b.reach)) if a and b and a.dim == b.dim else None
            for a, b in zip(self.lines(), other.lines(), strict=True)
        )
        return Trace(self.sources | other.sources, rows, columns)


@dataclass(frozen=True)
class Step:
    """One operation: its arguments, one of its outputs, and what is known of tensors."""

    args: tuple[Any, ...]
    given: Mapping[str, Any]
    out: Tensor
    trace: Callable[[Tensor], Trace | None]

    def argument(self, place: int, name: str, default: Any = None) -> Any:  # noqa: ANN401
        """An argument of the operation, by its place or name."""
        return self.args[place] if len(self.args) > place else self.given.get(name, default)

    @property
    def first(self) -> Tensor:
        """The tensor that the operation is applied to."""
        found: Tensor = self.args[0]
        return found

    def known(self) -> list[tuple[Tensor, Trace]]:
        """The arguments that depend on pixels."""
        every = tensors((self.args, self.given))
        return [(each, trace) for each in every if (trace := self.trace(each))]

    def own(self) -> Trace:
        """The trace of the first argument; the operation may depend on others as well."""
        found = self.trace(self.first)
        traces = [trace for _, trace in self.known()]
        if found is None or len(traces) > 1:
            return anywhere(traces)
        return found


def anywhere(traces: Iterable[Trace]) -> Trace:
    """Depend on all of the traces, and on the whole patch."""
    sources = frozenset[int]().union(*(trace.sources for trace in traces))
    return Trace(sources, None, None)


def tensors(value: Any) -> Iterator[Tensor]:  # noqa: ANN401 - what operations take and return
    """Yield the tensors in nested lists, tuples and tables."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        yield from tensors(tuple(value.values()))
    elif isinstance(value, list | tuple):
        for each in value:
            yield from tensors(each)
