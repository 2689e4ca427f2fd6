"""A TensorFlow SavedModel behind the SageMaker container contract."""

__version__ = "0.1.0"
