"""Tests of landcover.datasets.overview."""
