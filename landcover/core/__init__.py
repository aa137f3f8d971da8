"""What every other package uses: rasters, windows, bands, classes, errors and progress."""
