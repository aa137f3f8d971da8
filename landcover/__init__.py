"""landcover: which land covers a Sentinel-2 patch shows, and how far to trust the answer."""

__version__ = "0.1.0"
