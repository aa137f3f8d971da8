"""Run the corpus alone: ``python -m tools.hostile.corpus``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tools.hostile import corpus
from tools.hostile.corpus.runner import run_cases
from tools.hostile.table import table_text


def main() -> int:
    """Run it and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="some cases of every kind")
    parser.add_argument("--kind", default="", help="only kinds whose name contains this")
    parser.add_argument("--count", action="store_true", help="only count the cases")
    parser.add_argument("--trace", action="store_true", help="watch with strace")
    parser.add_argument("--readers", type=int, default=2)
    parser.add_argument("--record", type=Path, help="write what came of each case to a file")
    options = parser.parse_args()
    wanted = corpus.short_cases() if options.short else list(corpus.cases())
    wanted = [case for case in wanted if options.kind.lower() in case.kind.lower()]
    if options.count:
        for kind in dict.fromkeys(case.kind for case in wanted):
            print(f"{sum(case.kind == kind for case in wanted):6,}  {kind}")
        print(f"{len(wanted):6,}")
        return 0
    rows = corpus.judged(run_cases(wanted, options.readers, traced=options.trace), options.record)
    print(table_text(rows))
    return any(row.failed for row in rows)


if __name__ == "__main__":
    sys.exit(main())
