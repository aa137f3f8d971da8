"""A prior on which classes occur together: the label sets of a complete data set.

A net that scores each class separately does not know that coniferous forest often occurs with
transitional woodland and rarely with vineyards. A few hundred patches are too few to learn
this, but the labels of all 237,871 training patches of BigEarthNet are enough, and they need no
pixels.

The score of a label set is the net's evidence (the sum of the classes' logits) plus
``strength`` times the logarithm of how much more frequent the set is than if its classes were
independent. A class's probability is the share of the sets that contain it. The classes' own
frequencies cancel, so the prior does not change them. Most of the gain comes from the list
itself: even with a strength of 0, sets that never occur (the empty set, or beaches without a
sea) are excluded, and their share goes to the others.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from landcover.core.classes import CLASS_NAMES

__all__ = [
    "LEAST",
    "STRENGTH",
    "TABLE",
    "LabelSets",
    "count_label_sets",
    "from_counts",
    "load_packaged",
]

LEAST: Final = 5
"""Least patches of a label set: rarer ones are artefacts of a border or a map."""
STRENGTH: Final = 0.2
TABLE: Final = Path(__file__).with_name("labelsets.csv")
"""Label sets of BigEarthNet v2's 237,871 training patches; ``tools/label_sets.py`` made it."""
_CLIP: Final = 1e-6


class LabelSets(nn.Module):
    """Convert logits of independent classes to logits under the prior.

    Args:
        sets: number of label sets.
        strength: weight of the prior relative to the net's evidence.
        classes: number of classes.
    """

    members: Tensor
    excess: Tensor

    def __init__(
        self, sets: int, *, strength: float = STRENGTH, classes: int = len(CLASS_NAMES)
    ) -> None:
        super().__init__()
        self.strength = strength
        self.register_buffer("members", torch.zeros(sets, classes, dtype=torch.uint8))
        self.register_buffer("excess", torch.zeros(sets))

    def forward(self, logits: Tensor) -> Tensor:
        """Logits ``(…, class)`` to the same shape."""
        # Half precision rounds 1 - 1e-6 to 1, whose logit is infinite.
        with torch.autocast(logits.device.type, enabled=False):
            members = self.members.float()
            score = logits.float() @ members.T + self.strength * self.excess
            probability = torch.softmax(score, dim=-1) @ members
            return torch.logit(probability, eps=_CLIP)


def count_label_sets(labels: Iterable[Sequence[str]]) -> Counter[frozenset[int]]:
    """Count the patches of each label set.

    Args:
        labels: for each patch, the names of its classes.

    Returns:
        Label set as indices of classes → number of patches.
    """
    column = {name: k for k, name in enumerate(CLASS_NAMES)}
    return Counter(frozenset(column[name] for name in names) for names in labels)


def load_packaged(*, least: int = LEAST, strength: float = STRENGTH) -> LabelSets:
    """Load the label sets of BigEarthNet v2's training split from the packaged table."""
    with TABLE.open(newline="", encoding="utf-8") as file:
        counts = {
            frozenset(map(int, row["classes"].split())): int(row["patches"])
            for row in csv.DictReader(file)
        }
    return from_counts(counts, least=least, strength=strength)


def from_counts(
    counts: Mapping[frozenset[int], int], *, least: int = LEAST, strength: float = STRENGTH
) -> LabelSets:
    """Make the prior from counts of label sets.

    Args:
        counts: label set as indices of classes → number of patches.
        least: least patches of a label set.
        strength: weight of the prior relative to the net's evidence.

    Raises:
        ValueError: no label set is frequent enough.
    """
    kept = sorted((sorted(key), n) for key, n in counts.items() if n >= least)
    if not kept:
        raise ValueError(f"no label set has {least} patches")
    net = LabelSets(len(kept), strength=strength)
    for row, (columns, _) in enumerate(kept):
        net.members[row, columns] = 1
    share = torch.tensor([n for _, n in kept], dtype=torch.float64)
    share /= share.sum()
    members = net.members.double()
    marginal = (share @ members).clamp(_CLIP, 1 - _CLIP)
    alone = members @ torch.logit(marginal) + torch.log1p(-marginal).sum()
    net.excess.copy_(share.log() - alone)
    return net
