"""Finished blocks of a map on disk, so that a map that was stopped goes on where it was.

They lie in a folder beside the map, one file a block. A file is complete or absent. It is used
again only by the same map: same imagery, area, step, blocks, model and version of the program.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np
from safetensors.numpy import save

from landcover.areas.block import BlockMap, Tally
from landcover.areas.layout import COVER_EXTRA, PRESENCE_EXTRA
from landcover.areas.plan import CELL, Block, Plan
from landcover.core import files
from landcover.core.errors import BadInput
from landcover.core.regular_file import read_regular
from landcover.core.untrusted_json import parse
from landcover.models.fitted_files import unpacked

__all__ = ["Parts", "folder_of"]

_JOB: Final = "job.json"
_SPARE: Final = 100_000
"""Bytes of a part besides its layers."""


def folder_of(out: Path) -> Path:
    """The folder with the finished blocks of a map."""
    return out.with_name(out.name + files.PARTS)


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The folder of one map.

    Attributes:
        folder: where the parts are.
        key: identifies the map.
        plan: the plan of the map.
        classes: number of classes of the presence.
        covers: number of classes of the cover.
    """

    folder: Path
    key: str
    plan: Plan
    classes: int
    covers: int

    def open(self) -> set[tuple[int, int]]:
        """Find the finished blocks; parts of another map are removed.

        Raises:
            BadInput: it cannot be written to, or is not a folder of parts.
        """
        if self.folder.exists() and self._key_there() != self.key:
            self._check_own()
            shutil.rmtree(self.folder)
        return {index for index in self.plan.indices if self._file(index).is_file()}

    def write(self, index: tuple[int, int], block: BlockMap) -> None:
        """Keep a finished block, the first one in a new folder.

        Raises:
            BadInput: it cannot be written.
        """
        if not self.folder.exists():
            files.make_folder(self.folder)
            files.write_text(self.folder / _JOB, json.dumps({"map": self.key}) + "\n")
        tally = block.tally
        arrays = {
            "presence": block.presence,
            "cover": block.cover,
            "decision": block.decision,
            "covers": tally.covers,
            "expected": tally.expected,
            "present": tally.present,
            "counts": np.array([tally.silent, tally.windows], dtype=np.int64),
        }
        whole = {name: np.ascontiguousarray(values) for name, values in arrays.items()}
        facts = {"map": self.key, "scene": block.scene, "baseline": block.baseline or ""}
        facts["acquired"] = block.acquired.isoformat() if block.acquired else ""
        content = save(whole, facts)
        files.write_bytes(self._file(index), content, durable=False)

    def read(self, index: tuple[int, int]) -> BlockMap | None:
        """Read a finished block; None if it is absent or damaged."""
        block = self.plan.block_at(index)
        shapes = self._shapes(block)
        most = sum(int(np.prod(shape)) * kind.itemsize for shape, kind in shapes.values()) + _SPARE
        try:
            tensors, facts = unpacked(read_regular(self._file(index), most))
            acquired = datetime.fromisoformat(facts["acquired"]) if facts["acquired"] else None
            scene, baseline = facts["scene"], facts["baseline"] or None
        except (BadInput, OSError, ValueError, KeyError):
            return None
        arrays = {name: each.numpy() for name, each in tensors.items()}
        if {name: (each.shape, each.dtype) for name, each in arrays.items()} != shapes:
            return None
        silent, windows = (int(value) for value in arrays["counts"])
        return BlockMap(
            presence=arrays["presence"],
            cover=arrays["cover"],
            decision=arrays["decision"],
            tally=Tally(
                covers=arrays["covers"],
                expected=arrays["expected"],
                silent=silent,
                present=arrays["present"],
                windows=windows,
            ),
            scene=scene,
            acquired=acquired,
            baseline=baseline,
        )

    def remove(self) -> None:
        """Remove the folder, once the map is written."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _file(self, index: tuple[int, int]) -> Path:
        return self.folder / f"{index[0]:04d}-{index[1]:04d}.safetensors"

    def _shapes(self, block: Block) -> dict[str, tuple[tuple[int, ...], np.dtype[np.generic]]]:
        byte, whole, real = np.dtype(np.uint8), np.dtype(np.int64), np.dtype(np.float64)
        cells = block.height // CELL, block.width // CELL
        windows = block.height // self.plan.step, block.width // self.plan.step
        return {
            "presence": ((self.classes + len(PRESENCE_EXTRA), *windows), byte),
            "cover": ((self.covers + len(COVER_EXTRA), *cells), byte),
            "decision": (cells, byte),
            "covers": ((self.covers,), whole),
            "expected": ((self.covers,), real),
            "present": ((self.classes,), whole),
            "counts": ((2,), whole),
        }

    def _key_there(self) -> str | None:
        try:
            found = parse(read_regular(self.folder / _JOB, _SPARE))
        except (BadInput, OSError, ValueError):
            return None
        return str(found.get("map")) if isinstance(found, dict) else None

    def _check_own(self) -> None:
        """Check that nothing but parts is removed.

        Raises:
            BadInput: something else is in the folder.
        """
        names: Sequence[str] = [each.name for each in self.folder.iterdir()]
        own = (_JOB, files.LOCK_FILE)
        strange = [
            name
            for name in names
            if name not in own and not name.endswith(".safetensors") and not files.is_own(name)
        ]
        if strange:
            raise BadInput(
                f"'{self.folder.name}' holds the parts of an unfinished map and other files such "
                f"as '{strange[0][:60]}': move them, or choose another name for the map."
            )
