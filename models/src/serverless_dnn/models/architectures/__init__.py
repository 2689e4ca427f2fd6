"""Keras models; importing a module here imports TensorFlow."""
