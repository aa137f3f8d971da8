"""HTTP within an allow-list and deadlines, and a cache of bytes on disk."""
