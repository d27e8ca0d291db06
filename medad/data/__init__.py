"""Studies -> tensors: transforms and their inverse, loading, splits, datasets."""
