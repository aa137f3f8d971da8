"""A real test environment for live imagery: an archive, its web server and its STAC API."""
