"""Fit the correction of a net's scores to what is known of a few patches.

Each class has a logistic regression whose offset is the model's own calibrated score, with
Gaussian priors on weights and bias around zero: without evidence the answer stays the model's.
Where nobody spoke of a class, the model's own probability stands for the truth, with a small
weight: users speak of what was called and of what was missed, and from that alone every class would
seem to be frequent. docs/teach.md compares this with other heads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize
from torch import Tensor

from landcover.core.raster import BoolArray
from landcover.decide.calibration_fit import log_loss
from landcover.nets.adapted import Adapted

__all__ = ["BIAS_PULL", "UNKNOWN_WEIGHT", "WEIGHT_PULL", "Examples", "fit", "solve"]

Doubles = npt.NDArray[np.float64]

WEIGHT_PULL: Final = 0.3
"""Precision of the prior on weights; the inputs of a patch have length 1 at most."""
BIAS_PULL: Final = 1.0
"""Precision of the prior on biases."""
UNKNOWN_WEIGHT: Final = 0.3
"""Weight of the model's own probability where nothing is known; what is known has weight 1."""
_RANK: Final = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class Examples:
    """Patches of which something is known.

    Attributes:
        features: float32 ``(patch, feature)``.
        scores: calibrated logits of the model to adapt, float32 ``(patch, class)``.
        truth: bool ``(patch, class)``; False where not known.
        known: bool in the same shape.
        places: the place of each patch, ``(patch,)``; patches of one place share ground.
    """

    features: Tensor
    scores: Tensor
    truth: BoolArray
    known: BoolArray
    places: npt.NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.scores)

    def part(self, rows: BoolArray) -> Examples:
        """Return some of the patches, given a mask ``(patch,)``."""
        wanted = torch.from_numpy(rows)
        return Examples(
            features=self.features[wanted],
            scores=self.scores[wanted],
            truth=self.truth[rows],
            known=self.known[rows],
            places=self.places[rows],
        )


def fit(head: Adapted, examples: Examples) -> None:
    """Set centres and correction of a net from examples, in place.

    It takes tenths of a second for tens of patches.

    Args:
        head: the net; its own net is not used.
        examples: at least one.
    """
    head.feature_centre.copy_(examples.features.mean(dim=0))
    head.score_centre.copy_(examples.scores.mean(dim=0))
    inputs = head.inputs(examples.features, examples.scores).double().numpy()
    weights, bias = solve(inputs, examples)
    with torch.no_grad():
        head.correction.weight.copy_(torch.from_numpy(weights).T)
        head.correction.bias.copy_(torch.from_numpy(bias))


def solve(
    inputs: Doubles,
    examples: Examples,
    *,
    weight_pull: float = WEIGHT_PULL,
    bias_pull: float = BIAS_PULL,
    unknown_weight: float = UNKNOWN_WEIGHT,
) -> tuple[Doubles, Doubles]:
    """Minimise log loss plus priors, a convex problem.

    Args:
        inputs: of each patch, ``(patch, input)``.
        examples: with the scores that are the offset.
        weight_pull: precision of the prior on weights.
        bias_pull: precision of the prior on biases.
        unknown_weight: weight of the model's own probability where nothing is known.

    Returns:
        Weights ``(input, class)`` and biases ``(class,)``.
    """
    # The weights that minimise the cost lie in the span of the inputs.
    left, size, axes = np.linalg.svd(inputs, full_matrices=False)
    kept = size > _RANK * max(1.0, float(size.max(initial=0.0)))
    inputs = left[:, kept] * size[kept]
    offset = examples.scores.double().numpy()
    truth = np.where(examples.known, examples.truth, 0.5 * (1 + np.tanh(offset / 2)))
    weight = np.where(examples.known, 1.0, unknown_weight)
    count, classes = inputs.shape[1], offset.shape[1]

    def cost(values: Doubles) -> tuple[float, Doubles]:
        weights, bias = values[:-classes].reshape(count, classes), values[-classes:]
        logits = offset + inputs @ weights + bias
        residual = weight * (0.5 * (1 + np.tanh(logits / 2)) - truth)
        prior = weight_pull * (weights**2).sum() + bias_pull * (bias @ bias)
        loss = (weight * log_loss(logits, truth)).sum() + prior / 2
        slope = inputs.T @ residual + weight_pull * weights
        return float(loss), np.concatenate([slope.ravel(), residual.sum(0) + bias_pull * bias])

    start = np.zeros((count + 1) * classes)
    found = minimize(cost, start, jac=True, method="L-BFGS-B", options={"maxiter": 500}).x
    return axes[kept].T @ found[:-classes].reshape(count, classes), found[-classes:]
