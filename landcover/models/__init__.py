"""Models: a net with its card, loaded from the registry."""
