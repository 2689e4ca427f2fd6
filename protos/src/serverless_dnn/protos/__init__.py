"""TensorFlow Serving's messages in their own package, and the shared numpy tensor codec.

``serverless_dnn.protos.v1`` holds the generated messages; their bytes are interchangeable with those of TensorFlow and
TensorFlow Serving, and both can be imported into one process in any order. ``serverless_dnn.protos.tensor`` turns numpy
arrays into ``TensorProto`` messages and back.
"""

__version__ = "0.1.0"
