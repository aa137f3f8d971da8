"""Corrections of a model's answers, and models that are adapted to them."""
