"""Checks that hostile files, many users and kills do no harm: ``make hostile``."""
