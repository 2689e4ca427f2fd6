"""One light client for models served on Lambda, SageMaker, Cloud Run or any TensorFlow Serving."""

__version__ = "0.1.0"
