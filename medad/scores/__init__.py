"""Anomaly scores, one in each file. A score maps Evidence to maps (B, M, H, W); higher is more abnormal.

M is 1, or the number of networks that are evaluated separately. base.py registers no score.
"""
