"""How scenes lie on a disk: each module turns one layout into :class:`FoundScene` values."""
