"""The structure of a net: its blocks, what they cost, and how far each of them sees.

A net is run once on an empty window, and the run is followed operation by operation
(:mod:`landcover.nets.tracing`). So the figures hold for any net, whatever it does between its
layers, such as several looks at turned patches or an estimate of missing bands.

A *block* is a unit of the net's design: a layer, or a few that belong together, such as a
residual block. Multiply-adds are those of convolutions and matrix products. Normalisations,
activations and pooling are not counted, as is usual.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import torch
from torch import Tensor, nn

from landcover.core.bands import PIXEL_M
from landcover.nets.traces import Trace, tensors
from landcover.nets.tracing import Tracer

__all__ = ["INPUT", "Anatomy", "Block", "Layer", "anatomy_of", "blank"]

INPUT: Final = "pixels"
"""Name of the input among the sources of a block."""
_MOST_LAYERS: Final = 6
"""Layers with weights in a block; a larger part of a net is shown as its own parts."""
_CONTAINERS: Final = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
_WEIGHTED: Final = (nn.Conv2d, nn.Linear)
_IDLE: Final = (nn.Identity, nn.Dropout)
"""Layers that do nothing when a net is used."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer, or a block of several.

    Attributes:
        name: as in the weights, such as ``members.0.fine``.
        kind: what it computes, such as "3 × 3 convolution, stride 2".
        shape: of its output for one patch; channels, rows and columns as long as it is a map.
        runs: how often it is computed for a patch: several times if the net looks at it in
            several symmetries.
        parameters: number of its trained values.
        stored: number of other stored numbers: statistics, tables, filters that are not trained.
        multiply_adds: of all its runs.
        field: receptive field, in input pixels along a side; None if a value depends on the whole
            patch, 0 if on no pixel.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    runs: int
    parameters: int
    stored: int
    multiply_adds: int
    field: int | None


@dataclass(frozen=True, kw_only=True)
class Block(Layer):
    """A unit of the net's design.

    Attributes:
        inputs: names of the blocks that it computes from, or :data:`INPUT`.
        layers: its layers, if it has several.
    """

    inputs: tuple[str, ...]
    layers: tuple[Layer, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Anatomy:
    """The structure of a net.

    Attributes:
        input_shape: bands, rows and columns.
        pixel_m: metres along a pixel of the input.
        blocks: in the order in which they are computed.
        last: names of the blocks that the scores are computed from.
        parameters: number of trained values; of a net without any the number of stored ones.
        multiply_adds: of a patch.
        between: multiply-adds outside of the blocks.
    """

    input_shape: tuple[int, int, int]
    pixel_m: int
    blocks: tuple[Block, ...]
    last: tuple[str, ...]
    parameters: int
    multiply_adds: int
    between: int

    def metres(self, layer: Layer) -> int | None:
        """The receptive field in metres along a side; None if it is the whole patch."""
        return None if layer.field is None else layer.field * self.pixel_m

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return asdict(self)


def anatomy_of(
    net: nn.Module, input_shape: tuple[int, int, int], pixel_m: int = PIXEL_M
) -> Anatomy:
    """Run a net once and describe its structure.

    Args:
        net: in evaluation mode; no other thread may use it at the same time.
        input_shape: bands, rows and columns.
        pixel_m: metres along a pixel.
    """
    observer = _Observer(list(_blocks_of(net)))
    images = torch.zeros(1, *input_shape)
    with torch.inference_mode(), observer.watching():
        observer.tracer.begin(images, -1)
        scores = net(images)
        ends = [trace.sources for each in tensors(scores) if (trace := observer.tracer.of(each))]
    blocks = observer.blocks()
    total = observer.tracer.multiply_adds
    return Anatomy(
        input_shape=input_shape,
        pixel_m=pixel_m,
        blocks=blocks,
        last=observer.names(frozenset[int]().union(*ends)),
        parameters=_parameters(net) or _stored(net),
        multiply_adds=total,
        between=total - sum(block.multiply_adds for block in blocks),
    )


def blank(net: nn.Module) -> nn.Module:
    """Give a net that was built without memory for its weights zeros in their place.

    Its structure can then be described; what it computes means nothing.
    """
    made = net.to_empty(device="cpu").eval()
    for value in (*made.parameters(), *made.buffers()):
        value.detach().zero_()
    return made


@dataclass
class _Record:
    """What was seen of a module."""

    name: str
    module: nn.Module
    runs: int = 0
    shape: tuple[int, ...] = ()
    multiply_adds: int = 0
    sources: frozenset[int] = frozenset()
    fields: list[int | None] = field(default_factory=list)

    def layer(self) -> Layer:
        return Layer(
            name=self.name,
            kind=_kind(self.module),
            shape=self.shape,
            runs=self.runs,
            parameters=_parameters(self.module),
            stored=_stored(self.module),
            multiply_adds=self.multiply_adds,
            field=None if None in self.fields else max((f or 0 for f in self.fields), default=0),
        )


class _Observer:
    """Watches the modules of a net while it runs."""

    def __init__(self, blocks: list[tuple[str, nn.Module]]) -> None:
        self.tracer = Tracer()
        self._blocks = [_Record(name, module) for name, module in blocks]
        self._inner = {
            record.name: [
                _Record(f"{record.name}.{name}", module)
                for name, module in record.module.named_modules()
                if name and not list(module.children()) and not isinstance(module, _IDLE)
            ]
            for record in self._blocks
        }
        self._order: list[int] = []

    def watching(self) -> ExitStack:
        """A context in which the net's modules are watched."""
        stack = ExitStack()
        for number, block in enumerate(self._blocks):
            for inner in self._inner[block.name]:
                self._watch(stack, inner, None)
            self._watch(stack, block, number)
        stack.enter_context(self.tracer)
        return stack

    def blocks(self) -> tuple[Block, ...]:
        """The blocks that ran, in this order."""
        found = []
        for number in self._order:
            record = self._blocks[number]
            layers = tuple(each.layer() for each in self._inner[record.name] if each.runs)
            found.append(
                Block(
                    **vars(record.layer()),
                    inputs=self.names(record.sources),
                    layers=layers if len(layers) > 1 else (),
                )
            )
        return tuple(found)

    def names(self, numbers: frozenset[int]) -> tuple[str, ...]:
        """Names of blocks, in the order in which they ran."""
        order = {number: place for place, number in enumerate([-1, *self._order])}
        kept = sorted(numbers, key=order.__getitem__)
        return tuple(INPUT if number < 0 else self._blocks[number].name for number in kept)

    def _watch(self, stack: ExitStack, record: _Record, number: int | None) -> None:
        before: list[tuple[int, bool]] = []

        def enter(_: nn.Module, args: Any, kwargs: Any) -> None:  # noqa: ANN401 - torch's form
            given = [trace for each in tensors((args, kwargs)) if (trace := self.tracer.of(each))]
            record.sources = record.sources.union(*(trace.sources for trace in given))
            before.append((self.tracer.multiply_adds, self.tracer.looked))
            self.tracer.looked = False
            if number is not None and number not in self._order:
                self._order.append(number)

        def leave(_: nn.Module, __: Any, ___: Any, out: Any) -> None:  # noqa: ANN401
            count, looked = before.pop()
            record.runs += 1
            record.multiply_adds += self.tracer.multiply_adds - count
            for each in tensors(out):
                record.shape = tuple(each.shape[1:])
                self._leave(record, number, each)
            self.tracer.looked |= looked

        for handle in (
            record.module.register_forward_pre_hook(enter, with_kwargs=True),
            record.module.register_forward_hook(leave, with_kwargs=True),
        ):
            stack.callback(handle.remove)

    def _leave(self, record: _Record, number: int | None, out: Tensor) -> None:
        trace = self.tracer.of(out)
        if trace is None and self.tracer.looked:
            # NumPy computed on, which is not followed.
            trace = Trace(record.sources, None, None)
        record.fields.append(trace.field if trace else 0)
        if trace is not None and number is not None:
            self.tracer.note(out, Trace(frozenset({number}), trace.rows, trace.columns))


def _blocks_of(net: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield the blocks of a net with their names, each module once."""
    seen: set[int] = set()

    def parts(name: str, module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
        if id(module) in seen or _does_nothing(name, module):
            return
        seen.add(id(module))
        if _is_block(module) and (name or not list(module.children())):
            yield name or "net", module
            return
        for own, child in module.named_children():
            yield from parts(f"{name}.{own}" if name else own, child)

    yield from parts("", net)


def _is_block(module: nn.Module) -> bool:
    children = list(module.children())
    if isinstance(module, _CONTAINERS):
        # A list of layers runs in an order of its own.
        return isinstance(module, nn.Sequential) and not any(
            list(child.children()) for child in children
        )
    if hasattr(module, "cam_layer"):  # a net in a net
        return not children
    weighted = sum(isinstance(each, _WEIGHTED) for each in module.modules())
    return not children or weighted <= _MOST_LAYERS


def _does_nothing(name: str, module: nn.Module) -> bool:
    """Whether a module has no effect on shapes and receptive fields, and nothing to tell."""
    if isinstance(module, nn.Identity):
        return name.rpartition(".")[2] != "cam_layer"
    return isinstance(module, nn.Dropout) or _is_activation(module)


def _is_activation(module: nn.Module) -> bool:
    return type(module).__module__ == nn.ReLU.__module__


def _parameters(module: nn.Module) -> int:
    return sum(value.numel() for value in module.parameters())


def _stored(module: nn.Module) -> int:
    return sum(value.numel() for value in module.buffers() if value.is_floating_point())


def _kind(module: nn.Module) -> str:
    """What a module computes, in words."""
    for kind, words in _WORDS.items():
        if isinstance(module, kind):
            return words(module)
    if _is_activation(module):
        return type(module).__name__
    own = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", type(module).__name__.strip("_")).lower()
    weighted = [each for each in module.modules() if isinstance(each, _WEIGHTED)]
    if not weighted:
        return own
    if isinstance(module, nn.Sequential) and len(weighted) == 1:
        return _kind(weighted[0])
    listed = ", ".join(_kind(each).replace(" convolution", "") for each in weighted)
    return f"{'layers' if isinstance(module, nn.Sequential) else own} of {listed}"


def _convolution(layer: Any) -> str:  # noqa: ANN401 - of the table below
    rows, columns = layer.kernel_size
    depthwise = "depthwise " if 1 < layer.groups == layer.in_channels else ""
    stride = max(layer.stride)
    return f"{rows} × {columns} {depthwise}convolution{f', stride {stride}' if stride > 1 else ''}"


_WORDS: Final[dict[type[nn.Module], Callable[[Any], str]]] = {
    nn.Conv2d: _convolution,
    nn.Linear: lambda _: "linear layer",
    nn.Identity: lambda _: "map behind the scores",
    nn.BatchNorm1d: lambda _: "normalisation",
    nn.BatchNorm2d: lambda _: "normalisation",
    nn.LayerNorm: lambda _: "normalisation",
    nn.MaxPool2d: lambda pool: f"largest of {pool.kernel_size} × {pool.kernel_size}",
}
"""Kind of module → what it computes."""
