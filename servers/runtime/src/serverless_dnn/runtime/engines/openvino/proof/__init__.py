"""Prove from a SavedModel's graph that OpenVINO's answers are TensorFlow's, and find the guards that this takes."""
