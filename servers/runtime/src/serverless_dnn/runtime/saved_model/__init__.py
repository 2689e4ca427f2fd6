"""A SavedModel on disk, read without TensorFlow."""
