"""Options of the SageMaker container, under the names of the TensorFlow Serving container that AWS published.

https://github.com/aws/sagemaker-tensorflow-serving-container documents these variables.
"""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from serverless_dnn.runtime.errors import InvalidArgumentError
from serverless_dnn.runtime.options import BOOLEANS, one_of, option, port_number, positive_seconds, whole_number

_log = logging.getLogger(__name__)

ModelList = Literal["sagemaker", "upstream"]

# Variables of that container that change nothing here, and why.
_WITHOUT_MEANING: Mapping[str, str] = {
    "SAGEMAKER_TFS_VERSION": "it chose a configuration template for nginx",
    "SAGEMAKER_TFS_NGINX_LOGLEVEL": "there is no nginx",
    "SAGEMAKER_GUNICORN_WORKER_CLASS": "there is no gunicorn: inference.py runs in threads",
    "SAGEMAKER_GUNICORN_LOGLEVEL": "there is no gunicorn",
    "SAGEMAKER_TFS_FRACTIONAL_GPU_MEM_MARGIN": "there is no GPU",
    "SAGEMAKER_MODEL_SERVER_WORKERS": "one process serves all models: see SAGEMAKER_GUNICORN_WORKERS for inference.py",
}
# As that container does in a batch transform: nothing is refused, for nobody waits for a single answer.
_NO_LIMIT = 100_000_000


def _boolean(text: str) -> bool:
    """Parses ``true`` or ``false`` in any case, as that container does."""
    return one_of(BOOLEANS)(text.lower()) == "true"


def _port_range(text: str) -> tuple[int, int]:
    """Parses ``LOW-HIGH``, both included."""
    low, dash, high = text.partition("-")
    try:
        ports = whole_number(1, 65_535)(low), whole_number(1, 65_535)(high)
    except ValueError:
        ports = (0, 0)
    if not dash or not 0 < ports[0] <= ports[1]:
        raise ValueError(f"expected LOW-HIGH, two port numbers, got {text!r}")
    return ports


@dataclass(frozen=True)
class SageMakerOptions:
    """Options specific to the SageMaker container.

    Attributes:
        port: The port to listen on; 0 picks any free one.
        safe_port_range: The ports free for inner servers, both ends included; ``None`` lets the system choose.
        concurrency: The most invocations running or waiting at once; more are refused.
        timeout_s: How long an invocation may take, in seconds.
        default_model_name: The model of requests that name none.
        multi_model: Start without models; SageMaker loads and unloads them.
        model_list: The shape of ``GET /models``: SageMaker's, or the published container's.
        binary: The path of a ``tensorflow_model_server`` to run the models in.
        instance_count: How many model servers run; more than one means separate processes.
        inter_op_parallelism: Passed to ``tensorflow_model_server``; 0 leaves it alone.
        intra_op_parallelism: Threads per prediction; 0 uses all CPUs available.
        wait_time_s: How long models and inference.py may take to be ready, in seconds.
        batching: Whether concurrent invocations are batched.
        max_batch_size: The most rows of a batch.
        batch_timeout_micros: How long a batch waits to fill, in microseconds.
        num_batch_threads: How many batches run at once; 0 means one per CPU.
        max_enqueued_batches: How many batches may wait; 0 means one per CPU, or no limit in a batch transform.
        script_workers: Processes that run inference.py.
        script_threads: Requests each of them handles at once.
        script_timeout_s: How long inference.py may take for a request, in seconds.
        universal_bucket: The S3 bucket of the code of a multi-model endpoint.
        universal_prefix: Its key prefix.
    """

    port: int = option(
        8080, "The port to listen on; 0 picks any free one.", port_number, variable="SAGEMAKER_BIND_TO_PORT"
    )
    safe_port_range: tuple[int, int] | None = option(
        None, "Ports for inner servers, as LOW-HIGH; any free ones by default.", _port_range,
        variable="SAGEMAKER_SAFE_PORT_RANGE",
    )  # fmt: skip
    concurrency: int = option(80, "Most invocations running or waiting at once; more are refused.", whole_number(1))
    timeout_s: float = option(
        59.0, "How long an invocation may take, in seconds; SageMaker gives up after 60.", positive_seconds,
        variable="SAGEMAKER_NGINX_PROXY_READ_TIMEOUT_SECONDS",
    )  # fmt: skip
    default_model_name: str | None = option(
        None, "The model of requests that name none; needed with several.", variable="SAGEMAKER_TFS_DEFAULT_MODEL_NAME"
    )
    multi_model: bool = option(
        False, "Multi-model endpoint: SageMaker loads and unloads models.", _boolean, choices=BOOLEANS,
        variable="SAGEMAKER_MULTI_MODEL",
    )  # fmt: skip
    model_list: ModelList = option(
        "sagemaker", "The shape of GET /models.", one_of(get_args(ModelList)), choices=get_args(ModelList)
    )
    binary: Path | None = option(
        None, "A tensorflow_model_server to run the models in; the one on PATH by default, if there is one.", Path,
        name="tfs_binary", variable="SAGEMAKER_TFS_BINARY",
    )  # fmt: skip
    instance_count: int = option(
        1, "Model servers; more than one run in processes of their own.", whole_number(1, 64),
        name="tfs_instance_count", variable="SAGEMAKER_TFS_INSTANCE_COUNT",
    )  # fmt: skip
    inter_op_parallelism: int = option(
        0, "Passed to tensorflow_model_server; 0 leaves it alone.", whole_number(0),
        name="tfs_inter_op_parallelism", variable="SAGEMAKER_TFS_INTER_OP_PARALLELISM",
    )  # fmt: skip
    intra_op_parallelism: int = option(
        0, "Threads per prediction; 0 uses all CPUs available.", whole_number(0),
        name="tfs_intra_op_parallelism", variable="SAGEMAKER_TFS_INTRA_OP_PARALLELISM",
    )  # fmt: skip
    wait_time_s: float = option(
        300.0, "How long models and inference.py may take to be ready, in seconds.", positive_seconds,
        name="tfs_wait_time_seconds", variable="SAGEMAKER_TFS_WAIT_TIME_SECONDS",
    )  # fmt: skip
    batching: bool = option(
        False, "Batch concurrent invocations.", _boolean, choices=BOOLEANS,
        name="tfs_enable_batching", variable="SAGEMAKER_TFS_ENABLE_BATCHING",
    )  # fmt: skip
    max_batch_size: int = option(
        8, "Most rows of a batch.", whole_number(1),
        name="tfs_max_batch_size", variable="SAGEMAKER_TFS_MAX_BATCH_SIZE",
    )  # fmt: skip
    batch_timeout_micros: int = option(
        1000, "How long a batch waits to fill, in microseconds.", whole_number(0),
        name="tfs_batch_timeout_micros", variable="SAGEMAKER_TFS_BATCH_TIMEOUT_MICROS",
    )  # fmt: skip
    num_batch_threads: int = option(
        0, "Batches running at once; 0 means one per CPU.", whole_number(0),
        name="tfs_num_batch_threads", variable="SAGEMAKER_TFS_NUM_BATCH_THREADS",
    )  # fmt: skip
    max_enqueued_batches: int = option(
        0, "Batches waiting at most; 0 means one per CPU, or no limit if SAGEMAKER_BATCH is set.", whole_number(0),
        name="tfs_max_enqueued_batches", variable="SAGEMAKER_TFS_MAX_ENQUEUED_BATCHES",
    )  # fmt: skip
    script_workers: int = option(
        1, "Processes that run inference.py.", whole_number(1, 64), variable="SAGEMAKER_GUNICORN_WORKERS"
    )
    script_threads: int = option(
        1, "Requests that each of them handles at once.", whole_number(1, 256), variable="SAGEMAKER_GUNICORN_THREADS"
    )
    script_timeout_s: float = option(
        30.0, "How long inference.py may take for a request, in seconds.", positive_seconds,
        variable="SAGEMAKER_GUNICORN_TIMEOUT_SECONDS",
    )  # fmt: skip
    universal_bucket: str | None = option(
        None, "S3 bucket with the code/ of a multi-model endpoint.", variable="SAGEMAKER_MULTI_MODEL_UNIVERSAL_BUCKET"
    )
    universal_prefix: str | None = option(
        None, "Key prefix of that code.", variable="SAGEMAKER_MULTI_MODEL_UNIVERSAL_PREFIX"
    )

    def __post_init__(self) -> None:
        """Check the options against each other.

        Raises:
            InvalidArgumentError: The port range is too small for the model servers.
        """
        if self.safe_port_range is not None:
            low, high = self.safe_port_range
            if low + 2 * self.instance_count - 1 > high:
                raise InvalidArgumentError(
                    f"SAGEMAKER_SAFE_PORT_RANGE {low}-{high} is too small: {self.instance_count} model servers need "
                    f"{2 * self.instance_count} ports"
                )

    @property
    def request_timeout_s(self) -> float:
        """How long an invocation may take: never less than what inference.py is allowed."""
        return max(self.timeout_s, self.script_timeout_s)

    def inner_ports(self, number: int) -> tuple[int, int]:
        """The gRPC and REST ports of an inner server.

        Args:
            number: Which server, from 0.

        Returns:
            Two ports; 0 means any free one.
        """
        if self.safe_port_range is None:
            return 0, 0
        low = self.safe_port_range[0] + 2 * number
        return low, low + 1


def batching_parameters(options: SageMakerOptions, cpus: int, environment: Mapping[str, str] = os.environ) -> str:
    """The batching parameters file for TensorFlow Serving.

    Args:
        options: The options.
        cpus: How many CPUs are available.
        environment: ``SAGEMAKER_BATCH`` is set in a batch transform.

    Returns:
        Text-format ``BatchingParameters``.
    """
    waiting = _NO_LIMIT if environment.get("SAGEMAKER_BATCH") else cpus
    values = {
        "max_batch_size": options.max_batch_size,
        "batch_timeout_micros": options.batch_timeout_micros,
        "num_batch_threads": options.num_batch_threads or cpus,
        "max_enqueued_batches": options.max_enqueued_batches or waiting,
    }
    return "".join(f"{name} {{ value: {value} }}\n" for name, value in values.items())


def log_variables_without_meaning(environment: Mapping[str, str] = os.environ) -> None:
    """Say once which variables of the published container are set but change nothing.

    Args:
        environment: Variables by name.
    """
    for name, why in _WITHOUT_MEANING.items():
        if name in environment:
            _log.info("ignoring a variable", extra={"variable": name, "why": why})
