"""Check that two checkouts of landcover give the same results: ``compare_releases.py OLD NEW``.

Both run through their command line and its JSON, so their internals may differ. The script
compares the SHA-256 of all shipped weights and the card hashes, the JSON of ``evaluate`` and
``classify`` for every model, and how long the start and one warm patch take. A value that differs,
a key that is gone and a source that no longer works are differences, and then the exit status is
1. New keys, sources that work only in the new release and reworded sentences are listed, but do
not count as differences.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

SAMPLES: Final = (
    "portugal-hills",
    "finland-lake",
    "finland-snow",
    "austria-fields",
    "ireland-fields",
    "ireland-pastures",
)
PARTS: Final = ("weights", "classify", "bigearthnet", "eurosat", "speed")
VARYING_KEYS: Final = ("speed", "date", "landcover")
"""Keys of a report whose values differ from run to run: times, the day, the version."""
TURNS: Final = 7
WARM_PATCHES: Final = 15
TIMEOUT_S: Final = 3600
COMMAND: Final = (
    "import sys; from importlib import import_module as load; "
    "m, f = sys.argv.pop(1).split(':'); sys.exit(getattr(load(m), f)())"
)
"""Runs the entry point ``module:function``, as the script of an installed package does."""

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Release:
    """A checkout whose command line can be run."""

    root: Path
    entry: str

    @classmethod
    def at(cls, root: Path) -> Release:
        """Return the checkout in a folder; its ``pyproject.toml`` names the entry point."""
        scripts = tomllib.loads((root / "pyproject.toml").read_text())["project"]["scripts"]
        return cls(root=root.resolve(), entry=scripts["landcover"])

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start one command of the checkout."""
        return subprocess.Popen(
            [sys.executable, "-c", COMMAND, self.entry, *arguments],
            env={**os.environ, "PYTHONPATH": str(self.root)},
            cwd=self.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> tuple[str, str, int]:
        """Run one command and return its standard output, errors and exit status."""
        with self.start(*arguments) as process:
            out, errors = process.communicate(timeout=TIMEOUT_S)
        return out, errors, process.returncode

    def models(self) -> dict[str, str]:
        """Return the card hash of each shipped model.

        Raises:
            SystemExit: the command failed.
        """
        out, errors, status = self.run("models", "--json")
        if status:
            raise SystemExit(f"{self.root}: `landcover models` failed: {errors.strip()}")
        return {row["name"]: row["card_hash"] for row in json.loads(out)}


@dataclass
class Comparison:
    """What was compared and what differs."""

    rows: list[tuple[str, str, str]] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    added: Counter[str] = field(default_factory=Counter)
    removed: Counter[str] = field(default_factory=Counter)
    reworded: dict[str, tuple[str, str]] = field(default_factory=dict)

    def row(self, part: str, what: str, before: int) -> None:
        """Add and print one line of the table; ``before`` is the number of earlier differences."""
        new = len(self.differences) - before
        self.rows.append((part, what, "equal" if not new else f"{new} DIFFERENCES"))
        print(f"{part:14} {what:64} {self.rows[-1][2]}", flush=True)

    def compare(self, where: str, old: object, new: object, path: str = "") -> None:
        """Compare two JSON values, key by key and to the last digit."""
        if isinstance(old, dict) and isinstance(new, dict):
            for key in old.keys() - new.keys():
                self.removed[without_indices(f"{path}/{key}")] += 1
                self.differences.append(f"{where}: {path}/{key} is gone")
            for key in new.keys() - old.keys():
                self.added[without_indices(f"{path}/{key}")] += 1
            for key in old.keys() & new.keys():
                self.compare(where, old[key], new[key], f"{path}/{key}")
        elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
            for i, (before, after) in enumerate(zip(old, new, strict=True)):
                self.compare(where, before, after, f"{path}/{i}")
        elif old != new:
            if is_sentence(old) and is_sentence(new):
                self.reworded[without_indices(path)] = (str(old), str(new))
            else:
                self.differences.append(f"{where}: {path}: {short(old)} is now {short(new)}")


def without_indices(path: str) -> str:
    """Return a path of keys with ``*`` for each index of a list."""
    return "/".join("*" if part.isdigit() else part for part in path.split("/"))


def is_sentence(value: object) -> bool:
    """Whether a value is text for people: several words and a final full stop, colon or ``?``."""
    return isinstance(value, str) and value.count(" ") > 1 and value.endswith((".", ":", "?"))


def short(value: object) -> str:
    """Return a value as JSON of at most 80 characters."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:79] + "…"


def exactly(text: str) -> Json:
    """Parse a JSON object and keep decimal numbers as the text that was printed."""
    record: Json = json.loads(text, parse_float=str)
    return record


def weights(old: Release, new: Release, comparison: Comparison) -> None:
    """Compare the hashes of all weights and cards."""
    before = len(comparison.differences)
    hashes = weight_hashes(old.root / "landcover"), weight_hashes(new.root / "landcover")
    comparison.compare("weights", *hashes)
    comparison.row("weights", f"SHA-256 of {len(hashes[0])} files", before)
    before = len(comparison.differences)
    cards = old.models(), new.models()
    comparison.compare("card hashes", *cards)
    comparison.row("card hashes", f"{len(cards[0])} models", before)


def weight_hashes(package: Path) -> dict[str, str]:
    """Return the SHA-256 of each weights file by its path below the package."""
    files = sorted(package.rglob("*.safetensors"))
    return {
        str(path.relative_to(package)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def classify(
    old: Release, new: Release, data: Path, comparison: Comparison, *, models: Sequence[str]
) -> None:
    """Compare what some models predict for the samples, the scenes and some pictures."""
    scenes = sorted(map(str, (data / "scenes").rglob("*.tif")))
    with tempfile.TemporaryDirectory() as folder:
        pictures = extract_pictures(data / "eurosat" / "EuroSAT_RGB.zip", Path(folder))
        for model in models:
            before = len(comparison.differences)
            sources = [*SAMPLES, *scenes, *pictures]
            results = records_of(old, model, sources), records_of(new, model, sources)
            now = results[1].keys() - results[0].keys()
            for source in now:
                del results[1][source]
            comparison.compare(f"classify --model {model}", *results)
            label = f"{model}: {len(results[0])} of {len(sources)} sources"
            comparison.row("classify", label + f", {len(now)} work only now" * bool(now), before)


def extract_pictures(archive: Path, folder: Path) -> list[str]:
    """Extract one picture of each EuroSAT class and return the paths."""
    with zipfile.ZipFile(archive) as pictures:
        names = [name for name in pictures.namelist() if name.endswith("_1.jpg")]
        return [pictures.extract(name, folder) for name in sorted(names)]


def records_of(release: Release, model: str, sources: list[str]) -> Json:
    """Return the JSON record of each source that the model could classify.

    Raises:
        SystemExit: the command failed.
    """
    out, errors, status = release.run("classify", *sources, "--model", model, "--json")
    if status not in {0, 1, 2} or "Traceback" in errors:
        raise SystemExit(f"{release.root}: classify --model {model} failed:\n{errors}")
    records = [exactly(line) for line in out.splitlines()]
    return {record["source"]: without_varying_keys(record) for record in records}


def without_varying_keys(record: Json) -> Json:
    """Return the record without the keys whose values differ from run to run."""
    return {key: value for key, value in record.items() if key not in VARYING_KEYS}


def evaluate(
    old: Release,
    new: Release,
    root: Path,
    comparison: Comparison,
    *,
    bootstraps: int,
    models: Sequence[str],
) -> None:
    """Compare the reports of all models that the old release can evaluate on a data set.

    The folder must have the name that ``--dataset`` takes.
    """
    dataset = root.name
    options = ("--dataset", dataset, "--split", "test", "--json", "--bootstraps", str(bootstraps))
    for model in models:
        before = len(comparison.differences)
        reports = [report_of(release, root, model, options) for release in (old, new)]
        if reports[0] is None:
            comparison.rows.append(("evaluate", f"{model} on {dataset}", "does not apply"))
            continue
        comparison.compare(f"evaluate {dataset} --model {model}", reports[0], reports[1])
        comparison.row(
            "evaluate", f"{model} on {dataset}: {sum(map(count, reports[:1]))} values", before
        )


def report_of(release: Release, root: Path, model: str, options: tuple[str, ...]) -> Json | None:
    """Return the report of ``evaluate``, or None if the model does not apply to the data set.

    Raises:
        SystemExit: the command failed.
    """
    out, errors, status = release.run("evaluate", str(root), "--model", model, *options)
    if status not in {0, 2} or "Traceback" in errors:
        raise SystemExit(f"{release.root}: evaluate --model {model} failed:\n{errors}")
    return None if status else without_varying_keys(exactly(out))


def count(value: object) -> int:
    """Count the single values in a JSON value."""
    if isinstance(value, dict):
        return sum(map(count, value.values()))
    return sum(map(count, value)) if isinstance(value, list) else 1


def speed(old: Release, new: Release, turns: int) -> None:
    """Measure the start and one warm patch, old and new in turns, and print the times."""
    measures: dict[str, Callable[[Release], float]] = {
        "landcover --help": seconds_to_help,
        "one patch, warm": seconds_of_a_warm_patch,
    }
    for name, measure in measures.items():
        times: dict[str, list[float]] = {"old": [], "new": []}
        for _ in range(turns):
            times["old"].append(measure(old))
            times["new"].append(measure(new))
        shown = [
            f"{side} {1000 * statistics.median(took):.0f} ms "
            f"({1000 * min(took):.0f} to {1000 * max(took):.0f})"
            for side, took in times.items()
        ]
        ratio = statistics.median(
            after / before for before, after in zip(times["old"], times["new"], strict=True)
        )
        print(f"{name:24} {', '.join(shown)}; new / old {ratio:.2f}, {turns} turns", flush=True)


def seconds_to_help(release: Release) -> float:
    """Return the seconds of a process that prints the help."""
    start = time.perf_counter()
    release.run("--help")
    return time.perf_counter() - start


def seconds_of_a_warm_patch(release: Release) -> float:
    """Return the median seconds a patch of a process that classifies one sample repeatedly.

    This includes reading the sample and its verdict, but not loading the model.
    """
    with release.start("classify", *[SAMPLES[1]] * WARM_PATCHES, "--json") as process:
        assert process.stdout is not None
        moments = [time.perf_counter() for _ in process.stdout]
    waits = [after - before for before, after in itertools.pairwise(moments)]
    return statistics.median(waits[2:])


def summary_lines(comparison: Comparison) -> Iterator[str]:
    """Yield the lines of the summary."""
    for title, keys in (("Removed keys", comparison.removed), ("Added keys", comparison.added)):
        if keys:
            yield f"{title}:"
            yield from (f"  {key} ({n} times)" for key, n in sorted(keys.items()))
    if comparison.reworded:
        yield "Reworded sentences, one for each key:"
        for key, (before, after) in sorted(comparison.reworded.items()):
            yield f"  {key}\n    old: {before}\n    new: {after}"
    if comparison.differences:
        yield f"{len(comparison.differences)} differences, the first 50:"
        yield from (f"  {line}" for line in comparison.differences[:50])
    else:
        yield "No difference."


def main() -> int:
    """Compare two checkouts and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("old", type=Path, metavar="OLD", help="a checkout")
    parser.add_argument("new", type=Path, metavar="NEW", help="another checkout")
    parser.add_argument("--data", type=Path, help="the real data; default: NEW/../shared/data")
    parser.add_argument(
        "--only", choices=PARTS, action="append", help="only this part; may be repeated"
    )
    parser.add_argument("--model", action="append", help="only this model; may be repeated")
    parser.add_argument(
        "--bootstraps", type=int, default=100, help="bootstrap resamples of each report"
    )
    parser.add_argument("--turns", type=int, default=TURNS, help="paired turns of each time")
    options = parser.parse_args()
    old, new = Release.at(options.old), Release.at(options.new)
    data = (options.data or new.root.parent / "shared" / "data").resolve()
    parts = options.only or PARTS
    models = options.model or list(old.models())
    comparison = Comparison()
    if "weights" in parts:
        weights(old, new, comparison)
    if "classify" in parts:
        classify(old, new, data, comparison, models=models)
    for dataset in ("bigearthnet", "eurosat"):
        if dataset in parts:
            evaluate(
                old, new, data / dataset, comparison, bootstraps=options.bootstraps, models=models
            )
    if "speed" in parts:
        speed(old, new, options.turns)
    print("\n".join(summary_lines(comparison)))
    return 1 if comparison.differences else 0


if __name__ == "__main__":
    sys.exit(main())
