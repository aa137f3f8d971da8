"""Change between two dates, and series of many."""
