"""A TensorFlow SavedModel as an AWS Lambda function over REST."""

__version__ = "0.1.0"
