"""Measure what a map of covers gets wrong, in countries that the head was not fitted to.

No reference says of each cell what it is. What labels allow is used:

- In a patch of a single cover each cell is known.
- In other patches, a cell that is mapped as a cover which the patch lacks is wrong. What it is
  instead, and whether the other cells are right, is what the head says within the labels, with
  areas as plausible as in the fit (:func:`landcover.train.cover_labels.evened`). So confusion
  between covers of the same patch is likely to be understated.

Patches are weighed so that labels are as frequent as in the mean of all countries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from landcover.core.classes import CLASS_NAMES
from landcover.core.covers import COVER_NAMES
from landcover.core.progress import Report, ignore
from landcover.datasets.folds import Fold, folds
from landcover.datasets.labelled import Record
from landcover.metrics.area_estimate import clustered
from landcover.metrics.bootstrap import weighted_average_precision
from landcover.metrics.crossfit import places
from landcover.models.cover import CoverFigures, CoverRecord
from landcover.train.cover_cells import PatchCells
from landcover.train.cover_fit import Basis, Settings, agreement, expected_of, fit
from landcover.train.cover_labels import as_covers, evened, patch_weights

__all__ = ["FOLDS", "Predicted", "measure", "predict", "record_of"]

Doubles = npt.NDArray[np.float64]
FOLDS: Final = 5
"""Groups of countries, each left out once."""
_SOME: Final = 32
_SEA: Final = "Marine waters"


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """What heads say of patches of countries that they were not fitted to.

    Attributes:
        covers: probability of each cover, float32 ``(patch, cover, y, x)``.
        truth: the same given the labels of the patch.
        folds: what was left out at a time.
    """

    covers: Tensor
    truth: Tensor
    folds: tuple[str, ...]


def measure(
    cells: PatchCells,
    records: Sequence[Record],
    settings: Settings | None = None,
    *,
    dataset: str = "",
    report: Report | None = None,
) -> CoverRecord:
    """Fit to all other countries and measure in each, in five groups of countries.

    Args:
        cells: of the records' patches, in their order.
        records: training and validation patches.
        settings: of the fits.
        dataset: name of the data set, for the record.
        report: called after every 25 steps.

    Raises:
        BadInput: the patches are of one country, or there are too few.
    """
    countries = len({record.country for record in records})
    made = folds(records, "country", FOLDS if countries > FOLDS else None)
    return record_of(cells, predict(cells, made, settings, report), dataset)


def predict(
    cells: PatchCells,
    made: Sequence[Fold],
    settings: Settings | None = None,
    report: Report | None = None,
) -> Predicted:
    """Fit to each fold and predict the patches that it leaves out.

    Args:
        cells: of all patches.
        made: every patch is held out in one of them.
        settings: of the fits.
        report: called after every 25 steps.

    Raises:
        BadInput: a fold has too few patches.
    """
    how = settings or Settings()
    basis = Basis.of(cells, how)
    side = cells.moments.shape[2:]
    covers = torch.zeros(len(cells), len(COVER_NAMES), *side)
    truth = torch.zeros_like(covers)
    for number, fold in enumerate(made, start=1):
        own = {cells.countries[k] for k in fold.held_out}
        left_out = own - {cells.countries[k] for k in fold.fitted}
        say = _titled(report or ignore, f"{number} of {len(made)} ({fold.name})")
        head = fit(cells, fold.fitted, how, basis=basis, left_out=left_out, report=say)
        for rows in torch.split(torch.as_tensor(fold.held_out), _SOME):
            with torch.inference_mode():
                chances = head.class_logits(cells.moments[rows].float(), cells.water[rows])
                chances = chances.softmax(dim=1)
                covers[rows] = as_covers(chances)
                expected, seen = expected_of(cells, rows), cells.covers(rows)
                if seen is not None:
                    chances = chances * agreement(seen) ** how.teacher
                known = evened(chances, cells.labels[rows], expected, how.trust)
                truth[rows] = as_covers(known)
    return Predicted(covers=covers, truth=truth, folds=tuple(fold.name for fold in made))


def record_of(cells: PatchCells, predicted: Predicted, dataset: str = "") -> CoverRecord:
    """Compare maps with what labels allow."""
    weights = patch_weights(cells.labels)
    mapped = predicted.covers.argmax(dim=1).flatten(1)
    hits = torch.nn.functional.one_hot(mapped, len(COVER_NAMES)).float()
    truth = predicted.truth.flatten(2)
    tables = torch.einsum("nci,ntc->nit", hits, truth)
    weighed: Doubles = (tables * weights[:, None, None]).double().numpy()
    has = as_covers(cells.labels) > 0
    inside = has.gather(1, mapped).float().mean(dim=1)
    found = clustered(weighed, places(cells.ids))
    water = _water_scores(cells, mapped)
    return CoverRecord(
        covers=COVER_NAMES,
        errors=_rounded(weighed.sum(axis=0)),
        covariance=_rounded(found.covariance),
        spread=_rounded(found.spread),
        places=tuple(found.places.tolist()),
        true_patches=tuple(has.sum(dim=0).tolist()),
        figures=_figures(cells, predicted, weighed.sum(axis=0), tables, has),
        outside=float(1 - (inside * weights).sum() / weights.sum()),
        water_iou=water[0],
        water_bias=water[1],
        patches=len(cells),
        folds=predicted.folds,
        dataset=dataset,
    )


def _figures(
    cells: PatchCells, predicted: Predicted, errors: Doubles, tables: Tensor, has: Tensor
) -> dict[str, CoverFigures]:
    weights = patch_weights(cells.labels)
    expected = (as_covers(expected_of(cells, torch.arange(len(cells)))) * weights[:, None]).sum(
        dim=0
    )
    expected /= weights.sum()
    single = has.sum(dim=1) == 1
    pooled = predicted.covers.mean(dim=(2, 3)) * predicted.covers.amax(dim=(2, 3))
    rank = pooled.sqrt().numpy().astype(np.float64)
    ones = np.ones((1, len(cells)))
    made = {}
    for k, name in enumerate(COVER_NAMES):
        truly = has[:, k].numpy()
        pure = single & has[:, k]
        both = errors[k, k]
        precision = weighted_average_precision(truly, rank[:, k], ones) if truly.any() else None
        made[name] = CoverFigures(
            patches=int(truly.sum()),
            pure=int(pure.sum()),
            pure_right=(
                float(tables[pure, k].sum() / tables[pure].sum()) if bool(pure.any()) else None
            ),
            mapped=float(errors[k].sum() / errors.sum()),
            true=float(errors[:, k].sum() / errors.sum()),
            expected=float(expected[k]),
            iou=float(both / max(errors[k].sum() + errors[:, k].sum() - both, 1e-9)),
            average_precision=None if precision is None else float(precision[0]),
        )
    return made


def _water_scores(cells: PatchCells, mapped: Tensor) -> tuple[float | None, float | None]:
    """IoU and bias of water against the spectrum, where there is more than sea."""
    sea = CLASS_NAMES.index(_SEA)
    coast = (cells.labels.sum(dim=1) > 1) | (cells.labels[:, sea] == 0)
    wet = cells.water.flatten(1)[coast] > 0.5
    called = mapped[coast] == COVER_NAMES.index("Water")
    if not bool(wet.any()):
        return None, None
    both, either = (wet & called).sum(), (wet | called).sum()
    return float(both / either), float(called.sum() / wet.sum() - 1)


def _rounded(values: Doubles) -> Any:  # noqa: ANN401 - nested lists, which the record checks
    """Six significant digits, which keeps the file small."""
    return np.vectorize(lambda value: float(f"{value:.6g}"))(values).tolist()


def _titled(report: Report, what: str) -> Report:
    return lambda step: report(replace(step, what=f"{step.what} {what}"))
