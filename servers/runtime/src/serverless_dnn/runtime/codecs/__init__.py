"""Codecs between bodies and arrays: TensorFlow Serving's REST JSON, ``.npy`` and protobuf, a pair of functions each."""
