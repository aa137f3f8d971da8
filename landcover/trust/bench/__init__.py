"""Fit the bounds of the verdict and measure its error rates."""
