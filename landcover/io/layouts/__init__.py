"""Layouts of scenes in folders and zips: SAFE products, band files, patches, stacks, pictures."""
