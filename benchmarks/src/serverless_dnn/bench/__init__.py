"""Measures one model on the three degrees of serverless customization."""

__version__ = "0.1.0"
