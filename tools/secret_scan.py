"""Search the tracked text files for passwords, keys and tokens: a part of ``make test``.

detect-secrets looks at each line with some thirty patterns, which takes a minute for all files. So
a broad pattern picks the lines that could hold a secret first, and detect-secrets looks at those.

``tools/not_secrets.json`` lists what was found and is no secret, with the reason for each.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.settings import default_settings

ROOT: Final = Path(__file__).parent.parent
KNOWN: Final = ROOT / "tools" / "not_secrets.json"
SKIPPED: Final = re.compile(
    r".*\.(lock|png|parquet|safetensors|gz|xz|webp|csv|svg)"  # data, and hashes of packages
    r"|landcover/zoo/.*\.json"  # hashes of weights and patches
    r"|static/(vendor/.*|map/lines\.json)"  # libraries of others; coastlines
    r"|tools/not_secrets\.json"
)
SUSPECT: Final = re.compile(
    r"pass(word|wd|phrase)|secret|credential|(api|auth|access|private).?key|token"
    r"|://[^/\s'\"]+:[^/\s'\"]*@"  # user:password@host
    r"|(?=[\w+/=-]*\d)[\w+/=-]{16,}",  # long, with a digit
    re.IGNORECASE,
)
QUOTED: Final = {".py", ".json", ".js"}
"""Suffixes of languages in which a value is quoted, unlike in YAML or a shell."""


@dataclass(frozen=True, order=True)
class Finding:
    """A string that looks like a secret.

    Attributes:
        file: the path in the repository.
        kind: what it looks like.
        digest: SHA-1 of the string, which is not shown.
        line: number of its line.
    """

    file: str
    kind: str
    digest: str
    line: int


def main() -> int:
    """Print each new finding; the exit status is 1 if there are any."""
    known = {(row["file"], row["kind"], row["digest"]) for row in json.loads(KNOWN.read_text())}
    found = findings(tracked())
    new = [each for each in found if (each.file, each.kind, each.digest) not in known]
    for each in new:
        print(f"{each.file}:{each.line}: {each.kind}, SHA-1 {each.digest}")
    stale = known - {(each.file, each.kind, each.digest) for each in found}
    for file, kind, _ in sorted(stale):
        print(f"{file}: no {kind} is there any more: remove its row from {KNOWN.name}.")
    if new:
        print(
            "Revoke what is a secret, since it stays in the history. What is none gets a row with "
            f"its reason in {KNOWN.relative_to(ROOT)}."
        )
    return 1 if new or stale else 0


def tracked(root: Path = ROOT) -> Iterator[tuple[str, str]]:
    """Path and text of each tracked file, and of each new one that Git does not ignore."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    for name in sorted(set(filter(None, done.stdout.split("\0")))):
        if not SKIPPED.fullmatch(name) and (root / name).is_file():
            try:
                yield name, (root / name).read_text("utf-8")
            except UnicodeDecodeError:
                continue  # not a text


def findings(files: Iterable[tuple[str, str]]) -> list[Finding]:
    """What looks like a secret in files, given as pairs of path and text."""
    kinds: dict[str, list[tuple[str, int, str]]] = {"quoted.py": [], "plain.txt": []}
    for name, text in files:
        group = kinds["quoted.py" if Path(name).suffix in QUOTED else "plain.txt"]
        lines = enumerate(text.splitlines(), 1)
        group.extend((name, number, line) for number, line in lines if SUSPECT.search(line))
    found = []
    with tempfile.TemporaryDirectory() as folder, default_settings():
        for group_name, group in kinds.items():
            (Path(folder) / group_name).write_text(
                "\n".join(line for _, _, line in group), encoding="utf-8"
            )
            secrets = SecretsCollection(root=folder)
            secrets.scan_file(group_name)
            for _, secret in secrets:
                file, number, _ = group[secret.line_number - 1]
                found.append(Finding(file, secret.type, secret.secret_hash, number))
    return sorted(found)


if __name__ == "__main__":
    sys.exit(main())
