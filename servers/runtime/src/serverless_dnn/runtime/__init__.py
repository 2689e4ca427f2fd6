"""What the three servers share: engines, codecs, predictor, timing."""

__version__ = "0.1.0"
