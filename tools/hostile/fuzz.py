"""Search for input that our parsers do not withstand: ``make fuzz SECONDS=600``.

Each target of :mod:`tools.hostile.fuzz_targets` has a process of its own, in which atheris
(libFuzzer) changes files of the corpus wherever that reaches new branches of our code. What is
found is kept in ``build/fuzz/<target>/found``, one file for each place in the code that raised.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from landcover.core.errors import LandcoverError

ROOT: Final = Path(__file__).parents[2]
OUT: Final = ROOT / "build" / "fuzz"
SEEDS: Final = 300
"""Files of the corpus that a target begins with."""
LARGEST: Final = 150_000
"""Bytes of the largest file."""
SLOWEST: Final = 30
"""Seconds for one input, on a clock that other programs slow down; the corpus measures 5 s."""


def main() -> int:
    """Fuzz all targets, or those that are named; the exit status is 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tools.hostile.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", help="default: all")
    parser.add_argument("--seconds", type=int, default=600, help="of all targets together")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not installed here (it needs Linux and Python 3.11 to 3.13): no fuzzing.")
        return 0
    if options.inside:
        _fuzz(options.targets[0], options.seconds)
    from tools.hostile.fuzz_targets import TARGETS  # noqa: PLC0415 - not before instrumenting

    chosen = options.targets or list(TARGETS)
    if unknown := set(chosen) - set(TARGETS):
        parser.error(f"no target {', '.join(unknown)}; there are {', '.join(TARGETS)}")
    found = 0
    for target in chosen:
        found += _in_process(target, options.seconds // len(chosen))
    return int(found > 0)


def _in_process(target: str, seconds: int) -> int:
    """Fuzz a target; returns how many faults it has."""
    folder = OUT / target
    (folder / "found").mkdir(parents=True, exist_ok=True)
    _write_seeds(target, folder / "seeds")
    command = [sys.executable, "-m", "tools.hostile.fuzz", "--inside", "--seconds", str(seconds)]
    with (folder / "log").open("w") as log:
        subprocess.run([*command, target], cwd=ROOT, stdout=log, stderr=log, check=False)
    lines = (folder / "log").read_text(errors="replace").splitlines()
    last = next((line for line in reversed(lines) if "cov:" in line), "it did not start")
    faults = sorted((folder / "found").iterdir())
    print(f"{target}: {len(faults)} found; {' '.join(last.split())}", flush=True)
    for path in faults:
        print(f"  {path.relative_to(ROOT)}", flush=True)
    return len(faults)


def _write_seeds(target: str, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for data in _seeds(target):
        if len(data) <= LARGEST:
            (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)


def _seeds(target: str) -> Iterator[bytes]:
    from tools.hostile import corpus  # noqa: PLC0415 - only the parent process needs it
    from tools.hostile.corpus import seeds  # noqa: PLC0415
    from tools.hostile.corpus.case import Place, sampled  # noqa: PLC0415
    from tools.hostile.fuzz_targets import SEED_KINDS  # noqa: PLC0415

    files = seeds.safe_files()
    if target == "safe":
        yield from (data for name, data in files.items() if name.endswith(".xml"))
    elif target == "texts":
        yield "\n".join((*files, "48.2,16.3", "sur_refl_b01", "B8A_20m", "nir08 (865 nm)")).encode()
    elif target == "sidecar":
        yield (
            b'<PAMDataset><PAMRasterBand band="1"><Description>B02</Description><Metadata>'
            b'<MDI key="name">B02</MDI></Metadata></PAMRasterBand></PAMDataset>'
        )
    kinds = SEED_KINDS.get(target, ())
    cases = [case for case in corpus.cases() if kinds and case.kind.startswith(kinds)]
    for case in sampled(cases, max(1, SEEDS // max(1, len({case.kind for case in cases})))):
        with tempfile.TemporaryDirectory() as where:
            folder = Path(where)
            case.make(Place(folder=folder, canary=folder, url="http://127.0.0.1:12345"))
            yield from (path.read_bytes() for path in folder.iterdir() if path.is_file())


def _fuzz(target: str, seconds: int) -> None:
    """Fuzz in this process, which libFuzzer ends."""
    import atheris  # noqa: PLC0415 - in its own environment

    with atheris.instrument_imports(include=["landcover"]):
        from tools.hostile.fuzz_targets import TARGETS, once  # noqa: PLC0415

    folder = OUT / target
    seen: set[str] = set()

    def test_one(data: bytes) -> None:
        try:
            once(TARGETS[target], data)
        except Exception as error:  # noqa: BLE001 - whatever escapes is what is looked for
            _keep(folder / "found", data, error, seen)

    _tried(TARGETS[target])
    flags = [
        f"-max_total_time={seconds}",
        f"-max_len={LARGEST}",
        f"-timeout={SLOWEST}",
        "-rss_limit_mb=3000",
        f"-artifact_prefix={folder / 'found'}/",
        "-print_final_stats=1",
    ]
    (folder / "corpus").mkdir(exist_ok=True)
    atheris.Setup(["fuzz", *flags, str(folder / "corpus"), str(folder / "seeds")], test_one)
    atheris.Fuzz()


def _tried(target: Callable[[bytes], object]) -> None:
    """Import what a target imports when it is called."""
    with suppress(LandcoverError):
        target(b"{}")


def _keep(folder: Path, data: bytes, error: Exception, seen: set[str]) -> None:
    """Keep an input, unless another one raised at the same place."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "landcover/" in f.filename]
    where = f"{Path(frames[-1].filename).stem}-{frames[-1].lineno}" if frames else "outside"
    name = f"{type(error).__name__}-{where}"
    if name not in seen:
        seen.add(name)
        (folder / name).write_bytes(data)
        traceback.print_exception(error)


if __name__ == "__main__":
    sys.exit(main())
