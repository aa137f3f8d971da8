"""Scripts that made the ablation tables of docs/ablation.md; the package does not use them."""
