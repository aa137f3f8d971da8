"""Test that no tracked file holds a secret, and that one would be found."""

from __future__ import annotations

import hashlib
import json

import pytest

from tests.conftest import ROOT
from tools import secret_scan

KEY = "AKIA" + "IOSFODNN7EXAMQLE"
HASH = hashlib.sha256(b"an example").hexdigest()


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs the list of tracked files")
def test_the_repository_holds_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    assert secret_scan.main() == 0, capsys.readouterr().out


def test_each_known_string_has_a_reason() -> None:
    rows = json.loads(secret_scan.KNOWN.read_text("utf-8"))
    assert all(len(row["why"]) > 20 for row in rows)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.py", f'x = "{KEY}"'),
        ("a.py", f'value = "{HASH}"'),
        ("a.py", "pass" + 'word = "hunter2-hunter2"'),
        ("docs/a.md", f"use {KEY} here"),
        ("deploy/compose.yml", "DB_PASS" + "WORD: hunter2-hunter2"),
        ("key.pem", "-----BEGIN RSA " + "PRIVATE KEY-----"),
        ("a.sh", "curl https://me:" + "hunter2@example.org/"),
        ("a.toml", "ghp" + "_" + "wWPw5k4aXcaT4fNP0U" + "cnZwJUVFk6LO0pINUx"),
    ],
)  # fmt: skip
def test_a_secret_is_found_in_its_file_and_line(name: str, text: str) -> None:
    lines = ["nothing here", "", text, "nor here"]
    found = secret_scan.findings([(name, "\n".join(lines)), ("other.py", "import os")])
    assert {(each.file, each.line) for each in found} == {(name, 3)}


def test_plain_code_and_prose_are_no_secrets() -> None:
    files = [
        ("a.py", "token = next(tokens)\npassword = os.environ['PASSWORD']"),
        ("a.md", "Give the user name and the password on the command line."),
    ]
    assert secret_scan.findings(files) == []
