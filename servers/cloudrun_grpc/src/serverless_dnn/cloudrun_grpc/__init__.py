"""A TensorFlow SavedModel as a gRPC container for Cloud Run and Knative."""

__version__ = "0.1.0"
