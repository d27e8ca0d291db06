"""Load studies as tensors: intensity and geometry transforms, loading, profiles, preparation and checks."""
