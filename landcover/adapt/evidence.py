"""What nets make of corrected windows, kept so that their pixels are needed only once.

An adaptation needs a window's pooled features and raw scores, a few kB. They are kept in a folder
beside the file of corrections (:attr:`landcover.adapt.corrections.Kept.folder`), one file for each
window and net. A file is named by the hash of the pixels and by that of the net with its bands:
thresholds and calibration do not matter, and an adapted model uses what is kept of the net below.
With another net, a correction needs its pixels again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from weakref import WeakKeyDictionary

import torch
from safetensors.torch import save as dump_tensors
from torch import Tensor, nn

from landcover.adapt import pixels
from landcover.adapt.corrections import Correction, Kept, pixels_sha256
from landcover.core import files, limits
from landcover.core.errors import BadInput
from landcover.core.progress import Report, ignore
from landcover.core.raster import Raster
from landcover.core.regular_file import read_regular
from landcover.core.text import place_text
from landcover.models.features import features_and_scores
from landcover.models.fitted_files import unpacked
from landcover.models.model import Model, weights_bytes
from landcover.nets.adapted import Adapted

__all__ = ["Corrected", "Evidence", "find", "gather", "keep", "measure", "why_missing"]

_FEATURES, _SCORES = "features", "scores"


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """What a model makes of one window.

    Attributes:
        features: of its net, pooled, float32 ``(feature,)``.
        scores: raw scores before calibration, float32 ``(class,)``.
    """

    features: Tensor
    scores: Tensor


Corrected = tuple[Correction, Evidence]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Trunk:
    """The net below all adaptations of a model.

    Attributes:
        model: with that net, and the card of the given model.
        name: sixteen hexadecimal digits of its weights, architecture and bands.
        width: number of its features.
        layers: the adaptations above it, innermost first.
    """

    model: Model
    name: str
    width: int
    layers: tuple[Adapted, ...]

    def file(self, folder: Path, pixels_hash: str) -> Path:
        return folder / f"{pixels_hash}-{self.name}.safetensors"

    def read(self, patch: Raster) -> Evidence:
        found = features_and_scores(self.model, self.model.tensor(patch)[None])
        return Evidence(features=found[0][0], scores=found[1][0])

    def adapted(self, own: Evidence) -> Evidence:
        """Turn scores of the net into those of the model."""
        scores, device = own.scores[None].to(self.model.device), self.model.device
        with torch.no_grad():
            for layer in self.layers:
                scores = layer.corrected(own.features[None].to(device), scores)
        return replace(own, scores=scores[0].float().cpu())


_trunks: WeakKeyDictionary[Model, _Trunk] = WeakKeyDictionary()


def measure(model: Model, patch: Raster) -> Evidence:
    """Compute what a model makes of a window.

    Raises:
        ModelMismatch: the model has no features, or the window does not fit it.
    """
    trunk = _trunk(model)
    return trunk.adapted(trunk.read(patch))


def keep(kept: Kept, correction: Correction, model: Model, patch: Raster) -> Evidence:
    """Compute what a model makes of a corrected window, and keep it beside the correction.

    It is not kept if the correction is not among those that are kept, or has no hash of its
    pixels.

    Args:
        kept: the corrections.
        correction: one of them.
        model: a neural network.
        patch: the pixels that were corrected.

    Raises:
        ModelMismatch: the model has no features, or the window does not fit it.
        BadInput: the pixels are others, or a file cannot be written.
    """
    if correction.pixels_sha256 not in ("", pixels_sha256(patch)):
        raise BadInput("These are not the pixels that were corrected: give those of that day.")
    trunk = _trunk(model)
    own = trunk.read(patch)
    _write(kept, trunk, [(correction, own)], durable=True)
    return trunk.adapted(own)


def find(
    kept: Kept, corrections: Iterable[Correction], model: Model
) -> tuple[list[Corrected], list[Correction]]:
    """Read what is kept of corrected windows.

    Args:
        kept: where to look.
        corrections: those to look for; they may come from elsewhere.
        model: a neural network.

    Returns:
        The corrections with what the model makes of their windows, and those whose pixels are
        needed: nothing is kept of them for this model, or it is damaged.

    Raises:
        ModelMismatch: the model has no features.
    """
    trunk, found, missing = _trunk(model), list[Corrected](), list[Correction]()
    for one in corrections:
        own = _read(kept, trunk, one)
        if own is None:
            missing.append(one)
        else:
            found.append((one, trunk.adapted(own)))
    return found, missing


def gather(
    kept: Kept,
    corrections: Sequence[Correction],
    model: Model,
    among: Sequence[str] = (),
    report: Report = ignore,
) -> tuple[list[Corrected], list[str]]:
    """Find what a model makes of corrected windows: what is kept, else from their pixels.

    What is computed from pixels is kept for the next time.

    Args:
        kept: the corrections that are kept.
        corrections: those to find; they may come from elsewhere.
        model: a neural network.
        among: samples and paths of files, as :func:`landcover.adapt.pixels.paths` returns them.
        report: called with the number of windows that were looked for in files.

    Returns:
        The corrections that were found, in their order, and a sentence about each other one.

    Raises:
        ModelMismatch: the model has no features, or a window does not fit it.
        BadInput: a file cannot be written.
    """
    found, missing = find(kept, corrections, model)
    if not among:
        return found, [f"{place_text(*one.place)}: {why_missing(one, model)}" for one in missing]
    trunk = _trunk(model)
    patches, lost = pixels.find(missing, among, report)
    new = [(one, trunk.read(patch)) for one, patch in patches]
    _write(kept, trunk, new, durable=False)
    by_id = {one.id: (one, own) for one, own in found}
    by_id |= {one.id: (one, trunk.adapted(own)) for one, own in new}
    return [by_id[one.id] for one in corrections if one.id in by_id], lost


def why_missing(correction: Correction, model: Model) -> str:
    """Say in one sentence why the pixels of a correction are needed."""
    if not correction.pixels_sha256:
        return "it was made without pixels: give the file of its place."
    of = f"'{correction.source}'" if correction.source else "its place"
    return f"its features for {model.card.title} are not kept: give the file of {of}."


def _trunk(model: Model) -> _Trunk:
    """Find the net below the adaptations of a model, once for each model in memory.

    Raises:
        ModelMismatch: it has no features.
    """
    known = _trunks.get(model)
    if known is not None:
        return known
    net, layers, card = model.net, list[Adapted](), model.card
    kind, options = card.net, card.net_options
    while isinstance(net, Adapted):
        layers.insert(0, net)
        net, kind, options = net.net, options["net"], options["net_options"]
    bare = Model(card, net, model.device)
    blank = torch.zeros(0, len(card.bands), card.pixels, card.pixels)
    made = _Trunk(
        model=bare,
        name=_name([kind, options, list(card.bands), card.pixels], net),
        width=features_and_scores(bare, blank)[0].shape[1],
        layers=tuple(layers),
    )
    return _trunks.setdefault(model, made)


def _name(described: object, net: nn.Module) -> str:
    found = hashlib.sha256(json.dumps(described, sort_keys=True).encode())
    found.update(weights_bytes(net))
    return found.hexdigest()[:16]


def _read(kept: Kept, trunk: _Trunk, one: Correction) -> Evidence | None:
    """Read what is kept of a window; None if there is nothing, or it is damaged."""
    if not one.pixels_sha256:
        return None
    with suppress(OSError, ValueError, KeyError):
        path = trunk.file(kept.folder, one.pixels_sha256)
        data = read_regular(path, limits.current().correction_features_bytes, inside=kept.folder)
        tensors, notes = unpacked(data)
        if notes != _notes(trunk, one, tensors):
            return None
        features, scores = tensors[_FEATURES], tensors[_SCORES]
        right = (features.shape, scores.shape) == ((trunk.width,), (len(trunk.model.card.classes),))
        if right and bool(features.isfinite().all() and scores.isfinite().all()):
            return Evidence(features=features, scores=scores)
    return None


def _write(
    kept: Kept, trunk: _Trunk, found: Iterable[tuple[Correction, Evidence]], *, durable: bool
) -> None:
    """Keep what the net makes of windows whose corrections are kept."""
    with kept.changing():
        corrections = kept.read()
        used = {one.pixels_sha256 for one in corrections} - {""}
        for one, own in found:
            tensors = {_FEATURES: own.features.contiguous(), _SCORES: own.scores.contiguous()}
            data = dump_tensors(tensors, _notes(trunk, one, tensors))
            small = len(data) <= limits.current().correction_features_bytes
            if one.pixels_sha256 in used and small:
                files.make_folder(kept.folder)
                path = trunk.file(kept.folder, one.pixels_sha256)
                files.write_bytes(path, data, durable=durable)
        kept.tidy(corrections)


def _notes(trunk: _Trunk, one: Correction, tensors: dict[str, Tensor]) -> dict[str, str]:
    """Name a file's window and net, and the hash of its numbers, which tells damage."""
    numbers = hashlib.sha256()
    for name in (_FEATURES, _SCORES):
        numbers.update(tensors[name].float().numpy().astype("<f4").tobytes())
    return {
        "pixels_sha256": one.pixels_sha256,
        "net": trunk.name,
        "numbers_sha256": numbers.hexdigest(),
    }
