"""Fit a recipe to each fold in turn, and predict the patches that the fit has not seen.

The predictions of a fold are saved as soon as it is done, so that a run that is stopped or killed
goes on with the next fold; nets resume within a fold from their own checkpoints. A folder has

- ``fold-001.safetensors`` … : logits ``(patch, class)`` of the held-out patches of a fold, with
  their names, the settings and a hash of the patches that were fitted to;
- ``features-001.safetensors`` … : on request, the net's features of the held-out patches and of
  those that were fitted to, which tell how unlike a left-out place is; folders may lack them;
- ``runs/fold-001`` … : what the recipe keeps of the fit; not needed to read the predictions.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol, TypeVar

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as dump_arrays
from torch import nn

from landcover.core import files, untrusted_json
from landcover.core.classes import CLASS_NAMES, EUROSAT_CLASSES
from landcover.core.errors import BadInput
from landcover.core.progress import Progress, Report, ignore
from landcover.core.raster import FloatArray
from landcover.core.text import plain
from landcover.datasets.arrays import NativeStore, PatchSet
from landcover.datasets.eurosat_store import RgbStore
from landcover.datasets.folds import Fold
from landcover.nets.outputs import FeatureNet
from landcover.train.validation import predict_logits

__all__ = [
    "FoldFeatures",
    "FoldFit",
    "OutOfFold",
    "folder_name",
    "predict",
    "read",
    "read_features",
]

_Store = TypeVar("_Store", NativeStore, RgbStore)
_Taken_contra = TypeVar("_Taken_contra", contravariant=True)

_LOGITS: Final = "logits"
_HELD_OUT: Final = "held_out"
_FITTED: Final = "fitted"
_BATCH: Final = 16
_PATTERN: Final = "fold-*.safetensors"
_CLASSES: Final = (len(CLASS_NAMES), len(EUROSAT_CLASSES))


class FoldFit(Protocol[_Taken_contra]):
    """A recipe for patches or pictures that can be fitted to the places of a fold."""

    @property
    def name(self) -> str:
        """Name of the recipe."""

    @property
    def settings(self) -> str:
        """JSON of all that decides the result besides the patches."""

    def trained(
        self, fitted: _Taken_contra, runs: Path, report: Report | None, left_out: Collection[str]
    ) -> tuple[nn.Module, Callable[[_Taken_contra], PatchSet]]:
        """Fit; returns the net and what turns patches or pictures into what it takes.

        Nothing may be known of the countries ``left_out``, not even how frequent classes are.
        """


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


@dataclass(frozen=True, kw_only=True)
class FoldFeatures:
    """Features of a fold's net.

    Attributes:
        ids: names of the held-out patches.
        held_out: float32 ``(patch, feature)`` of these.
        fitted_ids, fitted: the same of the patches that the net was fitted to.
    """

    ids: tuple[str, ...]
    held_out: FloatArray
    fitted_ids: tuple[str, ...]
    fitted: FloatArray


def folder_name(model: str) -> str:
    """Return the name of a recipe's folder, such as ``timm-resnet18`` for ``timm:resnet18``."""
    return "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in model)


def predict(
    fit: FoldFit[_Store],
    store: _Store,
    folds: Sequence[Fold],
    out: Path,
    *,
    by: str,
    features: bool = False,
    progress: Report | None = None,
) -> OutOfFold:
    """Fit to each fold and predict its held-out patches; finished folds are not repeated.

    Args:
        fit: the recipe.
        store: all patches or pictures, in the order of the folds' indices.
        folds: every patch is held out in one of them.
        out: the folder for predictions and runs; created if missing.
        by: what the folds leave out, for the record.
        features: also keep the features of nets that have some; a finished fold that lacks them
            is fitted again, which for nets means that the last checkpoint is read.
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
            path, beside = out / f"fold-{number:03}.safetensors", _features_path(out, number)
            record = _record(fit, store, fold, by, len(folds))
            done = path.exists()
            if done:
                _check(path, record)
            if done and (beside.exists() or not features):
                continue
            fitted = store.subset(fold.fitted)
            net, taken = fit.trained(
                fitted, _run(out, number), _titled(title, report), _left_out(store, fold)
            )
            held_out = taken(store.subset(fold.held_out))
            if features and isinstance(net, FeatureNet):
                files.write_bytes(beside, _features(net, taken(fitted), held_out))
            if not done:
                logits = _logits(fit.name, net, held_out)
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
    mixed = any(record[key] != first[key] for record in records for key in ("settings", "count"))
    if mixed or len({part.shape[1] for part in parts}) > 1:
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


def read_features(folder: Path) -> tuple[FoldFeatures, ...]:
    """Read the features of each fold; empty if the folder lacks those of a fold.

    Raises:
        BadInput: a file is damaged, or of other patches than the predictions.
    """
    folds = read(folder).folds
    paths = [_features_path(folder, 1 + k) for k in range(len(folds))]
    if not all(path.exists() for path in paths):
        return ()
    every = {name for fold in folds for name in fold}
    found = tuple(_read_features(path) for path in paths)
    for path, fold, one in zip(paths, folds, found, strict=True):
        if one.ids != fold or not set(one.fitted_ids) <= every - set(fold):
            raise _damaged(path)
    return found


def _logits(name: str, net: nn.Module, held_out: PatchSet) -> FloatArray:
    found: FloatArray = predict_logits(net, held_out).numpy()
    if not np.isfinite(found).all():
        raise BadInput(
            f"The model '{name}' gave a value that is not a finite number: choose another "
            "seed or a lower learning rate."
        )
    return found


def _features_path(folder: Path, number: int) -> Path:
    return folder / f"features-{number:03}.safetensors"


def _features(net: FeatureNet, fitted: PatchSet, held_out: PatchSet) -> bytes:
    """The features of a fold's net as a file."""
    parts = {_HELD_OUT: held_out, _FITTED: fitted}
    return dump_arrays(
        {name: _features_of(net, store) for name, store in parts.items()},
        {name: json.dumps(list(store.ids)) for name, store in parts.items()},
    )


def _features_of(net: FeatureNet, patches: PatchSet) -> FloatArray:
    with torch.inference_mode():
        parts = [
            net.read(patches.pixels(range(start, min(start + _BATCH, len(patches))))).features
            for start in range(0, len(patches), _BATCH)
        ]
    found: FloatArray = torch.cat(parts).float().cpu().numpy()
    return found


def _read_features(path: Path) -> FoldFeatures:
    """Read the features of one fold.

    Raises:
        BadInput: the file is damaged.
    """
    try:
        with safe_open(path, "np") as file:
            record: dict[str, str] = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in (_HELD_OUT, _FITTED)}
        names = {name: tuple(untrusted_json.parse(record[name])) for name in arrays}
        whole = all(
            array.ndim == 2 and array.dtype == np.float32 and len(array) == len(names[name])
            for name, array in arrays.items()
        )
        whole = whole and len({array.shape[1] for array in arrays.values()}) == 1
        whole = whole and all(np.isfinite(array).all() for array in arrays.values())
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise _damaged(path)
    return FoldFeatures(
        ids=names[_HELD_OUT],
        held_out=arrays[_HELD_OUT],
        fitted_ids=names[_FITTED],
        fitted=arrays[_FITTED],
    )


def _run(out: Path, number: int) -> Path:
    """The folder of one fit."""
    return out / "runs" / f"fold-{number:03}"


def _left_out(store: object, fold: Fold) -> frozenset[str]:
    """The countries of which all patches are left out; pictures have none."""
    if not isinstance(store, NativeStore):
        return frozenset()
    held_out, fitted = ({store.countries[k] for k in rows} for rows in (fold.held_out, fold.fitted))
    return frozenset(held_out - fitted)


def _step(fit: FoldFit[_Store], done: int, folds: Sequence[Fold]) -> Progress:
    """The progress over all folds."""
    detail = plain(folds[done].name) if done < len(folds) else ""
    what = f"Folds of {fit.name}"
    return Progress(what=what, done=done, total=len(folds), unit="folds", detail=detail)


def _titled(title: str, report: Report) -> Report:
    """A callback that names the fold in each report."""
    return lambda step: report(replace(step, what=f"{step.what} {title}"))


def _record(fit: FoldFit[_Store], store: _Store, fold: Fold, by: str, count: int) -> dict[str, str]:
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
        whole = logits.shape in {(len(ids), count) for count in _CLASSES}
        whole &= logits.dtype == np.float32 and bool(np.isfinite(logits).all())
        whole &= {"model", "settings", "by", "fold", "count"} <= set(record)
        whole &= record["count"].isdecimal() and all(isinstance(one, str) for one in ids)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise _damaged(path)
    return record, logits


def _damaged(path: Path) -> BadInput:
    return BadInput(
        f"{plain(path.name)} in '{plain(path.parent.name)}' is damaged: remove it, and run "
        "the command that writes it again."
    )
