"""The engines that run models: TensorFlow, OpenVINO, or another process."""
