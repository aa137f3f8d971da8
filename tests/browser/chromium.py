"""Which Chromium drives the browser tests and the benchmark of the start, and how."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

ON_THE_PATH: Final = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS: Final = [
    "--no-sandbox",  # a sandbox cannot be made as root, which containers run as
    "--disable-gpu",
    "--disable-dev-shm-usage",  # containers have little shared memory
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--disable-sync",
    "--no-default-browser-check",
    "--no-first-run",
]


def executable() -> str | None:
    """Path of a browser: named by LANDCOVER_CHROMIUM, on the PATH, else None.

    None lets Playwright take its own, if it has one.
    """
    if named := os.environ.get("LANDCOVER_CHROMIUM"):
        return named
    return next((path for name in ON_THE_PATH if (path := shutil.which(name))), None)


def installed(own: str) -> bool:
    """Whether there is a browser at all; ``own`` is the path of Playwright's."""
    return executable() is not None or Path(own).is_file()
