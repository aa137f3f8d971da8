"""Fitting the verdict's bounds and measuring how often it is right."""
