"""A grid of experiments: datasets x methods x networks x seeds; what is finished is not run again.

grid.py finds out what is to do and collects the rows, without importing anything heavy; running.py has it done, by
cells.py on this machine or by on_ray.py on a cluster.
"""
