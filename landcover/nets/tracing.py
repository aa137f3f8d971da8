"""Follow pixels through a net while it runs: what each tensor is computed from.

:class:`Tracer` sees each operation of torch that a net runs. For each tensor it notes the blocks
that it was computed from and, as long as the tensor is a map, which pixels each of its cells
depends on (:mod:`landcover.nets.reach`). It counts the multiply-adds of convolutions and matrix
products on the way. An operation without a rule (:mod:`landcover.nets.trace_rules`) is taken to
depend on everything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

from landcover.nets.reach import pixels
from landcover.nets.trace_rules import RULES, each_element
from landcover.nets.traces import Line, Step, Trace, anywhere, tensors

__all__ = ["Tracer"]


class Tracer(TorchDispatchMode):  # type: ignore[no-untyped-call]  # its base has no types
    """Note what each tensor is computed from, while it is entered; use it in inference mode.

    Attributes:
        multiply_adds: number so far.
        looked: whether any operation used a tensor that depends on pixels, since it was last
            set to False.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.multiply_adds = 0
        self.looked = False
        self._traces = WeakTensorKeyDictionary()

    def begin(self, images: Tensor, source: int) -> None:
        """Make a tensor ``(n, band, y, x)`` the input."""
        axis = pixels()
        self.note(images, Trace(frozenset({source}), Line(-2, axis), Line(-1, axis)))

    def of(self, tensor: Tensor) -> Trace | None:
        """What a tensor is computed from; None if it does not depend on pixels."""
        found: Trace | None = self._traces.get(tensor)  # type: ignore[no-untyped-call]
        return found

    def note(self, tensor: Tensor, trace: Trace) -> None:
        """Set what a tensor is computed from."""
        self._traces[tensor] = trace

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401 - an operation of torch
        types: Any,  # noqa: ANN401
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        given = kwargs or {}
        name = func.name().partition("::")[2].partition(".")[0]
        rule = RULES.get(name)
        if rule is None and torch.Tag.pointwise in func.tags:
            rule = each_element
        if rule is None:
            with self:
                parts = func.decompose(*args, **given)
            if parts is not NotImplemented:
                return parts
        out = func(*args, **given)
        self.multiply_adds += _multiply_adds(name, args, out)
        known = [trace for each in tensors((args, given)) if (trace := self.of(each))]
        if known:
            self.looked = True
            for each in tensors(out):
                step = Step(args=args, given=given, out=each, trace=self.of)
                self.note(each, rule(step) if rule else anywhere(known))
        return out


def _multiply_adds(name: str, args: Sequence[Any], out: Any) -> int:  # noqa: ANN401
    if name in {"conv1d", "conv2d", "convolution"}:
        return int(out.numel() * args[1][0].numel())
    if name in {"linear", "matmul", "mm", "bmm", "mv", "dot"}:
        return int(out.numel() * args[0].shape[-1])
    if name in {"addmm", "baddbmm"}:
        return int(out.numel() * args[1].shape[-1])
    return 0
