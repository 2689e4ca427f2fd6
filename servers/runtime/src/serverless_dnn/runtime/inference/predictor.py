"""Check a call against its signature, run it, and select the requested outputs."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from serverless_dnn.runtime.deadline import FOREVER, Deadline
from serverless_dnn.runtime.errors import InvalidArgumentError
from serverless_dnn.runtime.inference.servable import Servable
from serverless_dnn.runtime.saved_model.signature import Signature
from serverless_dnn.runtime.timing import PhaseTimer

_SHOWN_DIMENSIONS = 8


class HasShape(Protocol):
    """An array, or something that will become one."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Its type."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        ...


def predict(
    servable: Servable,
    signature: Signature,
    inputs: Mapping[str, NDArray[Any]],
    timer: PhaseTimer,
    output_filter: Sequence[str] = (),
    *,
    deadline: Deadline = FOREVER,
) -> dict[str, NDArray[Any]]:
    """Run one call.

    Args:
        servable: The model.
        signature: One of its signatures.
        inputs: Arrays by input name.
        timer: Records the time spent waiting (``queue``) and computing (``compute``).
        output_filter: The requested outputs; empty means all.
        deadline: How long the call may wait and run.

    Returns:
        Arrays by output name.

    Raises:
        InvalidArgumentError: Inputs or requested outputs do not match the signature.
        DeadlineExceededError: It did not get to run in time.
        ResourceExhaustedError: Too many calls are waiting.
        ServingError: The engine failed.
    """
    timer.model = servable.model_name
    return predict_checked(
        servable, signature, complete_inputs(signature, inputs), timer, output_filter, deadline=deadline
    )


def predict_checked(
    servable: Servable,
    signature: Signature,
    inputs: Mapping[str, NDArray[Any]],
    timer: PhaseTimer,
    output_filter: Sequence[str] = (),
    *,
    deadline: Deadline = FOREVER,
) -> dict[str, NDArray[Any]]:
    """Run one call whose inputs ``check_inputs`` accepted; see ``predict``."""
    wanted = choose_outputs(signature, output_filter)
    outputs = servable.runner.run(signature, _with_defaults(signature, inputs), timer, deadline)
    return {alias: outputs[alias] for alias in wanted}


def complete_inputs(signature: Signature, inputs: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
    """Check names, types and shapes, and add the signature's default values for omitted inputs.

    Args:
        signature: The signature to match.
        inputs: The inputs received.

    Returns:
        An array for each of the signature's inputs.

    Raises:
        InvalidArgumentError: They do not match; the messages about names are TensorFlow Serving's.
    """
    check_inputs(signature, inputs)
    return _with_defaults(signature, inputs)


def _with_defaults(signature: Signature, inputs: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
    return inputs if len(inputs) == len(signature.inputs) else {**signature.defaults, **inputs}


def check_inputs(signature: Signature, inputs: Mapping[str, HasShape]) -> None:
    """Check the names, types and shapes of arrays, or of values that will become arrays.

    Args:
        signature: The signature to match.
        inputs: The inputs received.

    Raises:
        InvalidArgumentError: They do not match; the messages about names are TensorFlow Serving's.
    """
    if inputs.keys() != signature.inputs.keys():
        _check_names(signature, inputs)
    for alias, array in inputs.items():
        spec = signature.inputs[alias]
        if array.dtype != spec.dtype:
            raise InvalidArgumentError(f"input {alias} expects {spec.type_name}, but {array.dtype} is provided")
        if not spec.accepts(array.shape):
            expected = [-1 if size is None else size for size in spec.shape or ()]
            hint = " ('instances' makes a row of every value: send a scalar as 'inputs')" if not expected else ""
            raise InvalidArgumentError(
                f"input {alias} expects the shape {expected} (-1 is free), but {_shape_text(array.shape)} is provided"
                f"{hint}"
            )


def _shape_text(shape: Sequence[int]) -> str:
    if len(shape) <= _SHOWN_DIMENSIONS:
        return str(list(shape))
    return f"{len(shape)} dimensions [{', '.join(map(str, shape[:_SHOWN_DIMENSIONS]))}, ...]"


def _check_names(signature: Signature, inputs: Mapping[str, HasShape]) -> None:
    extra = inputs.keys() - signature.inputs.keys()
    missing = [alias for alias in signature.inputs if alias not in inputs and alias not in signature.defaults]
    if len(inputs) != len(signature.inputs):
        if extra or missing:
            raise InvalidArgumentError(
                f"input size does not match signature: {len(inputs)}!={len(signature.inputs)} len({_names(inputs)}) != "
                f"len({_names(signature.inputs)}). Sent extra: {_names(extra)}. Missing but required: "
                f"{_names(missing)}."
            )
    elif missing:
        raise InvalidArgumentError(
            f"Signature input alias: {missing[0]}(feed name: {signature.inputs[missing[0]].graph_name}) not found in "
            f"request. Sent: {_names(inputs)}. Expected: {_names(signature.inputs)}."
        )
    elif extra:
        raise InvalidArgumentError(
            f"Inputs contains invalid name. Sent: {_names(inputs)}. Expected: {_names(signature.inputs)}."
        )


def choose_outputs(signature: Signature, output_filter: Sequence[str]) -> Sequence[str]:
    """The outputs to return.

    Args:
        signature: The signature that defines them.
        output_filter: The requested outputs; empty means all.

    Returns:
        Output names.

    Raises:
        InvalidArgumentError: A name is unknown or repeated; the messages are TensorFlow Serving's.
    """
    seen: set[str] = set()
    for alias in output_filter:
        if alias not in signature.outputs:
            raise InvalidArgumentError(
                f"output tensor alias not found in signature: {alias} Outputs expected to be in the set "
                f"{_names(signature.outputs)}."
            )
        if alias in seen:
            raise InvalidArgumentError(f"duplicate output tensor alias: {alias}")
        seen.add(alias)
    return output_filter or list(signature.outputs)


def _names(names: Any) -> str:
    return "{" + ",".join(sorted(names)) + "}"
