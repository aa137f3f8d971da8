"""Fast scoring of many patches.

Four optimisations speed up scoring on a CPU; none of them changes what the net computes:

- **Folding.** In evaluation mode a batch normalisation is a fixed scale and shift of each
  channel, so it is merged into the weights of the preceding convolution. oneDNN computes the
  activation that follows while the result is still in registers. The operations are those that
  torch's own compiler emits; calling them directly needs no compiler at run time.
- **bfloat16**, if the CPU supports it: half the memory, twice the arithmetic throughput.
  Its mantissa has 8 bits, so probabilities change by up to a few hundredths
  (``tests/models/test_inference.py`` limits it) and ranks hardly at all. Evaluation, which must be
  reproducible to the last digits, requests float32, which is exact up to rounding
  and still about twice as fast as a plain loop.
- **Chunks that fit in the cache.** A batch of 32 patches makes maps of 30 MB, for which the
  system allocates fresh pages each time; small chunks reuse the same memory.
- **One chunk per core.** Cores that share one convolution wait for each other at its end,
  and small nets have many convolutions; cores that score separate chunks wait only once.
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
from landcover.models.devices import supports_bfloat16

__all__ = [
    "CHUNK_ON_DEVICE",
    "CHUNK_PIXELS",
    "MIN_PATCHES_PER_CORE",
    "Convolution",
    "Precision",
    "Scorer",
    "fold",
    "workers",
]

Precision = Literal["auto", "float32", "bfloat16"]

CHUNK_PIXELS: Final = 16 * 120 * 120
"""Pixels per band in one chunk on a CPU. Of chunks of 2 to 64 patches of 120 pixels, those of 8 to
16 were the fastest; of pictures of 64 pixels, chunks of 32 to 64."""
CHUNK_ON_DEVICE: Final = 64 * CHUNK_PIXELS
"""The same on a GPU, which needs large batches."""
MIN_PATCHES_PER_CORE: Final = 2
"""Patches per core from which each core scores its own chunks; with fewer, all cores share each."""
_ACTIVATIONS: Final[dict[type[nn.Module], tuple[str, list[float]]]] = {
    nn.ReLU: ("relu", []),
    nn.ReLU6: ("hardtanh", [0.0, 6.0]),
}
"""Activations that oneDNN can fuse into a convolution → oneDNN's name and parameters."""
_ROUNDING: Final = 1e-3
"""Largest relative difference of a folded net's logits that counts as rounding."""


class Scorer:
    """A copy of a net, prepared to score many patches; the net itself is unchanged.

    Args:
        net: in evaluation mode, on the device to compute on.
        example: input pixels ``(n, band, y, x)``; two patches are enough.
        precision: ``auto`` is bfloat16 if the device supports it, else float32.
    """

    def __init__(self, net: nn.Module, example: Tensor, precision: Precision = "auto") -> None:
        self.device = _device(net)
        half = precision == "bfloat16" or (precision == "auto" and supports_bfloat16(self.device))
        self.precision: Precision = "bfloat16" if half else "float32"
        self.dtype = torch.bfloat16 if half else torch.float32
        self.net = fold(net, example.to(self.device), self.dtype)

    def __call__(self, pixels: Tensor) -> Tensor:
        """Return logits, float32 ``(n, class)`` on the CPU, of pixels ``(n, band, y, x)``."""
        on_cpu = self.device.type == "cpu"
        limit = CHUNK_PIXELS if on_cpu else CHUNK_ON_DEVICE
        size = max(1, limit // (pixels.shape[2] * pixels.shape[3]))
        cores = workers() if on_cpu else 1
        if cores == 1 or len(pixels) < MIN_PATCHES_PER_CORE * cores:
            return torch.cat([self._score(part) for part in torch.split(pixels, size)])
        # The same number of chunks for each core, so that all finish together.
        rounds = math.ceil(len(pixels) / (cores * size))
        chunks = torch.tensor_split(pixels, cores * rounds)
        begin, before = partial(torch.set_num_threads, 1), torch.get_num_threads()
        try:
            with ThreadPoolExecutor(cores, "scorer", begin) as pool:
                return torch.cat(list(pool.map(self._score, chunks)))
        finally:
            # Setting it in a worker also changes the default of later threads; undo that.
            torch.set_num_threads(before)

    def _score(self, pixels: Tensor) -> Tensor:
        half = torch.autocast(
            self.device.type, torch.bfloat16, enabled=self.dtype is torch.bfloat16
        )
        with torch.inference_mode(), half:
            logits: Tensor = self.net(pixels.to(self.device))
            return logits.float().cpu()


def workers() -> int:
    """Number of cores that may compute separate chunks, limited by torch's number of threads."""
    return allowed_cores() if single_threaded() else min(allowed_cores(), torch.get_num_threads())


def fold(net: nn.Module, example: Tensor, dtype: torch.dtype = torch.float32) -> nn.Module:
    """Copy a net and merge its normalisations and activations into its convolutions.

    The order of modules is traced by running the example, not taken from names, so that any net
    can be folded. If the folded net's output differs on the example, it is discarded.

    Args:
        net: in evaluation mode.
        example: input pixels ``(n, band, y, x)``.
        dtype: of the convolutions on a CPU, float32 or bfloat16. On other devices
            they keep float32 weights, which autocast converts.

    Returns:
        the folded net, or an unfolded copy if folding would change its output.
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
    """A convolution that computes its bias and activation in one oneDNN operation."""

    def __init__(self, conv: nn.Conv2d, activation: nn.Module | None) -> None:
        with torch.device("meta"):  # its own weights are never used
            super().__init__(conv.in_channels, conv.out_channels, 1, groups=conv.groups)
        self.weight, self.bias = conv.weight, conv.bias
        self.geometry = (conv.padding, conv.stride, conv.dilation, conv.groups)
        self.activation = ("none", []) if activation is None else _ACTIVATIONS[type(activation)]

    def forward(self, features: Tensor) -> Tensor:
        """Map ``(n, inputs, y, x)`` to ``(n, outputs, y', x')``."""
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
    """Find the normalisation and the activation that follow each convolution, by name.

    Only pairs that always follow each other count: a module that is used in several
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
            made[id(output)] = (name, output)  # keeping the output keeps its id unique
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
    # An activation cannot move in front of a normalisation that is not folded.
    activations = {
        conv: name for conv, name in activations.items() if conv in norms or conv not in normalised
    }
    return norms, activations


def _speed_up(net: nn.Module, activations: dict[str, str]) -> None:
    """Replace each convolution and its activation by one oneDNN operation."""
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
    """Replace a submodule of a net."""
    parent, _, own = name.rpartition(".")
    setattr(net.get_submodule(parent), own, module)


def _device(net: nn.Module) -> torch.device:
    """Return the device of a net's weights; the CPU if it has none."""
    for value in (*net.parameters(), *net.buffers()):
        return value.device
    return torch.device("cpu")
