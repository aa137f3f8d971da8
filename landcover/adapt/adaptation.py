"""Adapt a model to corrections: measure the patches, fit, judge, and make a model of its own.

The trunk and head of the model stay as they are; a correction of its scores is fitted
(:mod:`landcover.adapt.head`). The adapted model is a model like others, whose card names its
parent, the corrections and what they changed at places left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from landcover import nets
from landcover.adapt import evidence
from landcover.adapt.corrections import Correction, digest
from landcover.adapt.decisions import Decisions, decide
from landcover.adapt.evidence import Corrected
from landcover.adapt.head import BIAS_PULL, WEIGHT_PULL, Examples, fit
from landcover.adapt.judgement import Judgement, judge, left_out
from landcover.adapt.lineage import ADAPTATION, parent, window_name, windows
from landcover.core.errors import BadInput, ModelMismatch
from landcover.core.progress import Progress, Report, ignore
from landcover.core.raster import Raster
from landcover.explain import neighbours
from landcover.models import cover, model_files
from landcover.models.card import Card
from landcover.models.model import Model, save_model, weights_bytes
from landcover.models.thresholds import AIMS
from landcover.nets.adapted import Adapted
from landcover.trust import files as trust_files
from landcover.trust import novelty

__all__ = [
    "NEAR_M",
    "Adaptation",
    "adapt",
    "adapt_from",
    "calibrated",
    "examples_of",
    "places_of",
]

NEAR_M: Final = 1_700.0
"""Windows of 1200 m whose centres are closer share or touch ground: they are one place."""
_OF_FEATURES: Final = (
    *(f"{trust_files.FOLDER}/{name}.safetensors" for name in (novelty.FILE, neighbours.FILE)),
    *(f"{cover.FOLDER}/{cover.NAME}.{kind}" for kind in ("json", "safetensors")),
)
_BALANCED: Final = {name for name, aim in AIMS.items() if aim.level is None}
"""Aims that promise no precision or recall."""
_EARTH_M: Final = 6_371_000.0


@dataclass(frozen=True, kw_only=True)
class Adaptation:
    """An adapted model and whether it helps.

    Attributes:
        model: the adapted model.
        judgement: what it changes at places left out.
        decisions: its calibration and label sets, or why it has none.
        origin: folder of the parent; None if it was made in memory.
    """

    model: Model
    judgement: Judgement
    decisions: Decisions
    origin: Path | None = None

    def save(self, folder: Path) -> None:
        """Write the model's folder.

        Distances from the training data, similar patches and the cover head rest on the features,
        which are those of the parent: what was fitted for them holds for the adapted model.

        Raises:
            BadInput: a file cannot be written.
        """
        save_model(self.model.card, weights_bytes(self.model.net), folder)
        if self.origin is not None:
            model_files.carry_over(self.origin, folder, _OF_FEATURES)


def adapt(
    model: Model,
    corrected: Sequence[tuple[Correction, Raster]],
    name: str,
    report: Report = ignore,
) -> Adaptation:
    """Adapt a model to corrections with their pixels, whether this helps or not.

    Args:
        model: the parent; a neural network whose classes are independent.
        corrected: corrections with their windows, at least one.
        name: of the new model.
        report: called with the number of windows and fits done.

    Raises:
        BadInput: there are no corrections, or the model is adapted to one of them already.
        ModelMismatch: the model cannot be adapted, or a window does not fit it.
    """
    _check(model.card, [one for one, _ in corrected])
    found = []
    for done, (one, patch) in enumerate(corrected, start=1):
        found.append((one, evidence.measure(model, patch)))
        report(Progress(what="Features", done=done, total=len(corrected), unit="windows"))
    return adapt_from(model, found, name, report)


def adapt_from(
    model: Model, corrected: Sequence[Corrected], name: str, report: Report = ignore
) -> Adaptation:
    """Adapt a model to corrections, given what it makes of their windows.

    Args:
        model: the parent; a neural network whose classes are independent.
        corrected: at least one, from :func:`landcover.adapt.evidence.find` or ``gather``.
        name: of the new model.
        report: called with the number of fits done.

    Raises:
        BadInput: there are no corrections, or the model is adapted to one of them already.
        ModelMismatch: the model cannot be adapted.
    """
    card, own = model.card, [correction for correction, _ in corrected]
    examples = examples_of(card, corrected)
    net = Adapted(model.net, features=examples.features.shape[1], classes=len(card.classes))
    scale, shift = _calibration(card)
    net.scale.copy_(scale)
    net.shift.copy_(shift)
    fit(net, examples)
    after = left_out(examples, report)
    judgement = judge(examples, card.classes, after=after)
    decisions = decide(after, examples, card.classes)
    net = net.to(model.device)
    adapted = _card(card, name, net, own, judgement=judgement, decisions=decisions)
    made = Model(adapted, net, model.device)
    return Adaptation(model=made, judgement=judgement, decisions=decisions, origin=model.folder)


def examples_of(card: Card, corrected: Sequence[Corrected]) -> Examples:
    """Put together what is known of windows and what a model makes of them.

    Args:
        card: of the model.
        corrected: corrections with what the model makes of their windows.

    Raises:
        BadInput: there are none, or the model is adapted to one of them already.
        ModelMismatch: the model cannot be adapted.
    """
    _check(card, [one for one, _ in corrected])
    said = [correction.truth for correction, _ in corrected]
    return Examples(
        features=torch.stack([found.features for _, found in corrected]),
        scores=calibrated(card, torch.stack([found.scores for _, found in corrected])),
        truth=np.array([[one.get(name, False) for name in card.classes] for one in said]),
        known=np.array([[name in one for name in card.classes] for one in said]),
        places=places_of([correction.place for correction, _ in corrected]),
    )


def places_of(centres: Sequence[tuple[float, float]]) -> npt.NDArray[np.intp]:
    """Number the places of windows: those that share or touch ground, directly or in a chain.

    Args:
        centres: latitude and longitude of each window, WGS 84 degrees.
    """
    latitude, longitude = np.radians(np.asarray(centres, dtype=np.float64).reshape(-1, 2)).T
    points = np.column_stack(
        [
            np.cos(latitude) * np.cos(longitude),
            np.cos(latitude) * np.sin(longitude),
            np.sin(latitude),
        ]
    )
    near = cKDTree(points).sparse_distance_matrix(cKDTree(points), NEAR_M / _EARTH_M)
    places: npt.NDArray[np.intp] = connected_components(near, directed=False)[1].astype(np.intp)
    return places


def _check(card: Card, corrections: Sequence[Correction]) -> None:
    """Check that a model's answers can be corrected, and that the corrections are new to it.

    Raises:
        BadInput: there are none, or the model is adapted to one of them already.
        ModelMismatch: its classes are others, or exclude each other.
    """
    if not corrections:
        raise BadInput("There are no corrections with their pixels, so nothing can be learned.")
    named = {name for one in corrections for name in (*one.confirmed, *one.struck, *one.added)}
    if card.exclusive or not named <= set(card.classes):
        raise ModelMismatch(
            f"{card.title} does not have the classes of the corrections, which are those of "
            "BigEarthNet: choose a model for reflectance such as landcover-mosaic."
        )
    if not windows(card).isdisjoint(window_name(one.pixels_sha256, one.id) for one in corrections):
        raise BadInput(
            f"'{card.name}' is adapted to some of these corrections already, so no place would be "
            f"left out: adapt '{parent(card)}' to all of them."
        )


def calibrated(card: Card, scores: torch.Tensor) -> torch.Tensor:
    """Calibrate raw scores ``(patch, class)``, as logits."""
    scale, shift = _calibration(card)
    return scale * scores + shift


def _calibration(card: Card) -> tuple[torch.Tensor, torch.Tensor]:
    """Return scale and shift of a card's calibration, ``(class,)`` each."""
    scale, shift = card.calibration.scale, card.calibration.shift
    if scale is None or shift is None:
        return torch.ones(len(card.classes)), torch.zeros(len(card.classes))
    return (
        torch.tensor([scale[name] for name in card.classes]),
        torch.tensor([shift[name] for name in card.classes]),
    )


def _card(
    base: Card,
    name: str,
    net: Adapted,
    own: Sequence[Correction],
    *,
    judgement: Judgement,
    decisions: Decisions,
) -> Card:
    """The card of an adapted model, which claims nothing that was measured of its parent."""
    classes, features = len(net.score_centre), len(net.feature_centre)
    made: dict[str, Any] = {
        "parent": base.name,
        "parent_card": base.hash,
        "corrections": len(own),
        "corrections_sha256": digest(own),
        "windows": sorted(
            {*windows(base), *(window_name(one.pixels_sha256, one.id) for one in own)}
        ),
        "weight_pull": WEIGHT_PULL,
        "bias_pull": BIAS_PULL,
        "date": datetime.now(UTC).date().isoformat(),
        "left_out": judgement.as_dict(),
        "decisions": decisions.reason,
    }
    return base.with_fields(
        name=name,
        former=(),
        title=f"{base.title}, adapted"[:200],
        summary=f"{base.title} with its scores corrected by what a user said of {len(own)} "
        f"windows. {judgement.reason}",
        net=nets.ADAPTED,
        net_options={
            "net": base.net,
            "net_options": base.net_options,
            "features": features,
            "classes": classes,
        },
        calibration=decisions.calibration,
        threshold_rule=f"Those of {base.title}, not chosen again. {base.threshold_rule}",
        aims={aim: table for aim, table in base.aims.items() if aim in _BALANCED},
        label_sets=decisions.label_sets,
        selection={},
        training={**base.training, ADAPTATION: made},
        weights_sha256=hashlib.sha256(weights_bytes(net)).hexdigest(),
        parameters=base.parameters + classes * (features + classes + 1),
    )
