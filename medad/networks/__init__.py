"""Reconstruction networks, one in each file. A network is built from (channels, size) and returns a Reconstruction.

Files whose names start with "_", and base.py, register no network.
"""
