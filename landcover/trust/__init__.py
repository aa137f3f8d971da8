"""Whether to trust a prediction: checks of the input, novelty, and the verdict."""
