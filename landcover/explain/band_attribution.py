"""Which bands are evidence for a class: by how much its score falls without a band.

A band, or a group of bands, is replaced by the baseline, and the score is computed again. If it
falls, the band is evidence for the class. This shows how the net behaves without the band, not
how the score divides among the bands: the value of a group is not the sum of its bands' values,
since a net can get from one band what it lacks in another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch

from landcover.core.bands import BANDS
from landcover.core.classes import resolve
from landcover.core.errors import ModelMismatch
from landcover.core.raster import Raster
from landcover.explain.baselines import DEFAULT_BASELINE, resolve_baseline
from landcover.explain.baselines import baseline as baseline_of
from landcover.explain.feature_map_methods import AT_ONCE, AttributionTask
from landcover.models.model import Model

__all__ = ["GROUPS", "BandEvidence", "attribute_bands", "attribute_bands_many"]

GROUPS: Final[dict[str, tuple[str, ...]]] = {
    group: tuple(band.name for band in BANDS if band.group == group)
    for group in ("visible", "red edge", "near infrared", "shortwave infrared", "atmosphere")
}
"""Bands by spectral region, in the order of wavelengths, except for the two atmospheric bands:
B01 at 443 nm for aerosol and B09 at 945 nm for water vapour, measured at 60 m."""


@dataclass(frozen=True, kw_only=True)
class BandEvidence:
    """How a class's score depends on bands.

    Attributes:
        label: full name of the class.
        model, card_hash: the model that was explained.
        score: the class's logit on the patch.
        bands: band → by how many logits the score falls without it; above 0 it is evidence
            for the class.
        groups: group → by how many logits the score falls without all its bands. Only groups
            with bands in this model; colour pictures have none.
        members: group → its bands in this model.
        baseline: description of what a band was replaced by.
        unit: of the values.
    """

    label: str
    model: str
    card_hash: str
    score: float
    bands: dict[str, float]
    groups: dict[str, float]
    members: dict[str, tuple[str, ...]]
    baseline: str
    unit: str = "logits"


def attribute_bands(
    model: Model, patch: Raster, label: str, baseline: str = DEFAULT_BASELINE
) -> BandEvidence:
    """Measure by how much a class's score falls without each band and group of bands.

    Args:
        model: the model to explain; it needs no gradients.
        patch: its input.
        label: full or short name of a class.
        baseline: a name in :data:`landcover.explain.baselines.BASELINES`.

    Raises:
        UnknownName: no such class or baseline.
        ModelMismatch: the model was not made for this patch.
    """
    return attribute_bands_many(model, patch, [label], baseline)[0]


def attribute_bands_many(
    model: Model, patch: Raster, labels: list[str], baseline: str = DEFAULT_BASELINE
) -> list[BandEvidence]:
    """Run :func:`attribute_bands` for several classes, which share the forward passes of the net.

    Raises:
        UnknownName: no such class or baseline.
        ModelMismatch: the model was not made for this patch.
    """
    card = model.card
    names = [resolve(label, card.classes).name for label in labels]
    pixels = model.tensor(patch)[None]
    start = baseline_of(card, pixels, baseline)
    members = {
        group: own
        for group, bands in GROUPS.items()
        if (own := tuple(band for band in bands if band in card.bands))
    }
    sets = [(band,) for band in card.bands] + list(members.values())
    changed = pixels.repeat(len(sets) + 1, 1, 1, 1)
    for row, bands in enumerate(sets, start=1):
        columns = [card.bands.index(band) for band in bands]
        changed[row, columns] = start[0, columns]
    task = AttributionTask(model=model, pixels=pixels, start=start, targets=())
    with torch.no_grad():
        parts = [task.scores(part).cpu() for part in torch.split(changed, AT_ONCE)]
    scores = torch.cat(parts).double()
    if not torch.isfinite(scores).all():
        raise ModelMismatch(
            f"{card.title} gives scores that are not finite numbers when a band is replaced: "
            "choose another baseline."
        )
    falls = scores[0] - scores[1:]
    found = []
    for name in names:
        column = card.classes.index(name)
        fall = falls[:, column].tolist()
        found.append(
            BandEvidence(
                label=name,
                model=card.name,
                card_hash=card.hash,
                score=float(scores[0, column]),
                bands=dict(zip(card.bands, fall[: len(card.bands)], strict=True)),
                groups=dict(zip(members, fall[len(card.bands) :], strict=True)),
                members=members,
                baseline=resolve_baseline(baseline, card)[1],
            )
        )
    return found
