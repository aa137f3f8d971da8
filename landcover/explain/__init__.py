"""Explanations of predictions: attribution, band evidence, similar patches and what-if changes."""
