"""Components of the Classes page."""
