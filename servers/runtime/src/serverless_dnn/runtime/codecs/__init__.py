"""Bodies to arrays and back: TensorFlow Serving's REST JSON, ``.npy``, and protobuf; each a pair of functions."""
