"""What a net sees of a patch before it decides: the features that its last layer weighs.

Every net here ends in linear layers, one for each of its independent parts (a TriGrid has
one a member, a Mosaic those of all its parts). Their inputs are the *features* of a patch:
pooled over the patch, normalised as the net itself does it, and all that the answer rests
on. Where a part looks at the patch in several symmetries of the square, its features are
the mean over these looks, as its answer is. Nothing is standardised beyond that.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from functools import partial
from threading import Lock
from typing import Final
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from landcover.core.errors import ModelMismatch
from landcover.models.model import Model

AT_ONCE: Final = 8
"""Patches in one pass of the net, which bounds memory."""


def features(model: Model, pixels: Tensor) -> Tensor:
    """Features of patches, float32 ``(n, feature)`` on the CPU.

    Args:
        model: whose net looks.
        pixels: float32 ``(n, band, y, x)`` as :meth:`~landcover.models.model.Model.tensor` makes
            them: the card's bands, without gaps. There may be none.

    Raises:
        ModelMismatch: the model has no such features, such as a forest.
    """
    return features_and_scores(model, pixels)[0]


def features_and_scores(model: Model, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Features ``(n, feature)`` and raw scores ``(n, class)`` of one and the same pass.

    Both are float32 on the CPU, without gradients. It may be called in any thread; the
    net that predicts is left as it is.

    Args:
        model: whose net looks.
        pixels: float32 ``(n, band, y, x)``, as :func:`features` takes them.

    Raises:
        ModelMismatch: the model has no such features, such as a forest.
    """
    probe = _probe(model)
    parts = [probe(part) for part in torch.split(pixels, AT_ONCE)] if len(pixels) else []
    seen = [torch.empty(0, probe.width), *(part[0] for part in parts)]
    scores = [torch.empty(0, probe.classes), *(part[1] for part in parts)]
    return torch.cat(seen), torch.cat(scores)


class _Probe:
    """Modules of our own that share a net's weights and note what reaches the last layers.

    A hook on the net itself would see what other threads predict meanwhile.
    """

    def __init__(self, model: Model) -> None:
        shared = {id(t): t for t in (*model.net.parameters(), *model.net.buffers())}
        self.net = copy.deepcopy(model.net, shared)
        self.device = model.device
        self.classes = len(model.card.classes)
        self.lock = Lock()
        self.seen: dict[str, list[Tensor]] = defaultdict(list)
        self.width = 0
        for name, module in self.net.named_modules():
            if isinstance(module, nn.Linear) and module.out_features == self.classes:
                module.register_forward_pre_hook(partial(self._note, name))
                self.width += module.in_features
        if not self.width:
            raise ModelMismatch(
                f"{model.card.title} has no features of a patch that could be compared: "
                "choose a net, such as the custom CNN."
            )

    def _note(self, name: str, _: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self.seen[name].append(inputs[0])

    def __call__(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        with self.lock, torch.no_grad():
            self.seen.clear()
            scores = self.net(pixels.to(self.device))
            found = [torch.stack(looks).mean(dim=0) for looks in self.seen.values()]
            self.seen.clear()
        return torch.cat(found, dim=1).float().cpu(), scores.float().cpu()


_PROBES: Final[WeakKeyDictionary[Model, _Probe]] = WeakKeyDictionary()
"""One a model in use: copying the modules takes half as long as a pass of them."""
_MAKING: Final = Lock()


def _probe(model: Model) -> _Probe:
    with _MAKING:
        if model not in _PROBES:
            _PROBES[model] = _Probe(model)
        return _PROBES[model]
