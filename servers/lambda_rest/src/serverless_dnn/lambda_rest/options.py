"""Options specific to the Lambda function."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from serverless_dnn.runtime.errors import InvalidArgumentError
from serverless_dnn.runtime.options import BOOLEANS, boolean, one_of, option, positive_seconds

ModelServer = Literal["in-process", "child"]

# Where a container image keeps its model, and a zip archive unpacked to LAMBDA_TASK_ROOT.
_IMAGE_MODEL_FOLDER = Path("/opt/ml/model")
_ARCHIVE_MODEL_FOLDER = "model"


def _base_path(text: str) -> str:
    """Parses a URL's path prefix, such as ``/prod``."""
    if not text.startswith("/"):
        raise ValueError(f"expected a path that begins with /, got {text!r}")
    return text.rstrip("/")


@dataclass(frozen=True)
class LambdaOptions:
    """Options specific to the Lambda function.

    Attributes:
        base_path: What precedes the API's paths, such as a custom domain's mapping; ``None`` accepts anything.
        init_timeout_s: When init ends although models are still loading, in seconds since the process started; the
            first request waits for them.
        metrics: Whether each invocation logs a line of metrics.
        model_server: Where models run: in the function's process, or in a model server beside it.
        binary: The path of the ``tensorflow_model_server`` to run beside it.
    """

    base_path: str | None = option(
        None, "What precedes /v1/models in paths, such as a custom domain's mapping; anything by default.", _base_path
    )
    # Lambda kills an init of 10 s and begins anew, at the first request's expense.
    init_timeout_s: float = option(
        9.5, "When init ends although models are loading: the first request waits for them.", positive_seconds
    )
    metrics: bool = option(
        True, "Log a line of CloudWatch metrics (EMF) for each invocation.", boolean, choices=BOOLEANS
    )
    model_server: ModelServer = option(
        "in-process",
        "Run models in the function's process, or in TensorFlow Serving (or ours) beside it.",
        one_of(get_args(ModelServer)),
        choices=get_args(ModelServer),
    )
    binary: Path | None = option(
        None, "The tensorflow_model_server to run beside it; the one on PATH by default.", Path, name="tfs_binary"
    )

    def __post_init__(self) -> None:
        """Check the options against each other.

        Raises:
            InvalidArgumentError: A binary is named but not used.
        """
        if self.binary is not None and self.model_server != "child":
            raise InvalidArgumentError("SDNN_TFS_BINARY is set, but is run only with SDNN_MODEL_SERVER=child")


def default_model_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where the models are if no option says so.

    Args:
        environment: ``LAMBDA_TASK_ROOT`` is set by Lambda.

    Returns:
        The folder ``model`` of the unpacked archive if there is one, otherwise that of an image.
    """
    in_archive = Path(environment.get("LAMBDA_TASK_ROOT", "/var/task"), _ARCHIVE_MODEL_FOLDER)
    return in_archive if in_archive.is_dir() else _IMAGE_MODEL_FOLDER
