"""The custom attributes of an invocation: which model it is for, and what SageMaker's API has no header for.

SageMaker passes ``X-Amzn-SageMaker-Custom-Attributes`` to the container as it is, at most 1,024 visible ASCII
characters; the names that begin with ``tfs-`` are those of the TensorFlow Serving container that AWS published.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from serverless_dnn.runtime.errors import InvalidArgumentError
from serverless_dnn.runtime.saved_model.model_folder import is_version

CUSTOM_ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
MAX_CHARACTERS = 1024
"""The most that SageMaker passes either way."""
METHODS = ("predict", "classify", "regress")
DESCRIPTIONS = ("metadata", "status")
_ATTRIBUTE = re.compile(r"(?P<name>(?:tfs|sdnn)-[a-z\-]+)=(?P<value>[^,]*)")
_SHOWN = 40


@dataclass(frozen=True)
class InvocationTarget:
    """What an invocation asks for besides its body.

    Attributes:
        model_name: The model; ``None`` if it names none.
        version: Its version; ``None`` for the newest.
        label: A label that refers to a version.
        method: ``predict``, ``classify`` or ``regress``.
        content_encoding: The compression of the body, for SageMaker drops the standard header; empty if not given.
        accept_encoding: The compression of the response that the caller wants; empty if not given.
        description: ``metadata`` or ``status`` to be told about the model instead; empty for a prediction. SageMaker
            passes on nothing but invocations.
    """

    model_name: str | None = None
    version: int | None = None
    label: str | None = None
    method: str = "predict"
    content_encoding: str = ""
    accept_encoding: str = ""
    description: str = ""


def read_target(headers: Mapping[str, str]) -> InvocationTarget:
    """Read the custom attributes of a request.

    Args:
        headers: By lower-case name.

    Returns:
        What they ask for; anything in the header that is not an attribute of ours is ignored.

    Raises:
        InvalidArgumentError: An attribute's value is not one it can have.
    """
    given = {match["name"]: match["value"].strip() for match in _ATTRIBUTE.finditer(headers.get(CUSTOM_ATTRIBUTES, ""))}
    method = given.get("tfs-method") or "predict"
    if method not in METHODS:
        raise InvalidArgumentError(f"tfs-method must be one of {', '.join(METHODS)}, got {method[:_SHOWN]!r}")
    description = given.get("sdnn-method", "")
    if description and description not in DESCRIPTIONS:
        raise InvalidArgumentError(
            f"sdnn-method must be one of {', '.join(DESCRIPTIONS)}, got {description[:_SHOWN]!r}"
        )
    version, label = given.get("tfs-model-version"), given.get("tfs-model-label")
    if version and not is_version(version):
        raise InvalidArgumentError(f"tfs-model-version must be a number, got {version[:_SHOWN]!r}")
    if version and label:
        raise InvalidArgumentError("tfs-model-version and tfs-model-label are both given: send one of them")
    return InvocationTarget(
        model_name=given.get("tfs-model-name") or None,
        version=int(version) if version else None,
        label=label or None,
        method=method,
        content_encoding=given.get("sdnn-content-encoding", ""),
        accept_encoding=given.get("sdnn-accept-encoding", ""),
        description=description,
    )
