"""What the Containerfile says of the final image, so that tests run the app with the same settings."""

from __future__ import annotations

import json
import re

from tests.conftest import ROOT


def text() -> str:
    """The last stage, with its continued lines joined."""
    stages = (ROOT / "Containerfile").read_text("utf-8").split("\nFROM ")
    return stages[-1].replace("\\\n", " ")


def command() -> list[str]:
    """The command of the image."""
    found = re.search(r"^CMD (\[.*\])$", text(), re.MULTILINE)
    assert found
    return [str(word) for word in json.loads(found[1])]


def variables() -> dict[str, str]:
    """The environment of the image, without the paths of its packages."""
    found = re.search(r"^ENV (.*)$", text(), re.MULTILINE)
    assert found
    pairs = (pair.split("=", maxsplit=1) for pair in found[1].split())
    return {name: value for name, value in pairs if name not in {"PATH", "PYTHONPATH"}}
