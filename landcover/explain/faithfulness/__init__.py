"""Measuring whether attribution maps are true of their model."""
