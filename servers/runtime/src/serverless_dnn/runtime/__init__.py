"""Code shared by the three servers: engines, codecs, predictor, timing.

A request goes ``codec.decode -> Predictor.predict -> codec.encode`` in every server; each server package adds only its
platform's contract.
"""

__version__ = "0.1.0"
