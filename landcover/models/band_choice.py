"""A model as it is used with the bands that a source has, and what the missing ones cost.

The shipped table, ``zoo/band-subsets.json``, holds what ``landcover bands measure``
(:mod:`landcover.evaluate.band_subsets`) finds for the default model on the test split. Bands that
were not measured have the values of the largest measured subset that they contain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal

from landcover.core.errors import CorruptModel
from landcover.core.schema import Interval, Schema
from landcover.core.text import listed
from landcover.models.band_subset import base_card, estimated_bands, split_name
from landcover.models.card import Card

__all__ = [
    "FILE",
    "LARGE",
    "Loss",
    "Measured",
    "ModelChoice",
    "SubsetMeasurement",
    "SubsetRow",
    "SubsetTable",
    "gives_up",
    "loss_of",
    "read",
]

FILE: Final = Path(__file__).parents[1] / "zoo" / "band-subsets.json"
LARGE: Final = 0.02
"""Loss of average precision from which users are warned. On the test patches ten, six and four
bands lose less than half of it, three bands more than twice as much."""
_NAMED: Final = 4
"""Most bands that a sentence lists by name."""


class Measured(Schema):
    """A metric and its 95 % interval."""

    value: float
    interval: Interval


class SubsetRow(Schema):
    """One model with one subset of the bands.

    Attributes:
        subset: name of the subset, such as ``six``.
        bands: its bands.
        model: name of the model, derived or trained with these bands.
        card_hash, base_card: hash of its card, and of the card of the model that it was derived
            from; empty for a baseline.
        macro_ap, micro_ap: average precision.
        ece: calibration error.
        macro_loss, micro_loss: average precision of the default model with all twelve bands
            minus that of this model, on the same resamples.
    """

    subset: str
    bands: tuple[str, ...]
    model: str
    card_hash: str
    base_card: str
    macro_ap: Measured
    micro_ap: Measured
    ece: Measured
    macro_loss: Measured
    micro_loss: Measured

    @property
    def mean_ap(self) -> float:
        """Mean of both average precisions."""
        return (self.macro_ap.value + self.micro_ap.value) / 2

    @property
    def base(self) -> str:
        """Name of the model, or of the one that it was derived from."""
        found = split_name(self.model)
        return self.model if found is None else found[0]


class SubsetMeasurement(Schema):
    """Models with subsets of the bands on one split.

    Attributes:
        dataset, split: labelled patches, with their number ``n``.
        support: number of patches of each class that macro metrics average.
        rows: subset by subset.
        date, command: when and how it was measured.
    """

    dataset: str
    split: str
    n: int
    support: dict[str, int]
    rows: tuple[SubsetRow, ...]
    date: str
    command: str


class SubsetTable(Schema):
    """The shipped measurement; see the module."""

    version: Literal[1] = 1
    test: SubsetMeasurement


@dataclass(frozen=True, kw_only=True)
class ModelChoice:
    """The model for the bands of a source.

    Attributes:
        name: of the model, for the registry.
        bands: the bands that it takes.
        estimated: the bands that it estimates from them.
        sentence: what the missing bands cost, with values; empty if none is missing.
    """

    name: str
    bands: tuple[str, ...]
    estimated: tuple[str, ...] = ()
    sentence: str = ""


@dataclass(frozen=True, kw_only=True)
class Loss:
    """What a model gives up compared with twelve bands, as measured.

    Attributes:
        row: the measured row; its bands are those of the model or fewer.
        exact: whether it was measured with exactly these bands.
        where: the patches, such as ``115 test patches of bigearthnet-v2``.
    """

    row: SubsetRow
    exact: bool
    where: str

    @property
    def large(self) -> bool:
        """Whether a loss is at least :data:`LARGE`, and its interval lies above 0."""
        both = (self.row.macro_loss, self.row.micro_loss)
        return any(one.value >= LARGE and one.interval[0] > 0 for one in both)


def read(path: Path = FILE) -> SubsetTable | None:
    """Read the table; None if there is none yet.

    Raises:
        CorruptModel: it is damaged.
    """
    try:
        return _parsed(path, path.stat().st_mtime_ns)
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        raise CorruptModel(
            f"'{path.name}', which says what models give up with fewer bands, cannot be read: "
            "install landcover again."
        ) from None


@lru_cache(maxsize=2)
def _parsed(path: Path, stamp: int) -> SubsetTable:  # noqa: ARG001 - cache key of the file
    return SubsetTable.model_validate_json(path.read_text(encoding="utf-8"))


def loss_of(card: Card, table: SubsetTable | None) -> Loss | None:
    """Return what a derived model gives up; None if it estimates nothing or was not measured."""
    found = split_name(card.name)
    if table is None or found is None or not estimated_bands(card):
        return None
    _, bands = found
    measured = table.test
    own = _contained(bands, [row for row in measured.rows if row.base_card == base_card(card)])
    if not own:
        return None
    where = f"{measured.n} {measured.split} patches of {measured.dataset}"
    where = where.replace(" all patches", " patches")
    return Loss(row=own[0], exact=set(own[0].bands) == set(bands), where=where)


def gives_up(card: Card, table: SubsetTable | None) -> str:
    """Say which bands a model estimates and what that costs; empty if it estimates none."""
    missing = estimated_bands(card)
    if not missing:
        return ""
    names = listed(missing) if len(missing) <= _NAMED else f"{len(missing)} of 12 bands"
    start = f"{names} {'are' if len(missing) > 1 else 'is'} estimated"
    loss = loss_of(card, table)
    if loss is None:
        return f"{start}; what that costs was not measured for this model."
    row = loss.row
    if loss.exact:
        start = f"{start}, which changes average precision"
    else:
        few = listed(row.bands) if len(row.bands) <= _NAMED else f"{len(row.bands)} of the bands"
        start = f"{start}. With only {few} average precision changes"
    return (
        f"{start} by {_change(row.macro_loss)} (macro) and {_change(row.micro_loss)} (micro) on "
        f"{loss.where}."
    )


def _change(loss: Measured) -> str:
    low, high = loss.interval
    value, first, last = (f"{-one:+.3f}" for one in (loss.value, high, low))
    return f"{value} [{first}, {last}]".replace("-", "−")


def _contained(bands: Sequence[str], rows: Sequence[SubsetRow]) -> list[SubsetRow]:
    """The rows of the largest measured subset that ``bands`` contain, best first."""
    own = [row for row in rows if set(row.bands) <= set(bands)]
    size = max((len(row.bands) for row in own), default=0)
    return sorted((row for row in own if len(row.bands) == size), key=lambda row: -row.mean_ap)
