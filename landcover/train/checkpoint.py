"""The checkpoint of a training run: written after each epoch, loaded to resume the run."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Final

import torch

from landcover.core import files
from landcover.core.errors import BadInput
from landcover.train.configuration import TrainConfig
from landcover.train.distributed import ProcessGroup
from landcover.train.history import write
from landcover.train.state import TrainState

__all__ = ["CHECKPOINT_FILE", "CONFIG_FILE", "save", "start_or_resume"]

CHECKPOINT_FILE: Final = "checkpoint.pt"
CONFIG_FILE: Final = "config.json"


def save(state: TrainState, ids: Sequence[str], out: Path) -> None:
    """Write history and checkpoint. Each file is replaced completely or not at all.

    Raises:
        BadInput: a file cannot be written; the run can be resumed from the last checkpoint.
    """
    write(state.history, out)
    kept = {"config": state.config.to_json(), "ids": list(ids), **state.state_dict()}
    # Not to the file itself: torch hides the errors of the disk behind its own.
    content = io.BytesIO()
    torch.save(kept, content)
    files.write_bytes(out / CHECKPOINT_FILE, content.getvalue())


def start_or_resume(state: TrainState, ids: Sequence[str], out: Path, group: ProcessGroup) -> None:
    """Start a run in a new folder, or resume the one that was interrupted in it.

    Args:
        state: of a new run; the checkpoint is loaded into it.
        ids: names of the training patches; they must equal those of the checkpoint.
        out: the run's folder; created if missing.
        group: the processes of the run.

    Raises:
        BadInput: the folder holds a run with other settings or other patches, the checkpoint
            cannot be read, the processes find different checkpoints or patches, or the folder
            cannot be written to.
    """
    files.make_folder(out)
    path = out / CHECKPOINT_FILE
    if path.exists():
        _resume(state, ids, path)
    elif group.is_main:
        files.write_text(out / CONFIG_FILE, state.config.to_json())
    if not group.agree([state.steps, len(ids)], state.device):
        raise BadInput(
            "The processes of this training found different checkpoints or patches: give all "
            "of them the same folders."
        )


def _resume(state: TrainState, ids: Sequence[str], path: Path) -> None:
    try:
        kept = torch.load(path, map_location="cpu", weights_only=True)
        same = TrainConfig.from_json(kept["config"]) == state.config
        if same and kept["ids"] == list(ids):
            state.load_state_dict(kept)
            return
    except (RuntimeError, ValueError, TypeError, KeyError, EOFError, UnpicklingError):
        raise BadInput(
            f"The checkpoint in '{path.parent.name}' cannot be read: remove {path.name} to "
            "start again, or choose another folder."
        ) from None
    raise BadInput(
        f"The folder '{path.parent.name}' holds a run with other settings or other patches: "
        "choose another folder, or remove its checkpoint."
    )
