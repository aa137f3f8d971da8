"""A model for any subset of the bands: it estimates the bands that a source lacks.

The derived model has its own card: it takes the present bands, and states its base, how the
others are estimated, and that the decisions of the base were not chosen for it. Its name is
that of the base followed by ``@`` and the bands, such as ``landcover-mosaic@B02+B03+B04``;
the registry knows it by that name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

from landcover import nets
from landcover.core.bands import BAND_NAMES
from landcover.core.errors import ModelMismatch
from landcover.core.text import listed
from landcover.models import band_mixture
from landcover.models.band_mixture import BandMixture
from landcover.models.card import RGB, Card
from landcover.models.model import Model, weights_bytes
from landcover.nets.estimated_bands import with_estimated_bands

__all__ = [
    "LEAST",
    "architecture",
    "base_card",
    "derive",
    "derived_name",
    "estimated_bands",
    "lacks",
    "split_name",
]

LEAST: Final = ("B02", "B03", "B04")
"""The bands that a source must have: the fewest with which models were measured."""
_MARK: Final = "@"
_LINEAGE: Final = "estimated_bands"


def derived_name(base: str, bands: Sequence[str]) -> str:
    """Return the name of the model derived from ``base`` for these bands."""
    return f"{base}{_MARK}{'+'.join(_ordered(bands))}"


def split_name(name: str) -> tuple[str, tuple[str, ...]] | None:
    """Split the name of a derived model into base and bands; None for any other name."""
    base, mark, text = name.rpartition(_MARK)
    bands = tuple(text.split("+"))
    if not (mark and base) or not set(bands) <= set(BAND_NAMES):
        return None
    return base, _ordered(bands)


def lacks(card: Card, bands: Sequence[str]) -> tuple[str, ...]:
    """Return the bands of a card that are not among ``bands``."""
    return tuple(name for name in card.bands if name not in bands)


def estimated_bands(card: Card) -> tuple[str, ...]:
    """Return the bands that a model estimates; none unless it was derived."""
    lineage = card.training.get(_LINEAGE)
    return tuple(lineage["bands"]) if isinstance(lineage, dict) else ()


def architecture(card: Card) -> str:
    """Return the name of a model's net, without an estimate of bands or a correction around it."""
    name, options = card.net, card.net_options
    while name in (nets.ESTIMATED_BANDS, nets.ADAPTED):
        name, options = str(options["net"]), options["net_options"]
    return name


def base_card(card: Card) -> str:
    """Return the hash of the card that a model was derived from, or of its own."""
    lineage = card.training.get(_LINEAGE)
    return str(lineage["base_card"]) if isinstance(lineage, dict) else card.hash


def derive(model: Model, bands: Sequence[str], mixture: BandMixture | None = None) -> Model:
    """Make the model that takes ``bands`` and estimates the others that ``model`` needs.

    Args:
        model: takes reflectance of Level-2A.
        bands: of the source; those that are not of Level-2A are left out.
        mixture: from which the others are estimated; by default the shipped one.

    Raises:
        ModelMismatch: the model is one for pictures, or blue, green or red is missing.
        CorruptModel: the fitted distribution of the bands cannot be read.
    """
    card, present = model.card, _ordered(bands)
    if card.level == RGB or not set(LEAST) <= set(present):
        raise ModelMismatch(
            f"{card.title} needs {listed(card.bands)}, and this source has {listed(bands)}: "
            f"give at least {listed(LEAST)} of Level-2A."
        )
    mixture = mixture or band_mixture.load()
    options = {"bands": present, "needs": card.bands, "components": len(mixture.weights)}
    net = with_estimated_bands(model.net, **options)
    net.estimate.fit(mixture.tensors())
    sha256 = hashlib.sha256(weights_bytes(net)).hexdigest()
    return Model(_card(card, options, mixture, sha256), net, model.device)


def _card(base: Card, options: dict[str, Any], mixture: BandMixture, sha256: str) -> Card:
    """The card of a derived model, which claims nothing that was measured of the base."""
    present: tuple[str, ...] = options["bands"]
    missing = lacks(base, present)
    known = dict(zip(base.bands, zip(base.mean, base.std, strict=True), strict=True))
    rest = dict(zip(BAND_NAMES, zip(mixture.mean, mixture.std, strict=True), strict=True))
    mean, std = zip(*({**rest, **known}[name] for name in present), strict=True)
    count = len(mixture.weights) * (1 + len(BAND_NAMES) * (len(BAND_NAMES) + 3) // 2)
    return base.with_fields(
        name=derived_name(base.name, present),
        title=f"{base.title}, {len(present)} bands",
        summary=f"{base.title} for {listed(present)}: {listed(missing)} "
        f"{'are' if len(missing) > 1 else 'is'} estimated from these.",
        net=nets.ESTIMATED_BANDS,
        net_options={
            "net": base.net,
            "net_options": base.net_options,
            **{key: list(own) if isinstance(own, tuple) else own for key, own in options.items()},
        },
        bands=present,
        mean=mean,
        std=std,
        threshold_rule=f"Those of {base.title}, not chosen again for these bands. "
        f"{base.threshold_rule}",
        label_sets=None,
        selection={},
        training={
            **base.training,
            _LINEAGE: {
                "bands": list(missing),
                "base": base.name,
                "base_card": base.hash,
                "mixture": mixture.hash,
                "components": len(mixture.weights),
                "fitted": mixture.fitted,
            },
        },
        weights_sha256=sha256,
        parameters=base.parameters + count,
    )


def _ordered(bands: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in BAND_NAMES if name in bands)
