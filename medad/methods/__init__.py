"""Methods, one in each file: each learns from a TrainingSet and scores images.

Files whose names start with "_", base.py and batching.py register no method.
"""
