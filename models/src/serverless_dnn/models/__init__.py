"""The paper's models: build, export, preprocess, postprocess.

Only ``architectures`` and ``export`` import TensorFlow; everything else runs without TensorFlow installed.
"""

__version__ = "0.1.0"
