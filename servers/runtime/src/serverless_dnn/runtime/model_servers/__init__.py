"""TensorFlow Serving beside a server: child processes that run the models."""
