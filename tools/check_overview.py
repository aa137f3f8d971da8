"""Compute the figures of an overview again, from the official table, without code of the package.

    landcover data overview --json > figures.json
    python tools/check_overview.py metadata.parquet figures.json

Everything is counted patch by patch with plain Python. Each figure that differs is printed, and the
exit status is 1 if there is one. Where tiles are on Earth is not computed again.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter, defaultdict
from itertools import product
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq

NAME: Final = re.compile(r"S2[A-D]_MSIL2A_(\d{8})T\d+_N\d+_R\d+_T(\w{5})_(\d+)_(\d+)")
SEASON: Final = dict(
    zip(
        ["12", "01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11"],
        [season for season in ("winter", "spring", "summer", "autumn") for _ in range(3)],
        strict=True,
    )
)
CLOSE: Final = 1e-12


def figures(metadata: Path, classes: list[str], most_combinations: int) -> dict[str, Any]:
    """Compute the figures of all patches of a table."""
    rows = pq.read_table(metadata, columns=["patch_id", "labels", "split", "country"]).to_pylist()
    n = len(rows)
    by: dict[str, Counter[str]] = defaultdict(Counter)
    splits_of_country: dict[str, Counter[str]] = defaultdict(Counter)
    of_class: dict[str, dict[str, Counter[str]]] = {name: defaultdict(Counter) for name in classes}
    support: Counter[str] = Counter()
    both: Counter[tuple[str, str]] = Counter()
    per_patch: Counter[int] = Counter()
    combinations: Counter[frozenset[str]] = Counter()
    blocks = set()
    for row in rows:
        match = NAME.fullmatch(row["patch_id"])
        assert match is not None, row["patch_id"]
        day, tile, column, line = match.groups()
        labels = set(row["labels"])
        where = {
            "splits": row["split"],
            "countries": row["country"],
            "months": day[4:6],
            "seasons": SEASON[day[4:6]],
        }
        for title, value in (*where.items(), ("days", day), ("tiles", tile)):
            by[title][value] += 1
        splits_of_country[row["country"]][row["split"]] += 1
        blocks.add((tile, int(column) // 10, int(line) // 10))
        per_patch[len(labels)] += 1
        combinations[frozenset(labels)] += 1
        support.update(labels)
        both.update(product(labels, labels))
        for name, (title, value) in product(labels, where.items()):
            of_class[name][title][value] += 1
    frequent = sorted(combinations.values(), reverse=True)[:most_combinations]
    pairs = [[both[a, b] for b in classes] for a in classes]
    return {
        "n": n,
        **{title: dict(by[title]) for title in ("splits", "days", "months", "seasons", "tiles")},
        "countries": {
            country: {"n": count, "splits": dict(splits_of_country[country])}
            for country, count in by["countries"].items()
        },
        "classes": {
            name: {
                "n": support[name],
                "share": support[name] / n,
                **{title: dict(of_class[name][title]) for title in where},
            }
            for name in classes
        },
        "labels_per_patch": {str(labels): count for labels, count in per_patch.items()},
        "mean_labels": sum(len(row["labels"]) for row in rows) / n,
        "co_occurrence": {
            "classes": classes,
            "both": pairs,
            "conditional": [
                [both[a, b] / support[a] if support[a] else None for b in classes] for a in classes
            ],
            "lift": [
                [
                    both[a, b] * n / (support[a] * support[b])
                    if support[a] and support[b]
                    else None
                    for b in classes
                ]
                for a in classes
            ],
        },
        "blocks": len(blocks),
        "combinations": len(combinations),
        "most_frequent_combinations": frequent,
    }


def differences(ours: Any, theirs: Any, path: str = "") -> list[str]:  # noqa: ANN401 - any JSON
    """List where two values differ; numbers may differ by rounding."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        found = [f"{path}/{key}: only one has it" for key in sorted(ours.keys() ^ theirs.keys())]
        for key in sorted(ours.keys() & theirs.keys()):
            found += differences(ours[key], theirs[key], f"{path}/{key}")
        return found
    if isinstance(ours, list) and isinstance(theirs, list):
        if len(ours) != len(theirs):
            return [f"{path}: {len(ours)} and {len(theirs)} values"]
        return [
            line
            for number, (one, other) in enumerate(zip(ours, theirs, strict=True))
            for line in differences(one, other, f"{path}/{number}")
        ]
    if isinstance(ours, float) and isinstance(theirs, int | float):
        same = abs(ours - theirs) <= CLOSE * max(1.0, abs(ours))
    else:
        same = ours == theirs
    return [] if same else [f"{path}: {ours} and {theirs}"]


def main(metadata: str, given: str) -> int:
    """Compare, and print what differs."""
    theirs = json.loads(Path(given).read_text(encoding="utf-8"))
    listed = theirs["most_frequent_combinations"]
    ours = figures(Path(metadata), list(theirs["classes"]), len(listed))
    known = pq.read_table(metadata, columns=["labels"])["labels"].to_pylist()
    exact = Counter(map(frozenset, known))
    wrong = [one for one in listed if exact[frozenset(one["labels"])] != one["n"]]
    theirs["most_frequent_combinations"] = [one["n"] for one in listed]
    theirs["tiles"] = {tile: value["n"] for tile, value in theirs["tiles"].items()}
    del theirs["title"]
    found = differences(ours, theirs) + [f"combination {one}" for one in wrong]
    print("\n".join(found) or f"All figures of {ours['n']:,} patches are equal.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
