"""Evaluate models on labelled data, and compare them."""
