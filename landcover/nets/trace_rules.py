"""What the result of each operation of torch depends on: a function for each kind of operation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, Final

from torch import Tensor

from landcover.nets.reach import Reach
from landcover.nets.traces import Line, Step, Trace, anywhere, tensors

__all__ = ["RULES", "Rule", "each_element"]

Rule = Callable[[Step], Trace]


def each_element(step: Step) -> Trace:
    """An operation on each element, with broadcasting, or along axes that are no axis of a map."""
    found: Trace | None = None
    for tensor, trace in step.known():
        kept = trace.on_lines(lambda line, own=tensor: _kept(line, own, step.out))  # type: ignore[misc]
        found = kept if found is None else found.joined(kept)
    assert found is not None
    return found


def _kept(line: Line, before: Tensor, after: Tensor) -> Line | None:
    same = after.dim() >= -line.dim and after.shape[line.dim] == before.shape[line.dim]
    return line if same else None


def _pair(value: Any) -> tuple[int, int]:  # noqa: ANN401 - a number or a list
    values = [value] if isinstance(value, int) else list(value)
    return int(values[0]), int(values[-1])


def _windows(step: Step, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Trace:  # noqa: ANN401
    by_axis = {
        dim: tuple(_pair(value)[dim] for value in (kernel, stride, padding, dilation))
        for dim in (-2, -1)
    }

    def change(line: Line) -> Line | None:
        if line.dim not in by_axis:
            return None
        return Line(line.dim, line.reach.windows(*by_axis[line.dim]))

    return step.own().on_lines(change)


def _convolution(step: Step) -> Trace:
    padding = step.argument(4, "padding", 0)
    kernel = step.args[1].shape[2:]
    dilation = step.argument(5, "dilation", 1)
    if isinstance(padding, str):
        spread = zip(kernel, _pair(dilation), strict=True)
        padding = [0, 0] if padding == "valid" else [d * (k - 1) // 2 for k, d in spread]
    return _windows(step, kernel, step.argument(3, "stride", 1), padding, dilation)


def _pool(step: Step) -> Trace:
    kernel = step.argument(1, "kernel_size")
    stride = step.argument(2, "stride", ()) or kernel
    return _windows(step, kernel, stride, step.argument(3, "padding", 0), 1)


def _enlarge(step: Step, how: Callable[[Reach, Fraction], Reach]) -> Trace:
    before, after = step.first, step.out

    def change(line: Line) -> Line:
        factor = Fraction(after.shape[line.dim], before.shape[line.dim])
        return Line(line.dim, how(line.reach, factor))

    return step.own().on_lines(change)


def _pad(step: Step) -> Trace:
    sizes = list(step.argument(1, "pad"))
    ends = {-1 - k: sizes[2 * k : 2 * k + 2] for k in range(len(sizes) // 2)}
    mirrored = step.argument(2, "mode", "constant") == "reflect"

    def change(line: Line) -> Line | None:
        before, after = ends.get(line.dim, (0, 0))
        if min(before, after) < 0:
            return None
        return Line(line.dim, line.reach.padded(before, after, mirrored=mirrored))

    return step.own().on_lines(change)


def _slice(step: Step) -> Trace:
    dim = _from_end(step.argument(1, "dim", 0), step.first)
    size = step.first.shape[dim]
    begin = step.argument(2, "start", 0) or 0
    which = slice(begin + size if begin < 0 else begin, None, step.argument(4, "step", 1))

    def change(line: Line) -> Line:
        # What is cut off at the end is no part of the axis, which has another length.
        return Line(line.dim, line.reach.cells(which)) if line.dim == dim else line

    return step.own().on_lines(change)


def _flip(step: Step) -> Trace:
    dims = {_from_end(dim, step.first) for dim in step.argument(1, "dims")}
    backwards = slice(None, None, -1)
    return step.own().on_lines(
        lambda line: Line(line.dim, line.reach.cells(backwards)) if line.dim in dims else line
    )


def _permute(step: Step) -> Trace:
    count = step.first.dim()
    order = [dim % count for dim in step.argument(1, "dims", range(count)[::-1])]
    return _moved(step, {old - count: new - count for new, old in enumerate(order)})


def _transpose(step: Step) -> Trace:
    one, other = (
        _from_end(step.argument(k, name), step.first) for k, name in ((1, "dim0"), (2, "dim1"))
    )
    return _moved(step, {one: other, other: one})


def _moved(step: Step, moves: Mapping[int, int]) -> Trace:
    return step.own().on_lines(lambda line: Line(moves.get(line.dim, line.dim), line.reach))


def _view(step: Step) -> Trace:
    """Another shape: an axis stays an axis if what stands before it and its length stay."""
    before, after = step.first.shape, step.out.shape
    starts = {math.prod(after[:dim]): dim for dim in range(len(after)) if after[dim] > 1}

    def change(line: Line) -> Line | None:
        place = starts.get(math.prod(before[: line.dim]))
        if place is None or after[place] != before[line.dim]:
            return None
        return Line(place - len(after), line.reach)

    return step.own().on_lines(change)


def _insert(step: Step) -> Trace:
    """A new axis: of one tensor, or of several that are put on each other."""
    place = step.argument(1, "dim", 0)
    place = place if place < 0 else place - step.out.dim()
    traces = [trace for _, trace in step.known()]
    joined = traces[0]
    for trace in traces[1:]:
        joined = joined.joined(trace)
    return joined.on_lines(
        lambda line: Line(line.dim - 1 if line.dim <= place else line.dim, line.reach)
    )


def _reduce(place: int) -> Rule:
    """An operation over some axes, which are the argument at a place."""

    def rule(step: Step) -> Trace:
        dims = step.argument(place, "dim")
        if dims is None or dims == []:
            return step.own().whole()
        gone = {_from_end(dim, step.first) for dim in ([dims] if isinstance(dims, int) else dims)}
        lost = step.out.dim() < step.first.dim()

        def change(line: Line) -> Line | None:
            if line.dim in gone:
                return None
            shift = sum(dim > line.dim for dim in gone) if lost else 0
            return Line(line.dim + shift, line.reach)

        return step.own().on_lines(change)

    return rule


def _select(step: Step) -> Trace:
    dim = _from_end(step.argument(1, "dim"), step.first)

    def change(line: Line) -> Line | None:
        return None if line.dim == dim else Line(line.dim + (line.dim < dim), line.reach)

    return step.own().on_lines(change)


def _index(step: Step) -> Trace:
    """Elements of one axis by a list of indices."""
    listed = [k for k, each in enumerate(step.args[1]) if each is not None]
    flat = len(listed) == 1 and step.args[1][listed[0]].dim() == 1
    if not flat or step.trace(step.first) is None:
        return anywhere([trace for _, trace in step.known()])
    dim = listed[0] - step.first.dim()
    return step.own().on_lines(lambda line: None if line.dim == dim else line)


def _along(place: int) -> Rule:
    """An operation that mixes or divides the values along one axis and keeps the others."""

    def rule(step: Step) -> Trace:
        dim = step.argument(place, "dim", 0)
        count = next(iter(tensors(step.args))).dim()
        found = each_element(step)
        return found.on_lines(
            lambda line: None if line.dim == (dim if dim < 0 else dim - count) else line
        )

    return rule


def _matrix(step: Step) -> Trace:
    """A matrix product: the last axis is mixed, and so is a map in the second matrix."""
    if len(step.known()) > 1 or step.trace(step.first) is None:
        return anywhere([trace for _, trace in step.known()])
    found = each_element(step)
    return found.on_lines(lambda line: None if line.dim == -1 else line)


def _layer_norm(step: Step) -> Trace:
    last = len(step.argument(1, "normalized_shape"))
    return step.own().on_lines(lambda line: None if line.dim >= -last else line)


def _from_end(dim: int, tensor: Tensor) -> int:
    return dim if dim < 0 else dim - tensor.dim()


def _repeated(step: Step) -> Trace:
    return _enlarge(step, Reach.repeated)


def _interpolated(step: Step) -> Trace:
    return _enlarge(step, Reach.interpolated)


RULES: Final[dict[str, Rule]] = {
    "conv2d": _convolution,
    "avg_pool2d": _pool,
    "max_pool2d": _pool,
    "upsample_nearest2d": _repeated,
    "upsample_bilinear2d": _interpolated,
    "pad": _pad,
    "slice": _slice,
    "select": _select,
    "index": _index,
    "flip": _flip,
    "permute": _permute,
    "numpy_T": _permute,
    "t": _permute,
    "transpose": _transpose,
    "stack": _insert,
    "unsqueeze": _insert,
    "mean": _reduce(1),
    "sum": _reduce(1),
    "amax": _reduce(1),
    "std": _reduce(1),
    "var": _reduce(1),
    "linalg_vector_norm": _reduce(2),
    "cat": _along(1),
    "chunk": _along(2),
    "split": _along(2),
    "softmax": _along(1),
    "log_softmax": _along(1),
    "linear": _matrix,
    "matmul": _matrix,
    "layer_norm": _layer_norm,
    **dict.fromkeys(("view", "reshape", "flatten", "unflatten", "squeeze"), _view),
    **dict.fromkeys(("batch_norm", "dropout", "feature_dropout", "contiguous"), each_element),
    **dict.fromkeys(("to", "type_as", "alias", "detach", "clone", "resolve_conj"), each_element),
    **dict.fromkeys(("expand", "expand_as"), each_element),
}
"""Name of an operation → what its result depends on; operations on each element need none."""
