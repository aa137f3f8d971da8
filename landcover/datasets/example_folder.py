"""The six labelled samples as a folder of BigEarthNet v1, to try training and testing with.

The splits are those of BigEarthNet v2 (reBEN): three patches to train on, one to validate with, one
to test; the sixth has seasonal snow and belongs to no split.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from landcover.core import files
from landcover.core.errors import BadInput
from landcover.datasets.bigearthnet import PIXELS_V1, SNOWY_V1, SPLITS_V1
from landcover.io.guard import shown
from landcover.io.samples import sample_files, samples

__all__ = ["is_example", "write_example"]

_LISTS: Final[dict[str, str | None]] = {**SPLITS_V1, SNOWY_V1: None}
"""Name of each list → the split whose patches it names; None for the snowy patch."""


def write_example(root: Path) -> Path:
    """Write the folder, unless it is there already.

    Args:
        root: the folder to write; its parents are made if missing.

    Returns:
        the folder.

    Raises:
        BadInput: another file or folder has that name, or it cannot be written.
        LandcoverError: the package with the samples is not installed, or damaged.
    """
    if is_example(root):
        return root
    if root.exists():
        raise BadInput(f"'{shown(root.name)}' exists already: name a new folder for the example.")
    files.make_folder(root.parent)
    with files.aside(root.parent, root.name) as part:
        for sample in samples():
            folder = part / PIXELS_V1 / sample.patch_id
            files.make_folder(folder)
            for name, content in sample_files(sample.name):
                files.write_part(folder / name, content)
        for file, split in _LISTS.items():
            names = [sample.patch_id for sample in samples() if sample.split == split]
            files.write_part(part / file, "".join(f"{name}\n" for name in names).encode())
        files.settle(part, root)
    return root


def is_example(root: Path) -> bool:
    """Return whether a folder has the six patches, and their lists."""
    return all((root / file).is_file() for file in _LISTS) and all(
        (root / PIXELS_V1 / sample.patch_id).is_dir() for sample in samples()
    )
