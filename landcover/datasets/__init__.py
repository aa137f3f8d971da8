"""Labelled data sets: where patches with known covers come from."""
