"""Fit a recipe to each fold in turn, and predict the patches that the fit has not seen.

The predictions of a fold are saved as soon as it is done, so that a run that is stopped or killed
goes on with the next fold; nets resume within a fold from their own checkpoints. A folder has

- ``fold-001.safetensors`` … : logits ``(patch, class)`` of the held-out patches of a fold, with
  their names, the settings and a hash of the patches that were fitted to;
- ``runs/fold-001`` … : what the recipe keeps of the fit; not needed to read the predictions.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as dump_arrays

from landcover.core import files, untrusted_json
from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import BadInput
from landcover.core.progress import Progress, Report, ignore
from landcover.core.raster import FloatArray
from landcover.core.text import plain
from landcover.datasets.arrays import NativeStore
from landcover.datasets.band_subset import select_bands
from landcover.datasets.folds import By, Fold
from landcover.train.recipes.build import PatchFit
from landcover.train.validation import predict_logits

__all__ = ["OutOfFold", "folder_name", "predict", "read"]

_LOGITS: Final = "logits"
_PATTERN: Final = "fold-*.safetensors"


@dataclass(frozen=True, kw_only=True)
class OutOfFold:
    """Predictions of a recipe for patches that the fits had not seen.

    Attributes:
        name: of the recipe.
        settings: those of :class:`~landcover.train.recipes.build.PatchFit`.
        folds: names of the held-out patches of each fold.
        logits: float32 ``(patch, class)``, fold after fold.
    """

    name: str
    settings: str
    folds: tuple[tuple[str, ...], ...]
    logits: FloatArray

    def probability(self, ids: Sequence[str]) -> FloatArray:
        """Return the probabilities of patches, ``(patch, class)``: the logistic of the logits."""
        found: FloatArray = torch.sigmoid(torch.from_numpy(self.logits_of(ids))).numpy()
        return found

    def logits_of(self, ids: Sequence[str]) -> FloatArray:
        """Return the logits of patches, ``(patch, class)``."""
        row = {name: k for k, name in enumerate(name for fold in self.folds for name in fold)}
        return self.logits[[row[name] for name in ids]]

    def has_folds(self, folds: Sequence[Fold], ids: Sequence[str]) -> bool:
        """Whether these predictions were made with exactly these folds of the patches ``ids``."""
        wanted = {frozenset(ids[k] for k in fold.held_out) for fold in folds}
        return wanted == {frozenset(fold) for fold in self.folds}


def folder_name(model: str) -> str:
    """Return the name of a recipe's folder, such as ``timm-resnet18`` for ``timm:resnet18``."""
    return "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in model)


def predict(
    fit: PatchFit,
    store: NativeStore,
    folds: Sequence[Fold],
    out: Path,
    *,
    by: By,
    progress: Report | None = None,
) -> OutOfFold:
    """Fit to each fold and predict its held-out patches; finished folds are not repeated.

    Args:
        fit: the recipe.
        store: all patches, in the order of the folds' indices.
        folds: every patch is held out in one of them.
        out: the folder for predictions and runs; created if missing.
        by: what the folds leave out, for the record.
        progress: called after each epoch and each fold.

    Raises:
        BadInput: the folder holds other folds or settings, another run writes to it, or a fold
            has too few patches for the recipe.
    """
    report = progress or ignore
    with files.lock(out):
        _refuse_others(out, len(folds))
        for number, fold in enumerate(folds, start=1):
            title = f"{fit.name}, fold {number} of {len(folds)} ({plain(fold.name)})"
            report(_step(fit, number - 1, folds))
            path = out / f"fold-{number:03}.safetensors"
            record = _record(fit, store, fold, by, len(folds))
            if path.exists():
                _check(path, record)
            else:
                logits = _logits(fit, store, fold, _run(out, number), _titled(title, report))
                files.write_bytes(path, dump_arrays({_LOGITS: logits}, record))
        report(_step(fit, len(folds), folds))
    return read(out)


def read(folder: Path) -> OutOfFold:
    """Read the predictions of a finished run.

    Raises:
        BadInput: there are none, a fold is missing, or a file is damaged.
    """
    name = plain(folder.name)
    paths = sorted(folder.glob(_PATTERN))
    if not paths:
        raise BadInput(
            f"'{name}' has no predictions by place: give the folder of a recipe that "
            "`landcover evaluate --by` has written."
        )
    records, parts = zip(*(_read(path) for path in paths), strict=True)
    first = records[0]
    if any(record[key] != first[key] for record in records for key in ("settings", "count")):
        raise BadInput(f"'{name}' mixes folds of several runs: remove it and start again.")
    if len(paths) != int(first["count"]):
        raise BadInput(
            f"'{name}' has {len(paths)} of {plain(first['count'])} folds: run the command that "
            "writes it again, and it goes on where it stopped."
        )
    return OutOfFold(
        name=first["model"],
        settings=first["settings"],
        folds=tuple(tuple(untrusted_json.parse(record["ids"])) for record in records),
        logits=np.concatenate(parts),
    )


def _logits(
    fit: PatchFit, store: NativeStore, fold: Fold, runs: Path, report: Report
) -> FloatArray:
    trained = fit.run(store.subset(fold.fitted), runs, report)
    unseen = select_bands(store.subset(fold.held_out), trained.bands)
    found: FloatArray = predict_logits(trained.net, unseen).numpy()
    if not np.isfinite(found).all():
        raise BadInput(
            f"The model '{fit.name}' gave a value that is not a finite number: choose another "
            "seed or a lower learning rate."
        )
    return found


def _run(out: Path, number: int) -> Path:
    """The folder of one fit."""
    return out / "runs" / f"fold-{number:03}"


def _step(fit: PatchFit, done: int, folds: Sequence[Fold]) -> Progress:
    """The progress over all folds."""
    detail = plain(folds[done].name) if done < len(folds) else ""
    what = f"Folds of {fit.name}"
    return Progress(what=what, done=done, total=len(folds), unit="folds", detail=detail)


def _titled(title: str, report: Report) -> Report:
    """A callback that names the fold in each report."""
    return lambda step: report(replace(step, what=f"{step.what} {title}"))


def _record(fit: PatchFit, store: NativeStore, fold: Fold, by: By, count: int) -> dict[str, str]:
    """Metadata of a fold: what decides its predictions."""
    fitted = "\n".join(sorted(store.ids[k] for k in fold.fitted))
    return {
        "model": fit.name,
        "settings": fit.settings,
        "by": by,
        "fold": fold.name,
        "count": str(count),
        "ids": json.dumps([store.ids[k] for k in fold.held_out]),
        "fitted_sha256": hashlib.sha256(fitted.encode()).hexdigest(),
    }


def _refuse_others(out: Path, count: int) -> None:
    """Refuse a folder with more folds than there are now."""
    if len(list(out.glob(_PATTERN))) > count:
        raise _other(out)


def _check(path: Path, record: dict[str, str]) -> None:
    """Refuse a fold that was made from other patches or with other settings."""
    if _read(path)[0] != record:
        raise _other(path.parent)


def _other(folder: Path) -> BadInput:
    return BadInput(
        f"The folder '{plain(folder.name)}' holds folds of other patches or settings: choose "
        "another folder, or remove it."
    )


def _read(path: Path) -> tuple[dict[str, str], FloatArray]:
    """Read one fold.

    Raises:
        BadInput: the file is damaged.
    """
    try:
        with safe_open(path, "np") as file:
            record: dict[str, str] = file.metadata() or {}
            logits = file.get_tensor(_LOGITS)
        ids = untrusted_json.parse(record["ids"])
        whole = logits.shape == (len(ids), len(CLASS_NAMES)) and logits.dtype == np.float32
        whole &= {"model", "settings", "by", "fold", "count"} <= set(record)
        whole &= record["count"].isdecimal() and all(isinstance(one, str) for one in ids)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise BadInput(
            f"{plain(path.name)} in '{plain(path.parent.name)}' is damaged: remove it, and run "
            "the command that writes it again."
        )
    return record, logits
