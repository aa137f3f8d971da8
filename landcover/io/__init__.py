"""Reading Sentinel-2 files of any layout, and writing rasters."""
