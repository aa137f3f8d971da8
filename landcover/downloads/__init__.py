"""Data sets from where their authors publish them: fetched, checked, unpacked, and gone on with.

Nothing here imports torch. :mod:`landcover.downloads.check` says what a folder has of a data set.
"""

from __future__ import annotations

from landcover.downloads.fetch import Patience
from landcover.downloads.job import Outcome, download
from landcover.downloads.sources import SOURCES, Source, source

__all__ = ["SOURCES", "Outcome", "Patience", "Source", "download", "source"]
