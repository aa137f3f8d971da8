"""Hostile files, many users and kills: ``python -m tools.hostile [--short]``, ``make hostile``."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys
from typing import Final

from tools.hostile.table import Row, table_text

__all__ = ["PARTS", "main"]

PARTS: Final = ("corpus", "load", "kills")
"""Modules of this package, each with a function ``run(short)`` that returns rows."""


def main() -> int:
    """Run all parts and print their table; the exit status is 1 if anything failed."""
    parser = argparse.ArgumentParser(prog="python -m tools.hostile", description=__doc__)
    parser.add_argument("--short", action="store_true", help="a short form of each part")
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="only these parts")
    options = parser.parse_args()
    rows: list[Row] = []
    for part in options.parts or PARTS:
        module = f"tools.hostile.{part}"
        if importlib.util.find_spec(module) is None:
            print(f"{module} does not exist: left out", file=sys.stderr)
            continue
        rows += importlib.import_module(module).run(options.short)
    print(table_text(rows))
    return int(any(row.failed for row in rows))


if __name__ == "__main__":
    sys.exit(main())
