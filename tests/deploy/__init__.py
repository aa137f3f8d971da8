"""The files in deploy/ and the Containerfile do what they say, tried for real."""
