"""The paper's models: build them, export them, prepare their inputs, read their outputs.

Only ``architectures`` and ``export`` import TensorFlow; everything else runs where TensorFlow is not installed.
"""

__version__ = "0.1.0"
