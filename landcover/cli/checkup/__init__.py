"""What ``landcover doctor`` checks: each part is imported by its check, so that it fails alone."""
