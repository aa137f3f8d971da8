"""Look the locked packages up among known vulnerabilities: ``make audit``.

Exit status 0: none is known, or the service cannot be reached (a sentence says so). 1: one is known
(each is listed). With ``--online`` a service that cannot be reached is a failure as well, so that a
check in CI never passes because it checked nothing.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parent.parent))

from tools.lock import LOCK, TORCH_LOCK, entries

SERVICES: Final = ("pypi", "osv")
"""Services of pip-audit, both with the advisories of the Python Packaging Authority; the second is
asked about what the first does not know."""


def main() -> int:
    """Audit all releases in the lock files and print what is known."""
    parser = argparse.ArgumentParser(description="Look up known vulnerabilities")
    parser.add_argument("--online", action="store_true", help="fail where no service is reached")
    online = bool(parser.parse_args().online)
    left = releases()
    known: list[str] = []
    total = len(left)
    for service in SERVICES:
        found, left = verdict(left, _asked(service, left))
        known += found
        if not left:
            break
    for line in known:
        print(line)
    if left:
        print(
            f"{len(left)} of {total} packages could not be looked up, because no advisory service "
            "could be reached: run this again with internet.",
            file=sys.stderr,
        )
    else:
        print(f"{total} packages were looked up; {len(known) or 'no'} vulnerabilities are known.")
    return 1 if known or (left and online) else 0


def releases() -> list[str]:
    """Every locked release, ``name==version``, of all platforms."""
    text = LOCK.read_text("utf-8") + TORCH_LOCK.read_text("utf-8")
    return sorted({entry.split()[0] for entry in entries(text)})


def verdict(asked: Iterable[str], answer: Any) -> tuple[list[str], list[str]]:  # noqa: ANN401 - JSON
    """Return a line for each known vulnerability, and the releases that were not looked up.

    pip-audit only skips a package that its service does not know, and then still reports that no
    vulnerability was found. So what it did not look up has to be counted here.
    """
    known, looked_up = [], set()
    for each in answer.get("dependencies", ()):
        if "version" not in each:
            continue
        release = f"{each['name']}=={each['version']}"
        looked_up.add(release)
        for flaw in each.get("vulns", ()):
            fixed = ", ".join(flaw.get("fix_versions", ())) or "no release yet"
            known.append(f"{release}: {flaw['id']}; fixed in {fixed}")
    return known, [release for release in asked if release not in looked_up]


def _asked(service: str, wanted: list[str]) -> Any:  # noqa: ANN401 - JSON
    """What pip-audit says about releases; two releases of a package are asked for one by one."""
    merged: dict[str, list[Any]] = {"dependencies": []}
    rounds: list[dict[str, str]] = []
    for release in wanted:
        name = release.split("==")[0]
        target = next((r for r in rounds if name not in r), None)
        if target is None:
            rounds.append(target := {})
        target[name] = release
    for chosen in rounds:
        with tempfile.TemporaryDirectory() as folder:
            listed = Path(folder) / "requirements.txt"
            listed.write_text("\n".join(chosen.values()), encoding="utf-8")
            command = [
                *(sys.executable, "-m", "pip_audit", "--requirement", str(listed), "--no-deps"),
                *("--disable-pip", "--progress-spinner", "off", "--format", "json"),
                *("--vulnerability-service", service, "--desc", "off"),
            ]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        try:
            merged["dependencies"] += json.loads(done.stdout)["dependencies"]
        except (ValueError, KeyError):
            continue  # no answer at all: nothing was looked up
    return merged


if __name__ == "__main__":
    sys.exit(main())
