"""Measured stability of a model's predictions under small shifts of the window.

These are the values of ``trust/stability.json`` in a model folder. Nothing here needs a net;
:mod:`landcover.trust.bench.shift_stability_measure` does the measurement.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

from landcover.core.schema import Interval, Mean, MeasuredOn, Schema, requires_keys
from landcover.trust import files

__all__ = [
    "FILE",
    "PERCENTILES",
    "Percentiles",
    "StabilityMeasurement",
    "StabilityRisk",
    "as_text",
    "load",
    "save",
]

FILE: Final = "stability"
PERCENTILES: Final = (5, 25, 50, 75, 95)

Percentiles = Annotated[dict[str, float], requires_keys(*map(str, PERCENTILES))]
"""Percentiles of a value over patches, keyed by the numbers in :data:`PERCENTILES`."""


class StabilityRisk(Schema):
    """Whether unstable predictions are wrong more often.

    ``everything`` is the mean share of wrong labels over all patches; ``area`` is the area under
    the risk-coverage curve if the least stable patches are left out first, with its
    interval, the range of random orders (``chance``, 95 %), and the area of a ``rival`` order.
    """

    everything: float
    area: float
    area_interval: Interval
    chance: Interval
    rival: str
    rival_area: float


class StabilityMeasurement(MeasuredOn):
    """Results on the patches of a split.

    ``n`` patches in ``blocks`` of 12 km; ``shift_m`` is the shift in metres. ``score`` is the
    mean of :attr:`~landcover.trust.shift_stability.Stability.score`, ``unturned`` the share of
    patches without a changed label in any direction, ``warned`` the share that get a warning in
    the verdict. ``loss_warned`` and ``loss_others`` are the shares of wrong labels among
    these and among the others, None if there are none. ``scores`` and ``largest`` are
    percentiles of the score and of the largest change of a probability.
    """

    version: Literal[1] = 1
    n: int
    blocks: int
    shift_m: float
    score: Mean
    unturned: Mean
    warned: Mean
    loss_warned: float | None
    loss_others: float | None
    scores: Percentiles
    largest: Percentiles
    risk: StabilityRisk


def save(found: StabilityMeasurement, folder: Path, card_hash: str) -> Path:
    """Write a measurement to the model folder.

    Returns:
        the file.
    """
    return files.write_json(folder, FILE, card_hash, found.as_dict())


def load(folder: Path, card_hash: str) -> StabilityMeasurement | None:
    """Load the measurement of a model folder; None if there is none.

    Raises:
        CorruptModel: the file is damaged, incomplete, or of another card.
    """
    return files.read_record(
        folder, FILE, card_hash, StabilityMeasurement, "landcover trust stability"
    )


def as_text(found: StabilityMeasurement) -> str:
    """Format the measurement for a terminal."""
    risk = found.risk
    least = ", ".join(f"{name}: {value:.2f}" for name, value in found.scores.items())
    most = ", ".join(f"{name}: {value:.2f}" for name, value in found.largest.items())
    wrong = f"{_known(found.loss_warned)}, among the others {_known(found.loss_others)}"
    chance = f"at random {risk.chance[0]:.4f} to {risk.chance[1]:.4f}"
    lines = []
    lines.append(
        f"Windows moved by {found.shift_m:.0f} m in 8 directions, borders mirrored: {found.n} "
        f"patches in {found.blocks} blocks of 12 km; intervals of 95 % over blocks."
    )
    lines.append(f"stability score {_span(found.score)}; percentiles {least}")
    lines.append(f"no label changes in any direction: {_span(found.unturned)} of the patches")
    lines.append(
        f"flagged as unstable: {_span(found.warned)} of the patches; wrong labels among them "
        f"{wrong}"
    )
    lines.append(f"largest change of a probability: percentiles {most}")
    lines.append(
        f"wrong labels {risk.everything:.4f}; leaving the least stable out first, area "
        f"{risk.area:.4f} ({chance}; by {risk.rival} {risk.rival_area:.4f}; lower is better)"
    )
    return "\n".join(lines)


def _span(value: Mean) -> str:
    low, high = value.interval
    return f"{value.mean:.3f} [{low:.3f}, {high:.3f}]"


def _known(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
