"""A model that returns its input, to measure everything except the model."""

import subprocess
import sys
from pathlib import Path

SIZES = {"6kB": 1_500, "0.6MB": 150_528, "4.9MB": 1_228_800}
"""Numbers of float32 values that take about that many bytes."""

UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
"""Options of a channel that carries them all."""

_MAKE = """
import sys
import tensorflow as tf

class Identity(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def serve(self, x):
        return {"y": tf.identity(x)}

module = Identity()
tf.saved_model.save(module, sys.argv[1], {"serving_default": module.serve})
"""


def save_identity(folder: Path) -> Path:
    """Save the model from a separate process, to keep TensorFlow out of this one.

    Args:
        folder: Where to save it, as version 1.

    Returns:
        The folder.
    """
    subprocess.run([sys.executable, "-c", _MAKE, str(folder / "1")], check=True, capture_output=True)
    return folder
