"""Recipes that train a model on a labelled data set and write its folder."""
