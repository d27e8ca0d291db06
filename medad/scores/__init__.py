"""Anomaly scores, one in each file. A score reads Evidence and gives maps (B, M, H, W), higher is more abnormal.

M is 1, or the number of networks that are judged one by one. A file that starts with "_" holds no score.
"""
