"""Training: configuration, loop, loading, augmentation, distributed runs."""
