"""Scripts behind the ablation table of docs/model.md; nothing in the package needs them."""
