"""Scores of many patches, fast: what a net does one patch at a time, done for thousands.

Four things make it fast on a processor, none of which changes what a net computes:

- **Folding.** In evaluation mode a batch normalisation is a fixed scale and shift of each
  channel, so it goes into the weights of the convolution before it. The activation that
  follows is computed by oneDNN while the result is still in registers, by the operations
  that torch's own compiler emits; called directly, they need no compiler at run time.
- **bfloat16** where the processor computes in it: half the memory, twice the arithmetic.
  It is 8 bits of mantissa, so probabilities move by up to some hundredths
  (``tests/test_inference.py`` bounds it) and ranks hardly at all. What must be
  reproducible to the last digits, evaluation above all, asks for float32, which is
  exact up to rounding and still about twice as fast as a plain loop.
- **Chunks that stay in the cache.** A batch of 32 patches makes maps of 30 MB, which come
  from the system as fresh pages each time; a few patches at once reuse the same memory.
- **A chunk a core.** Cores that share one convolution wait for each other at the end of it,
  and small nets have many; cores that score chunks of their own meet once, at the end.
"""

from __future__ import annotations

import copy
import math
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from landcover.core.threads import allowed_cores, single_threaded
from landcover.models.devices import knows_bfloat16

__all__ = [
    "CHUNK_ON_DEVICE",
    "CHUNK_PIXELS",
    "FEWEST_A_CORE",
    "Convolution",
    "Precision",
    "Scorer",
    "fold",
]

Precision = Literal["auto", "float32", "bfloat16"]

CHUNK_PIXELS: Final = 16 * 120 * 120
"""Pixels a band computed together on a processor: 8 to 16 patches of 120 pixels were the
fastest of 2 to 64, and 32 to 64 pictures of 64 pixels."""
CHUNK_ON_DEVICE: Final = 64 * CHUNK_PIXELS
"""The same on a graphics card, which wants much work at once."""
FEWEST_A_CORE: Final = 2
"""Patches a core from which cores score chunks of their own; of fewer, all share each."""
_ACTIVATIONS: Final[dict[type[nn.Module], tuple[str, list[float]]]] = {
    nn.ReLU: ("relu", []),
    nn.ReLU6: ("hardtanh", [0.0, 6.0]),
}
"""Activations that oneDNN computes at the end of a convolution: its name and parameters."""
_ROUNDING: Final = 1e-3
"""Largest difference of a folded net's logits, in parts of their size, that is rounding."""


class Scorer:
    """A net made ready to score many patches; the net itself is left as it is.

    Args:
        net: in evaluation mode, on the device to compute on.
        example: pixels that it reads, ``(n, band, y, x)``; two patches are enough.
        precision: ``auto`` is bfloat16 where the device computes in it, else float32.
    """

    def __init__(self, net: nn.Module, example: Tensor, precision: Precision = "auto") -> None:
        self.device = _device(net)
        half = precision == "bfloat16" or (precision == "auto" and knows_bfloat16(self.device))
        self.precision: Precision = "bfloat16" if half else "float32"
        self.dtype = torch.bfloat16 if half else torch.float32
        self.net = fold(net, example.to(self.device), self.dtype)

    def __call__(self, pixels: Tensor) -> Tensor:
        """Logits, float32 ``(n, class)`` on the CPU, of pixels ``(n, band, y, x)``."""
        on_cpu = self.device.type == "cpu"
        limit = CHUNK_PIXELS if on_cpu else CHUNK_ON_DEVICE
        size = max(1, limit // (pixels.shape[2] * pixels.shape[3]))
        workers = _workers() if on_cpu else 1
        if workers == 1 or len(pixels) < FEWEST_A_CORE * workers:
            return torch.cat([self._score(part) for part in torch.split(pixels, size)])
        # As many chunks for each core, so that none is left to wait for another's last.
        rounds = math.ceil(len(pixels) / (workers * size))
        chunks = torch.tensor_split(pixels, workers * rounds)
        begin, before = partial(torch.set_num_threads, 1), torch.get_num_threads()
        try:
            with ThreadPoolExecutor(workers, "scorer", begin) as pool:
                return torch.cat(list(pool.map(self._score, chunks)))
        finally:
            # It also set what threads that begin later take, which was not meant.
            torch.set_num_threads(before)

    def _score(self, pixels: Tensor) -> Tensor:
        half = torch.autocast(
            self.device.type, torch.bfloat16, enabled=self.dtype is torch.bfloat16
        )
        with torch.inference_mode(), half:
            logits: Tensor = self.net(pixels.to(self.device))
            return logits.float().cpu()


def _workers() -> int:
    """Cores that may score chunks of their own: as many as the user left torch threads."""
    return allowed_cores() if single_threaded() else min(allowed_cores(), torch.get_num_threads())


def fold(net: nn.Module, example: Tensor, dtype: torch.dtype = torch.float32) -> nn.Module:
    """A copy of a net in which normalisations and activations are part of convolutions.

    What follows what is seen from a run of the example, not from names, so that any net
    can be folded; a folded net that answers the example otherwise is given up.

    Args:
        net: in evaluation mode.
        example: pixels that it reads.
        dtype: of the convolutions on a processor, float32 or bfloat16. On other devices
            they keep float32 weights, which autocast converts.

    Returns:
        the folded net, or an unfolded copy where folding would change answers.
    """
    folded = copy.deepcopy(net).eval().requires_grad_(requires_grad=False)
    folded.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    with torch.inference_mode():
        norms, activations = _chains(folded, example)
        for conv, norm in norms.items():
            first, second = folded.get_submodule(conv), folded.get_submodule(norm)
            assert isinstance(first, nn.Conv2d)
            assert isinstance(second, nn.BatchNorm2d)
            _put(folded, conv, fuse_conv_bn_eval(first, second))
            _put(folded, norm, nn.Identity())
        if example.device.type == "cpu" and torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
            _speed_up(folded, activations)
        if not torch.allclose(folded(example), net(example), rtol=_ROUNDING, atol=_ROUNDING):
            return copy.deepcopy(net)
    for module in folded.modules():
        if isinstance(module, Convolution):
            module.to(dtype)
    return folded


class Convolution(nn.Conv2d):
    """A convolution with its bias and activation as one oneDNN operation."""

    def __init__(self, conv: nn.Conv2d, activation: nn.Module | None) -> None:
        with torch.device("meta"):  # its own weights are never used
            super().__init__(conv.in_channels, conv.out_channels, 1, groups=conv.groups)
        self.weight, self.bias = conv.weight, conv.bias
        self.geometry = (conv.padding, conv.stride, conv.dilation, conv.groups)
        self.activation = ("none", []) if activation is None else _ACTIVATIONS[type(activation)]

    def forward(self, features: Tensor) -> Tensor:
        """``(n, inputs, y, x)`` to ``(n, outputs, y', x')``."""
        out: Tensor = torch.ops.mkldnn._convolution_pointwise(  # noqa: SLF001 - see the module
            features.to(self.weight.dtype, memory_format=torch.channels_last),
            self.weight,
            self.bias,
            *self.geometry,
            *self.activation,
            "",
        )
        return out


def _chains(net: nn.Module, example: Tensor) -> tuple[dict[str, str], dict[str, str]]:
    """Convolution → its normalisation, and convolution → its activation, by name.

    Only where each of them always follows the other: a module that is used in several
    places has several neighbours.
    """
    made: dict[int, tuple[str, Tensor]] = {}
    calls: Counter[str] = Counter()
    follows: Counter[tuple[str, str]] = Counter()
    normalised: set[str] = set()
    names = {module: name for name, module in net.named_modules()}

    def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        name = names[module]
        calls[name] += 1
        if isinstance(module, nn.Conv2d):
            made[id(output)] = (name, output)  # keeping the output keeps its id its own
            return
        conv, kept = made.get(id(inputs[0]), ("", None))
        if kept is None:
            return
        follows[conv, name] += 1
        if isinstance(module, nn.BatchNorm2d):
            normalised.add(conv)
            made[id(output)] = (conv, output)

    kinds = (nn.Conv2d, nn.BatchNorm2d, *_ACTIVATIONS)
    hooks = [m.register_forward_hook(note) for m in net.modules() if isinstance(m, kinds)]
    net(example)
    for hook in hooks:
        hook.remove()
    norms: dict[str, str] = {}
    activations: dict[str, str] = {}
    for (conv, name), count in follows.items():
        if not count == calls[conv] == calls[name]:
            continue
        table = norms if isinstance(net.get_submodule(name), nn.BatchNorm2d) else activations
        table[conv] = name
    # An activation after a normalisation that stays where it is cannot come before it.
    activations = {
        conv: name for conv, name in activations.items() if conv in norms or conv not in normalised
    }
    return norms, activations


def _speed_up(net: nn.Module, activations: dict[str, str]) -> None:
    """Let oneDNN run each convolution together with the activation after it."""
    plain = [
        (name, module)
        for name, module in net.named_modules()
        if isinstance(module, nn.Conv2d)
        and module.padding_mode == "zeros"
        and not isinstance(module.padding, str)
    ]
    for name, module in plain:
        after = activations.get(name)
        _put(net, name, Convolution(module, net.get_submodule(after) if after else None))
        if after:
            _put(net, after, nn.Identity())


def _put(net: nn.Module, name: str, module: nn.Module) -> None:
    """Replace a part of a net."""
    parent, _, own = name.rpartition(".")
    setattr(net.get_submodule(parent), own, module)


def _device(net: nn.Module) -> torch.device:
    """Where a net's values are; a net without any is on the processor."""
    for value in (*net.parameters(), *net.buffers()):
        return value.device
    return torch.device("cpu")
