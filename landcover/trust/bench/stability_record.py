"""How stable a model's answers are under a small step of the window, as it is kept in a file.

These are the values of ``trust/stability.json`` beside a card. Nothing here needs a net;
:mod:`landcover.trust.bench.shift_stability_measure` does the measuring.
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
"""Of some value over patches, by the names of :data:`PERCENTILES`."""


class StabilityRisk(Schema):
    """Whether unstable answers are the wrong ones.

    ``everything`` is the mean share of labels that are wrong of all patches; ``area`` lies below
    the curve of risk against coverage where the least stable are left out first, with its
    interval, what ``chance`` would give (95 %), and the area of a ``rival`` order.
    """

    everything: float
    area: float
    area_interval: Interval
    chance: Interval
    rival: str
    rival_area: float


class StabilityMeasurement(MeasuredOn):
    """What was found on the patches of a split.

    ``n`` patches lie in ``blocks`` of 12 km; ``shift_m`` is the step in metres. ``score`` is the
    mean of :attr:`~landcover.trust.shift_stability.Stability.score`, ``unturned`` the share of
    patches of which no label turns in any direction, ``warned`` the share that the verdict
    warns of. ``loss_warned`` and ``loss_others`` are the shares of labels that are wrong among
    these and among the others, None where there are none. ``scores`` and ``largest`` are
    percentiles of the score and of the largest move of a probability.
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
    """Keep a measurement in the model's folder.

    Returns:
        the file.
    """
    return files.write_json(folder, FILE, card_hash, found.as_dict())


def load(folder: Path, card_hash: str) -> StabilityMeasurement | None:
    """The measurement in a model's folder; None where there is none.

    Raises:
        CorruptModel: the file is damaged, incomplete, or of another card.
    """
    return files.read_record(
        folder, FILE, card_hash, StabilityMeasurement, "landcover trust stability"
    )


def as_text(found: StabilityMeasurement) -> str:
    """The measurement as a person reads it in a terminal."""
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
    lines.append(f"no label turns in any direction: {_span(found.unturned)} of the patches")
    lines.append(
        f"warned of as unstable: {_span(found.warned)} of the patches; wrong labels among them "
        f"{wrong}"
    )
    lines.append(f"largest move of a probability: percentiles {most}")
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
