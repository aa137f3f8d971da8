"""Trainings and tests as runs: folders on disk, computed one after another by a detached process.

A run goes on when the browser leaves and when the app's server ends, and is found again.
"""
