"""Finished parts of a recipe of several steps, which the same call does not make again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save as dump_tensors

from landcover.core import files
from landcover.datasets.arrays import PatchSet
from landcover.models.card import WEIGHTS_FILE
from landcover.train import distributed
from landcover.train.configuration import TrainConfig
from landcover.train.state import Weights

__all__ = ["origin", "part"]


def part(out: Path, made_from: dict[str, str], make: Callable[[Path], Weights]) -> Weights:
    """The finished part in ``out``, or a new one."""
    found = _finished(made_from, out)
    if found is not None:
        return found
    made = make(out)
    if distributed.current().is_main:
        files.make_folder(out)
        files.write_bytes(out / WEIGHTS_FILE, dump_tensors(made, made_from))
    return made


def _finished(made_from: Mapping[str, str], out: Path) -> Weights | None:
    """The weights of a part that was trained with the same settings on the same patches."""
    try:
        with safe_open(out / WEIGHTS_FILE, "pt") as file:
            if file.metadata() == made_from:
                return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError):
        return None
    return None


def origin(patches: PatchSet, **made_from: TrainConfig | str | float) -> dict[str, str]:
    """Metadata of a part: its patches, and all that it was made from."""
    ids = hashlib.sha256("\n".join(sorted(patches.ids)).encode()).hexdigest()
    texts = {
        name: replace(one, device="auto").to_json() if isinstance(one, TrainConfig) else str(one)
        for name, one in made_from.items()
    }
    return {**texts, "ids_sha256": ids}
