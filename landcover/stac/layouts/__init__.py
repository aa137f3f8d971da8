"""Layouts of scenes on a disk: each module reads one layout as :class:`FoundScene` values."""
