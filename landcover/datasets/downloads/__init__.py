"""Data sets from where their authors publish them: fetched, checked, unpacked, and gone on with.

Nothing here imports torch. :mod:`landcover.datasets.downloads.check` says what a folder has of a
data set.
"""

from __future__ import annotations

from landcover.datasets.downloads.fetch import RetryPolicy
from landcover.datasets.downloads.job import Outcome, download
from landcover.datasets.downloads.zenodo import SOURCES, Source, source

__all__ = ["SOURCES", "Outcome", "RetryPolicy", "Source", "download", "source"]
