"""Maps of areas: plan, imagery, blocks, and the files that are written."""
