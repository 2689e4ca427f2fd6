"""Measures one model on a function, a special-purpose endpoint and a container: end to end, compute, cold start."""

__version__ = "0.1.0"
