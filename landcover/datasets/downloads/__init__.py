"""Download data sets from their publishers: fetch, check, unpack, and resume.

Nothing here imports torch. :mod:`landcover.datasets.downloads.check` checks which parts of a
data set a folder contains.
"""

from __future__ import annotations

from landcover.datasets.downloads.fetch import RetryPolicy
from landcover.datasets.downloads.job import Outcome, download
from landcover.datasets.downloads.zenodo import SOURCES, Source, source

__all__ = ["SOURCES", "Outcome", "RetryPolicy", "Source", "download", "source"]
