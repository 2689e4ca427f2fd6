"""What the three servers share: engines, codecs, predictor, timing.

A request goes ``codec.decode -> Predictor.predict -> codec.encode`` in every server; a server package adds only its
platform's contract.
"""

__version__ = "0.1.0"
