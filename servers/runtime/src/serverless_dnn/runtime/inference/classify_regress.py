"""TensorFlow Serving's Classify, Regress and MultiInference: signatures that read ``tf.Example`` rows.

The rules follow tensorflow/serving, tensorflow_serving/servables/tensorflow/{classifier,regressor,
multi_inference}.cc: one string input named ``inputs``; outputs ``classes`` and ``scores``, or ``outputs``.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serverless_dnn.protos.v1 import (
    classification_pb2,
    example_pb2,
    model_spec_pb2,
    multi_inference_pb2,
    regression_pb2,
)
from serverless_dnn.runtime.deadline import FOREVER, Deadline
from serverless_dnn.runtime.errors import FailedPreconditionError, InvalidArgumentError, UnimplementedError
from serverless_dnn.runtime.inference.predictor import predict
from serverless_dnn.runtime.inference.servable import Servable, servable_spec
from serverless_dnn.runtime.saved_model.signature import CLASSIFY_METHOD, REGRESS_METHOD, Signature
from serverless_dnn.runtime.timing import PhaseTimer

_INPUTS, _CLASSES, _SCORES, _OUTPUTS = "inputs", "classes", "scores", "outputs"

_Arrays = Mapping[str, NDArray[Any]]


def classify(
    servable: Servable,
    signature: Signature,
    given: example_pb2.Input,
    timer: PhaseTimer,
    deadline: Deadline = FOREVER,
) -> classification_pb2.ClassificationResult:
    """Run a classification.

    Args:
        servable: The model.
        signature: One of its signatures.
        given: The rows.
        timer: Records each phase.
        deadline: How long the call may wait and run.

    Returns:
        Classes with scores for each row.

    Raises:
        InvalidArgumentError: There are no rows, or the signature is not a classification.
        ServingError: The model rejected the call or failed.
    """
    with timer.phase("decode"):
        _check_classification(signature)
        inputs = {_INPUTS: serialized_examples(given)}
    outputs = predict(servable, signature, inputs, timer, deadline=deadline)
    with timer.phase("encode"):
        return _classifications(outputs, len(inputs[_INPUTS]))


def regress(
    servable: Servable,
    signature: Signature,
    given: example_pb2.Input,
    timer: PhaseTimer,
    deadline: Deadline = FOREVER,
) -> regression_pb2.RegressionResult:
    """Run a regression; see ``classify``.

    Returns:
        A value for each row.
    """
    with timer.phase("decode"):
        _check_regression(signature)
        inputs = {_INPUTS: serialized_examples(given)}
    outputs = predict(servable, signature, inputs, timer, deadline=deadline)
    with timer.phase("encode"):
        return _regressions(outputs, len(inputs[_INPUTS]))


def multi_inference(
    find_servable: Callable[[model_spec_pb2.ModelSpec], Servable],
    request: multi_inference_pb2.MultiInferenceRequest,
    timer: PhaseTimer,
    deadline: Deadline = FOREVER,
) -> multi_inference_pb2.MultiInferenceResponse:
    """Run several classifications and regressions of one model on the same rows.

    Args:
        find_servable: Returns the servable that a task names.
        request: The tasks and the rows.
        timer: Records each phase, summed over all tasks.
        deadline: How long each task may wait and run.

    Returns:
        A result for each task, in their order.

    Raises:
        InvalidArgumentError: There are no tasks or no rows, or the tasks name several models or one signature twice.
        UnimplementedError: A task is neither a classification nor a regression.
        ServingError: A task failed; the whole request then fails.
    """
    if len({task.model_spec.name for task in request.tasks}) > 1:
        raise InvalidArgumentError("All ModelSpecs in a MultiInferenceRequest must access the same model name.")
    if not request.tasks:
        raise InvalidArgumentError("a MultiInferenceRequest needs at least one task")
    response = multi_inference_pb2.MultiInferenceResponse()
    seen: set[str] = set()
    for task in request.tasks:
        servable = find_servable(task.model_spec)
        signature = servable.signature(task.model_spec.signature_name)
        if signature.name in seen:
            raise InvalidArgumentError(f"Duplicate evaluation of signature: {signature.name}")
        seen.add(signature.name)
        result = response.results.add(model_spec=servable_spec(servable, signature.name))
        if task.method_name == CLASSIFY_METHOD:
            classes = classify(servable, signature, request.input, timer, deadline)
            result.classification_result.CopyFrom(classes)
        elif task.method_name == REGRESS_METHOD:
            result.regression_result.CopyFrom(regress(servable, signature, request.input, timer, deadline))
        else:
            raise UnimplementedError(f"Unsupported signature method_name: {task.method_name}")
    return response


def serialized_examples(given: example_pb2.Input) -> NDArray[Any]:
    """The rows as the string tensor a model parses; context features are added to every row.

    Args:
        given: The rows.

    Returns:
        Serialized ``tf.Example`` messages, shape ``(rows,)``.

    Raises:
        InvalidArgumentError: There are none.
    """
    rows = [example.SerializeToString() for example in given.example_list.examples]
    if given.WhichOneof("kind") == "example_list_with_context":
        shared = given.example_list_with_context
        # Merged by concatenation: a row's own feature comes last and wins.
        context = shared.context.SerializeToString()
        rows = [context + example.SerializeToString() for example in shared.examples]
    if not rows:
        raise InvalidArgumentError("Input is empty.")
    return np.array(rows, object)


def _check_classification(signature: Signature) -> None:
    _check_input(signature, "classification")
    if len(signature.outputs) not in (1, 2):
        raise InvalidArgumentError(f"Expected one or two output Tensors, found {len(signature.outputs)}")
    if not {_CLASSES, _SCORES} & set(signature.outputs):
        raise InvalidArgumentError(
            "Expected classification signature outputs to contain at least one of "
            f'"{_CLASSES}" or "{_SCORES}". Signature {signature.name} has: {", ".join(signature.outputs)}'
        )


def _check_regression(signature: Signature) -> None:
    _check_input(signature, "regression")
    if len(signature.outputs) != 1:
        raise InvalidArgumentError("Expected one output Tensor.")
    if _OUTPUTS not in signature.outputs:
        raise InvalidArgumentError(f"No regression outputs found in signature {signature.name}: expected {_OUTPUTS}")


def _check_input(signature: Signature, task: str) -> None:
    if len(signature.inputs) != 1:
        raise InvalidArgumentError("Expected one input Tensor.")
    if _INPUTS not in signature.inputs:
        raise InvalidArgumentError(f"No {task} inputs found in signature {signature.name}: expected {_INPUTS}")
    if signature.inputs[_INPUTS].type_name != "DT_STRING":
        raise InvalidArgumentError(
            f"the {task} input of signature {signature.name} must be DT_STRING, for tf.Example rows, but is "
            f"{signature.inputs[_INPUTS].type_name}"
        )


def _classifications(outputs: _Arrays, rows: int) -> classification_pb2.ClassificationResult:
    labels = _matrix(outputs, _CLASSES, rows) if _CLASSES in outputs else None
    scores = _matrix(outputs, _SCORES, rows) if _SCORES in outputs else None
    if labels is not None and labels.dtype != object:
        raise FailedPreconditionError(f"Expected classes Tensor of DT_STRING. Got: {labels.dtype}")
    if scores is not None and scores.dtype != np.float32:
        raise FailedPreconditionError(f"Expected scores Tensor of DT_FLOAT. Got: {scores.dtype}")
    if labels is not None and scores is not None and labels.shape != scores.shape:
        raise FailedPreconditionError(
            f"Tensors class and score should match in [num_classes]. Got {labels.shape[1]} vs. {scores.shape[1]}"
        )
    result = classification_pb2.ClassificationResult()
    for row in range(rows):
        classes = result.classifications.add().classes
        of_row = labels[row] if labels is not None else scores[row] if scores is not None else ()
        for column in range(len(of_row)):
            added = classes.add()
            if labels is not None:
                added.label = _text(labels[row, column])
            if scores is not None:
                added.score = scores[row, column]
    return result


def _regressions(outputs: _Arrays, rows: int) -> regression_pb2.RegressionResult:
    values = _matrix(outputs, _OUTPUTS, rows)
    if values.dtype != np.float32 or values.shape[1] != 1:
        raise FailedPreconditionError(
            "Expected output Tensor of DT_FLOAT and shape [batch_size] or [batch_size, 1]. "
            f"Got: {values.dtype} {list(outputs[_OUTPUTS].shape)}"
        )
    result = regression_pb2.RegressionResult()
    for value in values[:, 0]:
        result.regressions.add(value=value)
    return result


def _matrix(outputs: _Arrays, name: str, rows: int) -> NDArray[Any]:
    array = outputs[name]
    if array.ndim not in (1, 2) or len(array) != rows:
        raise FailedPreconditionError(
            f"Expected output Tensor {name} of shape [batch_size] or [batch_size, n] for {rows} rows. "
            f"Got: {list(array.shape)}"
        )
    return array.reshape(rows, -1)


def _text(label: bytes) -> str:
    try:
        return label.decode()
    except UnicodeDecodeError:
        raise FailedPreconditionError(f"the label {label!r} is not UTF-8: Classify's labels are text") from None
