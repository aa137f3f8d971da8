"""Why a model predicts what it predicts: attribution, bands, neighbours, what-if."""
