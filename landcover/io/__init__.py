"""Reading Sentinel-2 files in any layout, and writing rasters."""
