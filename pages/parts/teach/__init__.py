"""Components of the Teach page."""
