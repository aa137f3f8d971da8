"""Join folders of BigEarthNet patches into one, for commands that take one.

    python -m tools.join_folders OUT ROOT ROOT2 …

The patches are copied, and the tables ``metadata.parquet`` are joined; a patch that is in several
folders is taken from the first.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import Final

import pandas as pd

__all__ = ["join", "main"]

_TABLE: Final = "metadata.parquet"
_PIXELS: Final = "BigEarthNet-S2"


def join(out: Path, roots: list[Path]) -> int:
    """Join folders in the official layout of version 2.

    Args:
        out: a new folder.
        roots: the folders.

    Returns:
        The number of patches.

    Raises:
        FileExistsError: ``out`` exists.
        FileNotFoundError: a folder has no table or no pixels.
    """
    table = pd.concat([pd.read_parquet(root / _TABLE) for root in roots])
    table = table.drop_duplicates("patch_id")
    out.mkdir(parents=True)
    for root in reversed(roots):
        shutil.copytree(root / _PIXELS, out / _PIXELS, dirs_exist_ok=True)
    table.to_parquet(out / _TABLE, index=False)
    return len(table)


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("roots", type=Path, nargs="+")
    options = parser.parse_args()
    print(f"{join(options.out, options.roots)} patches")
    return 0


if __name__ == "__main__":
    sys.exit(main())
