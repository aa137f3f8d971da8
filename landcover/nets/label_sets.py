"""Which covers occur together: the label sets of a whole data set as a prior on answers.

A net that answers for each class by itself does not know that a coniferous forest is
often beside a transitional woodland and seldom beside a vineyard. A few hundred patches
cannot teach it; the labels of all 237,871 training patches of BigEarthNet can, and they
need no pixels.

The score of a label set is its net's evidence (the sum of its classes' logits) plus
``strength`` times how much more frequent the set is than its classes would make it if
they were independent. A class's probability is the share of the sets that hold it. The
classes' own frequencies cancel, so that nothing of the net's view of them changes. Most
of the gain is in the list itself: with a strength of 0, sets that never occur (the empty
one, or beaches without a sea) are excluded, and their evidence goes to sets that do.
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
"""Patches that a label set must have: rarer ones are accidents of a border or a map."""
STRENGTH: Final = 0.2
TABLE: Final = Path(__file__).with_name("labelsets.csv")
"""Label sets of BigEarthNet v2's 237,871 training patches; ``tools/label_sets.py`` made it."""
_CLIP: Final = 1e-6


class LabelSets(nn.Module):
    """Turns logits of independent classes into logits under the prior.

    Args:
        sets: how many label sets are listed.
        strength: how much the prior counts against the net's evidence.
        classes: how many.
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
    """How many patches have each label set, as columns of classes; of labels by their names."""
    column = {name: k for k, name in enumerate(CLASS_NAMES)}
    return Counter(frozenset(column[name] for name in names) for names in labels)


def load_packaged(*, least: int = LEAST, strength: float = STRENGTH) -> LabelSets:
    """The label sets of BigEarthNet v2's training split, from the package's table."""
    with TABLE.open(newline="", encoding="utf-8") as file:
        counts = {
            frozenset(map(int, row["classes"].split())): int(row["patches"])
            for row in csv.DictReader(file)
        }
    return from_counts(counts, least=least, strength=strength)


def from_counts(
    counts: Mapping[frozenset[int], int], *, least: int = LEAST, strength: float = STRENGTH
) -> LabelSets:
    """The prior of label sets, given as columns of classes, and how many patches have each.

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
