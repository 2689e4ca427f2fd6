"""AWS Lambda on this machine."""
