"""HTTP with a list of allowed hosts and deadlines, and a cache of bytes on disk."""
