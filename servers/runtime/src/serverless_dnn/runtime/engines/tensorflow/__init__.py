"""The reference engine: TensorFlow's own runtime."""
