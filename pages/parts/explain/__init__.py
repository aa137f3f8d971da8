"""Components of the Explain page."""
