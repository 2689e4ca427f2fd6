"""OpenVINO: reads the same SavedModel directly, needs no TensorFlow, and runs it faster on a CPU."""
