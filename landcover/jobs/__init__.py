"""Queued work that outlives a click: who goes first, how long it takes, how it is stopped."""
