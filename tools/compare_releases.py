"""Show that two checkouts of landcover give the same answers: ``compare_releases.py OLD NEW``.

Both are asked through what they promise, the command line and its JSON, so that nothing of their
insides has to agree. Compared are the SHA-256 of all shipped weights and the card hashes, the JSON
of ``evaluate`` and ``classify`` for every model, and how long the start and one warm patch take.
A value that differs, a key that is gone and a source that no longer works are differences, and
the exit status is 1. Keys that are new, sources that work only now and sentences in other words
are listed, but are none.
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
MEASURED_ANEW: Final = ("speed", "date", "landcover")
"""Keys of a report that differ from run to run: times, the day, the version."""
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
    """A checkout whose command line can be asked."""

    root: Path
    entry: str

    @classmethod
    def at(cls, root: Path) -> Release:
        """The checkout in a folder; its ``pyproject.toml`` names the entry point."""
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

    def ask(self, *arguments: str) -> tuple[str, str, int]:
        """Standard output, errors and exit status of one command."""
        with self.start(*arguments) as process:
            out, errors = process.communicate(timeout=TIMEOUT_S)
        return out, errors, process.returncode

    def models(self) -> dict[str, str]:
        """The card hash of each shipped model."""
        out, errors, status = self.ask("models", "--json")
        if status:
            raise SystemExit(f"{self.root}: `landcover models` failed: {errors.strip()}")
        return {row["name"]: row["card_hash"] for row in json.loads(out)}


@dataclass
class Findings:
    """What was compared and what differs."""

    rows: list[tuple[str, str, str]] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    added: Counter[str] = field(default_factory=Counter)
    removed: Counter[str] = field(default_factory=Counter)
    reworded: dict[str, tuple[str, str]] = field(default_factory=dict)

    def row(self, part: str, what: str, before: int) -> None:
        """One line of the table; ``before`` is how many differences there were before it."""
        new = len(self.differences) - before
        self.rows.append((part, what, "equal" if not new else f"{new} DIFFERENCES"))
        print(f"{part:14} {what:64} {self.rows[-1][2]}", flush=True)

    def compare(self, where: str, old: object, new: object, path: str = "") -> None:
        """Compare two JSON values, key by key and to the last digit."""
        if isinstance(old, dict) and isinstance(new, dict):
            for key in old.keys() - new.keys():
                self.removed[general(f"{path}/{key}")] += 1
                self.differences.append(f"{where}: {path}/{key} is gone")
            for key in new.keys() - old.keys():
                self.added[general(f"{path}/{key}")] += 1
            for key in old.keys() & new.keys():
                self.compare(where, old[key], new[key], f"{path}/{key}")
        elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
            for i, (before, after) in enumerate(zip(old, new, strict=True)):
                self.compare(where, before, after, f"{path}/{i}")
        elif old != new:
            if is_sentence(old) and is_sentence(new):
                self.reworded[general(path)] = (str(old), str(new))
            else:
                self.differences.append(f"{where}: {path}: {short(old)} is now {short(new)}")


def general(path: str) -> str:
    """A path of keys without the numbers of list elements."""
    return "/".join("*" if part.isdigit() else part for part in path.split("/"))


def is_sentence(value: object) -> bool:
    """Whether a value is written for people: several words that end as a sentence does."""
    return isinstance(value, str) and value.count(" ") > 1 and value.endswith((".", ":", "?"))


def short(value: object) -> str:
    """A value in at most 80 characters."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:79] + "…"


def exactly(text: str) -> Json:
    """A JSON object whose numbers stay the text that was printed."""
    record: Json = json.loads(text, parse_float=str)
    return record


def weights(old: Release, new: Release, found: Findings) -> None:
    """Compare the hashes of all weights and cards."""
    before = len(found.differences)
    hashes = weight_hashes(old.root / "landcover"), weight_hashes(new.root / "landcover")
    found.compare("weights", *hashes)
    found.row("weights", f"SHA-256 of {len(hashes[0])} files", before)
    before = len(found.differences)
    cards = old.models(), new.models()
    found.compare("card hashes", *cards)
    found.row("card hashes", f"{len(cards[0])} models", before)


def weight_hashes(package: Path) -> dict[str, str]:
    """SHA-256 of each file of weights by its path below the package's models."""
    files = sorted(package.rglob("*.safetensors"))
    return {
        str(path.relative_to(package)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def classify(
    old: Release, new: Release, data: Path, found: Findings, *, models: Sequence[str]
) -> None:
    """Compare what some models say of the samples, the scenes and some pictures."""
    scenes = sorted(map(str, (data / "scenes").rglob("*.tif")))
    with tempfile.TemporaryDirectory() as folder:
        pictures = some_pictures(data / "eurosat" / "EuroSAT_RGB.zip", Path(folder))
        for model in models:
            before = len(found.differences)
            sources = [*SAMPLES, *scenes, *pictures]
            answers = answers_of(old, model, sources), answers_of(new, model, sources)
            now = answers[1].keys() - answers[0].keys()
            for source in now:
                del answers[1][source]
            found.compare(f"classify --model {model}", *answers)
            said = f"{model}: {len(answers[0])} of {len(sources)} sources"
            found.row("classify", said + f", {len(now)} work only now" * bool(now), before)


def some_pictures(archive: Path, folder: Path) -> list[str]:
    """One picture of each EuroSAT class, unpacked."""
    with zipfile.ZipFile(archive) as pictures:
        names = [name for name in pictures.namelist() if name.endswith("_1.jpg")]
        return [pictures.extract(name, folder) for name in sorted(names)]


def answers_of(release: Release, model: str, sources: list[str]) -> Json:
    """The record of each source that the model could classify."""
    out, errors, status = release.ask("classify", *sources, "--model", model, "--json")
    if status not in {0, 1, 2} or "Traceback" in errors:
        raise SystemExit(f"{release.root}: classify --model {model} failed:\n{errors}")
    records = [exactly(line) for line in out.splitlines()]
    return {record["source"]: without_numbers_of_run(record) for record in records}


def without_numbers_of_run(record: Json) -> Json:
    """The record without what differs from run to run."""
    return {key: value for key, value in record.items() if key not in MEASURED_ANEW}


def evaluate(
    old: Release,
    new: Release,
    root: Path,
    found: Findings,
    *,
    bootstraps: int,
    models: Sequence[str],
) -> None:
    """Compare the reports of those models that the old release can measure on a data set.

    The folder of the data set has the name that ``--dataset`` takes.
    """
    dataset = root.name
    options = ("--dataset", dataset, "--split", "test", "--json", "--bootstraps", str(bootstraps))
    for model in models:
        before = len(found.differences)
        reports = [report_of(release, root, model, options) for release in (old, new)]
        if reports[0] is None:
            found.rows.append(("evaluate", f"{model} on {dataset}", "not made for it"))
            continue
        found.compare(f"evaluate {dataset} --model {model}", reports[0], reports[1])
        found.row(
            "evaluate", f"{model} on {dataset}: {sum(map(count, reports[:1]))} values", before
        )


def report_of(release: Release, root: Path, model: str, options: tuple[str, ...]) -> Json | None:
    """What ``evaluate`` prints of a model; None where the model was not made for the data."""
    out, errors, status = release.ask("evaluate", str(root), "--model", model, *options)
    if status not in {0, 2} or "Traceback" in errors:
        raise SystemExit(f"{release.root}: evaluate --model {model} failed:\n{errors}")
    return None if status else without_numbers_of_run(exactly(out))


def count(value: object) -> int:
    """How many single values a JSON value holds."""
    if isinstance(value, dict):
        return sum(map(count, value.values()))
    return sum(map(count, value)) if isinstance(value, list) else 1


def speed(old: Release, new: Release, turns: int) -> None:
    """Print how long the start and one warm patch take, old and new in turns."""
    measures: dict[str, Callable[[Release], float]] = {
        "landcover --help": seconds_to_help,
        "one more patch, warm": seconds_of_a_warm_patch,
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
    """Seconds of a process that prints the help."""
    start = time.perf_counter()
    release.ask("--help")
    return time.perf_counter() - start


def seconds_of_a_warm_patch(release: Release) -> float:
    """Median seconds between two answers of a process that classifies one sample again and again.

    Reading the sample and its verdict are part of them; loading the model is not.
    """
    with release.start("classify", *[SAMPLES[1]] * WARM_PATCHES, "--json") as process:
        assert process.stdout is not None
        moments = [time.perf_counter() for _ in process.stdout]
    waits = [after - before for before, after in itertools.pairwise(moments)]
    return statistics.median(waits[2:])


def lines_of(found: Findings) -> Iterator[str]:
    """What differs, in words."""
    for title, keys in (("Removed keys", found.removed), ("Added keys", found.added)):
        if keys:
            yield f"{title}:"
            yield from (f"  {key} ({n} times)" for key, n in sorted(keys.items()))
    if found.reworded:
        yield "Sentences in other words, one of each:"
        for key, (before, after) in sorted(found.reworded.items()):
            yield f"  {key}\n    old: {before}\n    new: {after}"
    if found.differences:
        yield f"{len(found.differences)} differences, the first 50:"
        yield from (f"  {line}" for line in found.differences[:50])
    else:
        yield "No difference."


def main() -> int:
    """Compare two checkouts and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("old", type=Path, metavar="OLD", help="a checkout")
    parser.add_argument("new", type=Path, metavar="NEW", help="another one")
    parser.add_argument("--data", type=Path, help="the real data; default: NEW/../shared/data")
    parser.add_argument("--only", choices=PARTS, action="append", help="one part; may be repeated")
    parser.add_argument("--model", action="append", help="one model; may be repeated; else all")
    parser.add_argument("--bootstraps", type=int, default=100, help="resamples of each report")
    parser.add_argument("--turns", type=int, default=TURNS, help="paired turns of each speed")
    options = parser.parse_args()
    old, new = Release.at(options.old), Release.at(options.new)
    data = (options.data or new.root.parent / "shared" / "data").resolve()
    parts = options.only or PARTS
    models = options.model or list(old.models())
    found = Findings()
    if "weights" in parts:
        weights(old, new, found)
    if "classify" in parts:
        classify(old, new, data, found, models=models)
    for dataset in ("bigearthnet", "eurosat"):
        if dataset in parts:
            evaluate(old, new, data / dataset, found, bootstraps=options.bootstraps, models=models)
    if "speed" in parts:
        speed(old, new, options.turns)
    print("\n".join(lines_of(found)))
    return 1 if found.differences else 0


if __name__ == "__main__":
    sys.exit(main())
