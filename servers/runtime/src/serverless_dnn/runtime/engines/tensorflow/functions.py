"""Load a SavedModel as TensorFlow functions, and check that they match its declared signatures."""

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
        signatures: The signatures that will be called.

    Returns:
        The result of ``tf.saved_model.load`` and an empty text; or, if its functions do not match the signatures,
        ``None`` and the reason.

    Raises:
        DataLossError: A file is missing or broken, or TensorFlow lacks an operation.
    """
    try:
        # The same tags the signatures were read with: a model may also hold a training graph.
        loaded = tf.saved_model.load(str(folder), tags=[tf.saved_model.SERVING])
    except (ValueError, TypeError, LookupError, UnliftableError, tf.errors.InvalidArgumentError) as error:
        # Names that a Python function cannot have, or a signature that leaves a placeholder unfed or feeds one twice:
        # the graph itself is fine.
        return None, f"tensorflow cannot make functions of the signatures: {first_line(error)}"
    except (OSError, RuntimeError, tf.errors.OpError) as error:
        raise DataLossError(f"tensorflow cannot load {folder}: {error}") from error
    for name, signature in signatures.items():
        if why := _why_not_its_function(loaded.signatures.get(name), signature):
            return None, f"signature {name} {why}"
    return loaded, ""


def first_line(error: Exception) -> str:
    """An error's message without TensorFlow's account of its origin.

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
        signature_inputs: The signature's names for them.

    Returns:
        The names.
    """
    # TensorFlow flattens dictionaries in the order of their keys, which are its own spelling of the names.
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
    """Normalise a name as TensorFlow does for Python: ``a:0`` becomes ``a_0``, ``0`` becomes ``arg_0``."""
    return re.sub(r"\W", "_", name).removeprefix("arg_")
