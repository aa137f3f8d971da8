"""Predictions and explanations as JSON, text, CSV and pictures."""
