"""Finding Sentinel-2 scenes in STAC catalogues and reading a window of them."""
