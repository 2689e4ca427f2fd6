"""Prove from a SavedModel's graph that OpenVINO's results equal TensorFlow's, and find the guards this requires."""
