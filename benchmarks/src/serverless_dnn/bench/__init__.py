"""Benchmarks one model on a function, a special-purpose endpoint and a container: latency, compute, cold start."""

__version__ = "0.1.0"
