"""Measuring models on labelled data, and comparing them."""
