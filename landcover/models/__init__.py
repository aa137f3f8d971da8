"""Model folders: the net with its card, the registry of models, and prediction."""
