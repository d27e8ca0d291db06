"""Reconstruction networks, one in each file. A network is built by (channels, size) and returns a Reconstruction.

A file that starts with "_" holds no network.
"""
