"""A model as one file to download: card, weights and reports."""

from __future__ import annotations

from landcover.core import files
from landcover.models import registry, store

__all__ = ["content", "file_name"]


def content(model: str) -> bytes:
    """Return the archive that the command line exports; made when it is asked for.

    Raises:
        LandcoverError: there is no such model, or it is damaged.
    """
    with files.scratch() as folder:
        path = folder / "model.zip"
        store.export_archive(registry.default(), model, path)
        return path.read_bytes()


def file_name(model: str) -> str:
    """Return a name for the file; names of published models have a colon."""
    return f"{model.replace(':', '-')}.zip"
