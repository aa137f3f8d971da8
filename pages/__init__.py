"""The pages of the app, one file each, and the parts that they are made of."""
