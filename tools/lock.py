"""Write the lock files: each package the app needs, with its release and the hashes of its files.

``requirements.lock`` has everything but torch, for every platform, and is installed with
``pip install --no-deps --require-hashes -r requirements.lock``. ``requirements-torch.lock`` has
torch alone, without hashes: its builds for CPU and for each release of CUDA have the same version
but other files, and which one is right depends on the machine. The packages of CUDA that the build
on PyPI asks for belong to that build, so they are left out.

Releases that are locked stay until ``requirements.txt`` or ``--upgrade`` changes them.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
LOCK: Final = ROOT / "requirements.lock"
TORCH_LOCK: Final = ROOT / "requirements-torch.lock"
OF_TORCH: Final = re.compile(r"(torch|triton|cuda-[\w-]+|nvidia-[\w-]+)==")
"""Start of the entries that belong to a build of torch."""
HEADER: Final = """\
# Written by `make lock` from requirements.txt and requirements-basemap.txt; do not edit.
# Install: pip install --no-deps --require-hashes -r requirements.lock
# torch is in requirements-torch.lock, because its builds for CPU and CUDA have other hashes.
"""
TORCH_HEADER: Final = """\
# Written by `make lock` from requirements.txt; do not edit.
# No hash: the builds for CPU and for each release of CUDA have this version but other files.
# Install what suits the machine; with --index-url https://download.pytorch.org/whl/cpu it is the
# build for CPU: pip install --no-deps -r requirements-torch.lock
"""


def main() -> int:
    """Write both files; the exit status is 1 if ``--check`` finds that they are not up to date."""
    parser = argparse.ArgumentParser(description="Write requirements.lock with hashes")
    parser.add_argument("--uv", default="uv", help="the program uv")
    parser.add_argument("--upgrade", action="store_true", help="take the newest releases")
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if outdated")
    options = parser.parse_args()
    app = _compiled(options.uv, "requirements.txt", upgrade=options.upgrade)
    basemap = _compiled(options.uv, "requirements-basemap.txt", "--no-deps")
    wanted = {
        LOCK: HEADER + "".join(e for e in (*app, *basemap) if not OF_TORCH.match(e)),
        TORCH_LOCK: TORCH_HEADER + "".join(_first_line(e) for e in app if e.startswith("torch==")),
    }
    outdated = [p for p, text in wanted.items() if not p.is_file() or p.read_text("utf-8") != text]
    names = ", ".join(path.name for path in outdated)
    if options.check:
        print(f"Not up to date: {names}. Run `make lock`." if names else "The lock is up to date.")
        return 1 if outdated else 0
    for path in outdated:
        path.write_text(wanted[path], encoding="utf-8")
    print(f"Written: {names}" if names else "Nothing has changed.")
    return 0


def entries(text: str) -> list[str]:
    """Split a lock into its entries: a requirement, its hashes and why it is there."""
    found: list[str] = []
    for line in text.splitlines(keepends=True):
        if line[:1] not in " #\n":
            found.append(line)
        elif found and line.startswith(" "):
            found[-1] += line
    return found


def _compiled(uv: str, source: str, *options: str, upgrade: bool = False) -> list[str]:
    """Resolve a requirements file for all platforms, preferring the releases locked before."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "lock"
        if not upgrade:
            known = [path.read_text("utf-8") for path in (LOCK, TORCH_LOCK) if path.is_file()]
            out.write_text("".join(known), encoding="utf-8")
        command = [
            *(uv, "pip", "compile", "--quiet", "--universal", "--python-version", "3.11"),
            *("--generate-hashes", "--no-header", "--no-config", *options),
            *(source, "--output-file", str(out)),
        ]
        done = subprocess.run(command, cwd=ROOT, check=False)
        if done.returncode:
            sys.exit(done.returncode)
        return entries(out.read_text("utf-8"))


def _first_line(entry: str) -> str:
    return entry.splitlines()[0].removesuffix("\\").strip() + "\n"


if __name__ == "__main__":
    sys.exit(main())
