"""What every folder for a borrowed GPU holds besides its data: the code."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final

__all__ = ["CORE", "copy_code", "print_sizes"]

ROOT: Final = Path(__file__).parents[2]
CORE: Final = (
    "__init__.py",
    "core/__init__.py",
    "core/bands.py",
    "core/classes.py",
    "core/errors.py",
    "core/text.py",
    "nets/efficientnet_lite0.py",
    "nets/outputs.py",
    "nets/pooled.py",
    "nets/reflectance.py",
    "nets/symmetry.py",
    "nets/windows.py",
)
"""Modules of the library that all our nets import."""
_LARGE: Final = 50_000


def copy_code(out: Path, modules: Iterable[str], scripts: Iterable[str]) -> None:
    """Copy modules of ``landcover`` and scripts of ``tools/gpu`` with what both need.

    Args:
        out: the folder.
        modules: paths below ``landcover``, besides :data:`CORE`.
        scripts: names in ``tools/gpu``.
    """
    names = [f"landcover/{name}" for name in (*CORE, *modules)]
    names += ["tools/__init__.py", "tools/gpu/__init__.py", *(f"tools/gpu/{s}" for s in scripts)]
    for name in names:
        target = out / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target)
    # The library's own list of all nets imports much that is not needed here.
    (out / "landcover" / "nets" / "__init__.py").write_text("")


def print_sizes(out: Path) -> None:
    """Print the size of each large file, and of all."""
    total = 0
    for path in sorted(path for path in out.rglob("*") if path.is_file()):
        size = path.stat().st_size
        total += size
        if size > _LARGE:
            print(f"{size / 2**20:7.2f} MiB  {path.relative_to(out)}")
    print(f"{total / 2**20:7.2f} MiB  in all")
