"""A limit on nets of untrusted options, applied while they are built.

A card can ask for a million members of an ensemble. Even where a weight takes no memory, building
such a net takes hours, so its layers and weights are counted when they are registered.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.modules import module as hooks

__all__ = ["NetTooLarge", "bounded"]


class NetTooLarge(ValueError):
    """A net has more layers or weights than allowed; the message is the end of a sentence."""


@dataclass
class _Budget:
    parts: int
    values: int
    most_parts: int
    most_values: int


_budget: ContextVar[_Budget | None] = ContextVar("landcover_net_budget", default=None)


@contextmanager
def bounded(most_parts: int, most_values: int) -> Iterator[None]:
    """Limit the nets that this thread builds in a block.

    Args:
        most_parts: number of layers, counting each time one is put into another.
        most_values: number of weights and other stored numbers.

    Raises:
        NetTooLarge: from the constructor that exceeds a limit.
    """
    token = _budget.set(_Budget(0, 0, most_parts, most_values))
    with ExitStack() as undo:
        undo.callback(_budget.reset, token)
        for register, hook in (
            (hooks.register_module_module_registration_hook, _on_part),
            (hooks.register_module_parameter_registration_hook, _on_values),
            (hooks.register_module_buffer_registration_hook, _on_values),
        ):
            undo.callback(register(hook).remove)
        yield


def _on_part(owner: nn.Module, name: str, part: nn.Module | None) -> None:  # noqa: ARG001 - torch's form
    budget = _budget.get()
    if budget is None:
        return
    budget.parts += 1
    if budget.parts > budget.most_parts:
        raise NetTooLarge(f"the card's architecture has more than {budget.most_parts:,} layers")


def _on_values(owner: nn.Module, name: str, values: Tensor | None) -> None:  # noqa: ARG001
    budget = _budget.get()
    if budget is None or values is None:
        return
    budget.values += values.numel()
    if budget.values > budget.most_values:
        raise NetTooLarge(
            f"the card's architecture has more than {budget.most_values / 1e6:,.0f} million "
            "parameters"
        )
