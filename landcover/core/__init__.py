"""Values and facts that every other package uses: rasters, bands, classes, errors, progress."""
