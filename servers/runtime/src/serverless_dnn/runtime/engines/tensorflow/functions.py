"""Load a SavedModel as TensorFlow's functions, and find out whether they are what its signatures declare."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.python.eager.lift_to_graph import UnliftableError

from serverless_dnn.runtime.errors import DataLossError
from serverless_dnn.runtime.saved_model.signature import Signature


def load_functions(folder: Path, signatures: Mapping[str, Signature]) -> tuple[Any, str]:
    """Load the graph tagged for serving.

    Args:
        folder: The folder that holds ``saved_model.pb``.
        signatures: The signatures that shall be called.

    Returns:
        What ``tf.saved_model.load`` gives, and an empty text; or, when its functions cannot stand for the signatures,
        ``None`` and why.

    Raises:
        DataLossError: A file is missing or broken, or TensorFlow lacks an operation.
    """
    try:
        # The tags by which the signatures were read: a model may hold a graph for training as well.
        loaded = tf.saved_model.load(str(folder), tags=[tf.saved_model.SERVING])
    except (ValueError, TypeError, LookupError, UnliftableError, tf.errors.InvalidArgumentError) as error:
        # Names that no Python function can have, or a signature that leaves a placeholder unfed or feeds one twice:
        # nothing is wrong with the graph.
        return None, f"tensorflow cannot make functions of the signatures: {first_line(error)}"
    except (OSError, RuntimeError, tf.errors.OpError) as error:
        raise DataLossError(f"tensorflow cannot load {folder}: {error}") from error
    for name, signature in signatures.items():
        if why := _why_not_its_function(loaded.signatures.get(name), signature):
            return None, f"signature {name} {why}"
    return loaded, ""


def first_line(error: Exception) -> str:
    """What an error says, without TensorFlow's account of where it came from.

    Args:
        error: The error.

    Returns:
        The first line of its text.
    """
    return str(error).partition("\n")[0]


def input_order(function: Any, signature_inputs: Mapping[str, object]) -> list[str]:
    """The names a caller uses for a function's inputs, in the order of its graph.

    Args:
        function: A signature's function.
        signature_inputs: What the signature calls them.

    Returns:
        The names.
    """
    # TensorFlow flattens every dictionary in the order of its keys, which are its own spelling of the names.
    aliases = {_spelling(alias): alias for alias in signature_inputs}
    return [aliases[_spelling(key)] for key in sorted(function.structured_input_signature[1])]


def _why_not_its_function(function: Any, signature: Signature) -> str:
    if function is None:
        return "has no function"
    taken = sorted(_spelling(name) for name in function.structured_input_signature[1])
    if taken != sorted(_spelling(alias) for alias in signature.inputs):
        return f"declares the inputs {', '.join(signature.inputs)}, and its function takes {', '.join(taken)}"
    if "self" in signature.inputs:
        return "has an input named self, by which Python's functions cannot be called"
    if set(function.structured_outputs) != set(signature.outputs):
        given = ", ".join(sorted(function.structured_outputs))
        return f"declares the outputs {', '.join(signature.outputs)}, and its function gives {given}"
    return ""


def _spelling(name: str) -> str:
    """Equal for a name and for what TensorFlow makes of it for Python: ``a_0`` of ``a:0``, ``arg_0`` of ``0``."""
    return re.sub(r"\W", "_", name).removeprefix("arg_")
