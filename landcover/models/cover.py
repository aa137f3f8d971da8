"""The cover head of a model, and what its map of covers was measured to get wrong.

``area/cover.safetensors`` holds the head, ``area/cover.json`` the errors, both in the model's
folder and both with the hash of its card.
"""

from __future__ import annotations

from dataclasses import astuple
from pathlib import Path
from typing import Annotated, Any, Final, Self

import numpy as np
import torch
from pydantic import Field, Strict, model_validator

from landcover.core.covers import COVER_NAMES
from landcover.core.schema import Schema
from landcover.metrics.area_estimate import Clustered
from landcover.models.fitted_files import FittedFiles
from landcover.models.model import Model
from landcover.nets.cover_head import CoverHead, WaterMap, area_net

__all__ = [
    "COMMAND",
    "FOLDER",
    "NAME",
    "CoverFigures",
    "CoverRecord",
    "load_cover",
    "load_record",
    "save_cover",
]

FOLDER: Final = "area"
NAME: Final = "cover"
COMMAND: Final = "landcover cover fit"
_FILES: Final = FittedFiles(FOLDER, COMMAND)
_OPTIONS: Final = ("channels", "sides", "clip", "water")
_COVERS: Final = len(COVER_NAMES)
_MOST_SIDES: Final = 8

_Cells = Annotated[float, Strict(), Field(ge=0)]
_Number = Annotated[float, Strict()]


class CoverFigures(Schema):
    """How well one cover is mapped, in places that were left out.

    Shares are of all reference cells, weighed as the labels of all countries are.

    Attributes:
        patches: reference patches whose labels have it.
        pure: patches whose labels have nothing else.
        pure_right: share of their cells that is mapped as it; None without such patches.
        mapped: share of the cells that is mapped as it.
        true: share of the cells that is of it, by labels and by what the head says within them.
        expected: the same by labels alone.
        iou: intersection over union of mapped and true cells.
        average_precision: of telling from the map which patches have it; None if none has.
    """

    patches: int
    pure: int
    pure_right: float | None
    mapped: float
    true: float
    expected: float
    iou: float
    average_precision: float | None

    @property
    def bias(self) -> float:
        """By how much the mapped area is too large, as a share of the true one."""
        return self.mapped / max(self.true, 1e-9) - 1


class CoverRecord(Schema):
    """What a map of covers was measured to get wrong.

    Attributes:
        covers: names, in the order of all tables.
        errors: reference cells of each mapped cover that are of each true one, ``(mapped, true)``,
            weighed as the labels of all countries are.
        covariance: of the shares of the mapped covers, for each true one, ``(true, mapped,
            mapped)``; see :class:`landcover.metrics.area_estimate.Clustered`.
        spread: of the same shares between places, ``(mapped, true)``.
        places: number of places with reference cells of each mapped cover.
        true_patches: number of reference patches with each cover in truth.
        figures: cover → how well it is mapped.
        outside: share of the cells that are mapped as a cover that their patch does not have.
        water_iou, water_bias: of cells that are mostly water by their spectrum, in patches with
            any other label than the sea.
        patches: number of reference patches.
        folds: what was left out at a time.
        dataset: of the patches.
    """

    covers: tuple[str, ...]
    errors: tuple[tuple[_Cells, ...], ...]
    covariance: tuple[tuple[tuple[_Number, ...], ...], ...]
    places: tuple[Annotated[int, Strict(), Field(ge=0)], ...]
    true_patches: tuple[Annotated[int, Strict(), Field(ge=0)], ...]
    spread: tuple[tuple[_Cells, ...], ...]
    figures: dict[str, CoverFigures] = Field(default_factory=dict)
    outside: float | None = None
    water_iou: float | None = None
    water_bias: float | None = None
    patches: int = 0
    folds: tuple[str, ...] = ()
    dataset: str = ""

    @model_validator(mode="after")
    def _tables_fit(self) -> Self:
        tables = (self.errors, self.spread)
        squares = [
            len(rows) == _COVERS and all(len(row) == _COVERS for row in rows) for rows in tables
        ]
        shapes = [
            len(rows) == _COVERS and all(len(row) == _COVERS for row in rows)
            for rows in self.covariance
        ]
        if self.covers != COVER_NAMES:
            raise ValueError("its covers are not those of this version")
        if not (
            len(shapes) == len(self.places) == len(self.true_patches) == _COVERS
            and all(squares)
            and all(shapes)
        ):
            raise ValueError("its tables do not have a row and a column for each cover")
        return self

    @property
    def clustered(self) -> Clustered:
        """The errors as they correct areas; a cover without reference cells has shares of 0."""
        errors = np.array(self.errors, dtype=np.float64)
        count = errors.sum(axis=1, keepdims=True)
        return Clustered(
            shares=np.divide(errors, count, out=np.zeros_like(errors), where=count > 0),
            covariance=np.array(self.covariance, dtype=np.float64),
            spread=np.array(self.spread, dtype=np.float64),
            places=np.array(self.places, dtype=np.intp),
        )


def load_cover(model: Model) -> CoverHead | None:
    """Load the cover head of a model, in evaluation mode on its device; None if it has none.

    Raises:
        CorruptModel: the file is damaged, of another card, or does not fit the net.
        ModelMismatch: there is one, but the net has no cells.
    """
    if model.folder is None:
        return None
    found = _FILES.read_tensors(model.folder, NAME, model.card.hash)
    if found is None:
        return None
    state, options = found
    file = f"{NAME}.safetensors"
    try:
        head = CoverHead(**_checked(options))
        head.load_state_dict(state)
    except (ValueError, TypeError, RuntimeError, KeyError):
        raise _FILES.corrupt(model.folder, file, "it is not a cover head") from None
    if head.channels != area_net(model.net).norm.num_features:
        raise _FILES.corrupt(model.folder, file, "it does not fit the net")
    finite = all(bool(torch.isfinite(each).all()) for each in state.values())
    if not (finite and bool((head.std > 0).all())):
        raise _FILES.corrupt(model.folder, file, "it has values that are not possible")
    return head.to(model.device).eval().requires_grad_(requires_grad=False)


def load_record(folder: Path | None, card_hash: str) -> CoverRecord | None:
    """Read what a model's map of covers gets wrong; None if it was not measured.

    Args:
        folder: the model folder; None for a model without one.
        card_hash: hash of the model's card.

    Raises:
        CorruptModel: the file is damaged, or of another card.
    """
    if folder is None:
        return None
    return _FILES.read_record(folder, NAME, card_hash, CoverRecord, COMMAND)


def save_cover(
    folder: Path, card_hash: str, head: CoverHead, record: CoverRecord | None
) -> list[Path]:
    """Write a head and its errors into a model folder.

    Args:
        folder: the model folder.
        card_hash: hash of the model's card.
        head: on the CPU.
        record: what its map gets wrong; None removes what an earlier head got wrong.

    Raises:
        BadInput: another run writes them, or the folder cannot be written to.
    """
    options = {
        "channels": head.channels,
        "sides": list(head.sides),
        "clip": head.clip,
        "water": None if head.water is None else list(astuple(head.water)),
    }
    tensors = {name: value.contiguous() for name, value in head.state_dict().items()}
    with _FILES.writing(folder, NAME):
        # Without the record first, so that a run that is killed leaves no errors of another head.
        (folder / FOLDER / f"{NAME}.json").unlink(missing_ok=True)
        written = [_FILES.write_tensors(folder, NAME, card_hash, tensors, options)]
        if record is not None:
            written.append(_FILES.write_json(folder, NAME, card_hash, record.as_dict()))
    return written


def _checked(options: dict[str, Any]) -> dict[str, Any]:
    """The options of a head from an untrusted file.

    Raises:
        ValueError: they are not of the right types.
    """
    channels, sides, clip, water = (options[name] for name in _OPTIONS)
    whole = type(channels) is int and isinstance(sides, list) and len(options) == len(_OPTIONS)
    if not (whole and len(sides) <= _MOST_SIDES and all(type(side) is int for side in sides)):
        raise ValueError("options of other types")
    if type(clip) is not float or not clip > 0:
        raise ValueError("options of other types")
    if water is not None:
        channel, weight, index = water
        if type(channel) is not int or not type(weight) is type(index) is float:
            raise ValueError("options of other types")
        water = WaterMap(channel, weight, index)
    return {"channels": channels, "sides": sides, "clip": clip, "water": water}
