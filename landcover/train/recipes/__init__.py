"""From a labelled data set to a finished model folder, one recipe a model."""
