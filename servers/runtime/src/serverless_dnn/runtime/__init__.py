"""Code shared by the three servers: engines, codecs, predictor, timing.

A request goes ``codec.decode -> Predictor.predict -> codec.encode`` in every server; each server package adds only its
platform's contract.
"""

import time

# What a cold start spends on imports begins here, before anything else of this project is imported.
BEGAN_NS = time.clock_gettime_ns(time.CLOCK_BOOTTIME)

__version__ = "0.1.0"
