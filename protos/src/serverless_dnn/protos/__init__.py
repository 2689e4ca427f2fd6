"""TensorFlow Serving's messages under a name of their own, and the one numpy tensor codec."""

__version__ = "0.1.0"
