"""Whether to trust a prediction: checks, novelty and the verdict."""
