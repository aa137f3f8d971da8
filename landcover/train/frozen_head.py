"""A linear head on a trunk that stays as it is, fitted to labels or to another model's answers.

It is one logistic regression a class.

With few labels from few places, a head that can hardly adapt to them keeps what the trunk knows of
other places. The statistics of a patch are standardised by those of the fitted patches and
clipped, which the net's own normalisation then does.
"""

from __future__ import annotations

import copy
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from landcover.datasets.arrays import PatchSet
from landcover.models.inference import fold
from landcover.nets.cell_net import CellNet
from landcover.train.class_frequencies import fitted_bias

__all__ = ["fit_head", "fit_to_answers", "statistics"]

_BATCH = 32
_LEAST = 1e-5
_ITERATIONS = 300
_TOLERANCE = 1e-3
_RAREST = 1e-3


def statistics(net: CellNet, patches: PatchSet, device: torch.device) -> Tensor:
    """What a net's head takes, before its normalisation: float64 ``(patch, statistic)``."""
    raw = copy.deepcopy(net).to(device).eval()
    raw.clip = None
    raw.norm = nn.Identity()  # type: ignore[assignment]
    rows = range(len(patches))
    raw = cast("CellNet", fold(raw, patches.pixels(rows[:2]).to(device)))
    with torch.inference_mode():
        found = [
            raw.read(patches.pixels(rows[k : k + _BATCH]).to(device)).features.cpu()
            for k in range(0, len(patches), _BATCH)
        ]
    return torch.cat(found).double()


def fit_head(
    net: CellNet,
    patches: PatchSet,
    *,
    freedom: float,
    device: torch.device,
    values: Tensor | None = None,
) -> None:
    """Set the normalisation and the head of a net, whose trunk stays as it is.

    A class that all patches have, or none, gets the same score everywhere.

    Args:
        net: on the CPU; changed in place.
        patches: to fit to.
        freedom: inverse strength of the L2 penalty, as scikit-learn's ``C``.
        device: where the statistics are computed.
        values: the net's :func:`statistics` of the patches, if they are known.
    """
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - slow to import

    if values is None:
        values = statistics(net, patches, device)
    inputs = _standardise(net, values)
    with torch.no_grad():
        nn.init.zeros_(net.head.weight)
        net.head.bias.copy_(fitted_bias(patches.targets))
        truth = patches.targets.numpy() > 0.5
        for row in np.flatnonzero(truth.any(axis=0) & ~truth.all(axis=0)):
            model = LogisticRegression(C=freedom, max_iter=_ITERATIONS, tol=_TOLERANCE)
            model.fit(inputs.double().numpy(), truth[:, row])
            net.head.weight[row] = torch.from_numpy(model.coef_[0])
            net.head.bias[row] = float(model.intercept_[0])


def fit_to_answers(
    net: CellNet,
    patches: PatchSet,
    wanted: Tensor,
    *,
    penalty: float,
    device: torch.device,
) -> None:
    """Set the normalisation and the head of a net to what another model answers.

    Args:
        net: on the CPU; changed in place.
        patches: to fit to.
        wanted: probabilities ``(patch, class)``.
        penalty: of the squared weights, against the sum of the cross-entropies.
        device: where the statistics are computed.
    """
    inputs = _standardise(net, statistics(net, patches, device))
    head = net.head
    nn.init.zeros_(head.weight)
    with torch.no_grad():
        head.bias.copy_(torch.logit(wanted.mean(dim=0).clamp(_RAREST, 1.0 - _RAREST)))
    values = [head.weight.requires_grad_(), head.bias.requires_grad_()]
    optimiser = torch.optim.LBFGS(
        values, max_iter=_ITERATIONS, history_size=20, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        optimiser.zero_grad()
        of_answers = F.binary_cross_entropy_with_logits(head(inputs), wanted, reduction="sum")
        found = (of_answers + 0.5 * penalty * head.weight.square().sum()) / len(inputs)
        found.backward()  # type: ignore[no-untyped-call]
        return found

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    optimiser.zero_grad()


def _standardise(net: CellNet, values: Tensor) -> Tensor:
    """Set the normalisation of a net by statistics of patches; these as its head gets them."""
    norm = net.norm
    norm.running_mean = values.mean(dim=0).float()
    deviation = values.std(dim=0, correction=0) + _LEAST
    norm.running_var = (deviation.square() - norm.eps).clamp(min=0.0).float()
    nn.init.ones_(norm.weight)
    nn.init.zeros_(norm.bias)
    net.eval()
    with torch.no_grad():
        inputs: Tensor = norm(values.float())
        return inputs if net.clip is None else inputs.clamp(-net.clip, net.clip)
