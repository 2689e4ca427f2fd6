"""TensorFlow Serving's REST API, for any HTTP platform."""
