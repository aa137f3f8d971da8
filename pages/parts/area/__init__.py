"""Components of the Area page."""
