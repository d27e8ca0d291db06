"""Experiments: planned, trained, evaluated, alone or as a grid."""
