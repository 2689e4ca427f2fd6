"""A TensorFlow SavedModel behind the SageMaker container contract."""

# First of all imports, because it notes when they begin.
import serverless_dnn.runtime  # noqa: F401

__version__ = "0.1.0"
