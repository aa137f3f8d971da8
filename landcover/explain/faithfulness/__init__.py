"""Measurement of the faithfulness of attribution maps to their model."""
