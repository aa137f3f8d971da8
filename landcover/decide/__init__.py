"""From raw scores to decisions: calibration and conformal sets."""
