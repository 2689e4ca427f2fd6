"""The four models of the paper: build, export, prepare inputs, read outputs."""

__version__ = "0.1.0"
