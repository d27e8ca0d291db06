"""Check a data set: readable files, no image or patient on both sides, the expected split."""
