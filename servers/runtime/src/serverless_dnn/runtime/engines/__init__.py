"""What runs models: TensorFlow, OpenVINO, or another process."""
