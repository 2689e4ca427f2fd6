"""Models in Keras; importing a module here imports TensorFlow."""
