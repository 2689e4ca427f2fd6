"""Settings all servers share, each an environment variable; a command's flag sets the variable of its name."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast, get_args

from serverless_dnn.runtime.batch_queue import BatchingOptions
from serverless_dnn.runtime.engines.base import EngineName, EngineOptions, Graph, Precision
from serverless_dnn.runtime.errors import InvalidArgumentError

MIB = 1 << 20


@dataclass(frozen=True)
class ServerSettings:
    """How a server serves.

    Attributes:
        model_base_path: A model's folder, or a folder of models (``SDNN_MODEL_BASE_PATH``).
        model_name: The name of the one model; ``None`` takes folder names (``SDNN_MODEL_NAME``).
        model_config_file: Names the models instead, in TensorFlow Serving's text form (``SDNN_MODEL_CONFIG_FILE``).
        poll_wait_s: How often to look for new versions and models, in seconds; 0 never does (``SDNN_POLL_WAIT_S``).
        poll_config: Whether looking for new versions also reads the model config file again.
        max_load_retries: How often a version that failed to load is tried again while polling.
        labels_may_wait: Whether labels may name versions that are not there yet.
        engine: What runs models (``SDNN_ENGINE``, ``SDNN_PRECISION``, ``SDNN_THREADS``, ``SDNN_CACHE_FOLDER``,
            ``SDNN_GRAPH``, ``SDNN_REMOTE_TARGET``).
        batching: How calls are gathered into batches; ``None`` runs them one by one (``SDNN_ENABLE_BATCHING``,
            ``SDNN_BATCHING_PARAMETERS_FILE``).
        concurrency: The most requests in work or waiting at once; more are refused (``SDNN_CONCURRENCY``).
        reload_folders: HandleReloadConfigRequest may name models below these; none refuses it (``SDNN_RELOAD_FOLDER``,
            several parted by ``:``).
        reflection: Describe the services to tools such as grpcurl (``SDNN_REFLECTION``).
        compression: Of gRPC answers, ``none`` or ``gzip`` (``SDNN_COMPRESSION``).
        tls_certificate_file: A certificate chain in PEM form; plaintext without (``SDNN_TLS_CERTIFICATE_FILE``).
        tls_key_file: Its private key (``SDNN_TLS_KEY_FILE``).
        host: The address to listen on (``SDNN_HOST``).
        ready_file: Written once the server answers (``SDNN_READY_FILE``).
        max_body_bytes: The largest request body, inflated (``SDNN_MAX_BODY_MIB``).
        warm_up: Send models the requests that lie beside them before answering others (``SDNN_WARM_UP``).
    """

    model_base_path: Path = Path()
    model_name: str | None = None
    model_config_file: Path | None = None
    poll_wait_s: float = 0.0
    poll_config: bool = True
    max_load_retries: int = 5
    labels_may_wait: bool = False
    engine: EngineOptions = field(default_factory=EngineOptions)
    batching: BatchingOptions | None = None
    concurrency: int = 80
    reload_folders: tuple[Path, ...] = ()
    reflection: bool = True
    compression: str = "none"
    tls_certificate_file: Path | None = None
    tls_key_file: Path | None = None
    host: str = "0.0.0.0"  # noqa: S104 - a container listens on all its addresses
    ready_file: Path | None = None
    max_body_bytes: int = 64 * MIB
    warm_up: bool = True

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] = os.environ, *, default_base_path: str | None = None
    ) -> "ServerSettings":
        """Read the settings.

        Args:
            environment: Variables by name; an empty value counts as absent.
            default_base_path: Where models are when no variable says so.

        Returns:
            The settings.

        Raises:
            InvalidArgumentError: A variable is missing or wrong; says which and what it takes.
        """
        given = {name: value for name, value in environment.items() if value}
        base_path = given.get("SDNN_MODEL_BASE_PATH", default_base_path)
        if base_path is None and "SDNN_MODEL_CONFIG_FILE" not in given:
            raise InvalidArgumentError(
                "no model: give --model-base-path or SDNN_MODEL_BASE_PATH, a folder that holds <version>/saved_model.pb"
            )
        certificate, key = _path(given, "SDNN_TLS_CERTIFICATE_FILE"), _path(given, "SDNN_TLS_KEY_FILE")
        if (certificate is None) != (key is None):
            raise InvalidArgumentError("TLS needs both a certificate file and a key file, and one of them is given")
        return cls(
            model_base_path=Path(base_path or ""),
            model_name=given.get("SDNN_MODEL_NAME"),
            model_config_file=_path(given, "SDNN_MODEL_CONFIG_FILE"),
            poll_wait_s=_seconds(given, "SDNN_POLL_WAIT_S"),
            batching=_batching(given),
            concurrency=_number(given, "SDNN_CONCURRENCY") or cls.concurrency,
            engine=EngineOptions(
                name=cast("EngineName", _choice(given, "SDNN_ENGINE", get_args(EngineName), "auto")),
                precision=cast("Precision", _choice(given, "SDNN_PRECISION", get_args(Precision), "f32")),
                threads=_number(given, "SDNN_THREADS"),
                cache_folder=_path(given, "SDNN_CACHE_FOLDER"),
                graph=cast("Graph", _choice(given, "SDNN_GRAPH", get_args(Graph), "signature")),
                remote_target=given.get("SDNN_REMOTE_TARGET"),
            ),
            reload_folders=tuple(Path(part) for part in given.get("SDNN_RELOAD_FOLDER", "").split(":") if part),
            reflection=_choice(given, "SDNN_REFLECTION", ("true", "false"), "true") == "true",
            compression=_choice(given, "SDNN_COMPRESSION", ("none", "gzip"), "none"),
            tls_certificate_file=certificate,
            tls_key_file=key,
            host=given.get("SDNN_HOST", cls.host),
            ready_file=_path(given, "SDNN_READY_FILE"),
            max_body_bytes=(_number(given, "SDNN_MAX_BODY_MIB") or cls.max_body_bytes // MIB) * MIB,
            warm_up=_choice(given, "SDNN_WARM_UP", ("true", "false"), "true") == "true",
        )


def port_from_environment(name: str, default: int = 8080, environment: Mapping[str, str] = os.environ) -> int:
    """Read a port.

    Args:
        name: The variable.
        default: The port when the variable is absent.
        environment: Variables by name.

    Returns:
        0 to 65535; 0 takes any free port.

    Raises:
        InvalidArgumentError: Not a port.
    """
    text = environment.get(name) or str(default)
    if not text.isdecimal() or int(text) > 65_535:
        raise InvalidArgumentError(f"{name} must be a port, 0 to 65535, got {text!r}")
    return int(text)


def _path(given: Mapping[str, str], name: str) -> Path | None:
    return Path(given[name]) if name in given else None


def _seconds(given: Mapping[str, str], name: str) -> float:
    text = given.get(name, "0")
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < math.inf:
        raise InvalidArgumentError(f"{name} must be a number of seconds, got {text!r}")
    return value


def _batching(given: Mapping[str, str]) -> BatchingOptions | None:
    enabled = _choice(given, "SDNN_ENABLE_BATCHING", ("true", "false"), "false") == "true"
    path = _path(given, "SDNN_BATCHING_PARAMETERS_FILE")
    if path is not None and not enabled:
        raise InvalidArgumentError("a batching parameters file is given without --enable-batching true")
    if path is None:
        return BatchingOptions() if enabled else None
    from serverless_dnn.runtime.batching_parameters import read_batching_parameters

    return read_batching_parameters(path)


def _choice(given: Mapping[str, str], name: str, choices: tuple[str, ...], default: str) -> str:
    value = given.get(name, default)
    if value not in choices:
        raise InvalidArgumentError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
    return value


def _number(given: Mapping[str, str], name: str) -> int | None:
    text = given.get(name)
    if text is None:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise InvalidArgumentError(f"{name} must be a whole number of at least 1, got {text!r}")
    return int(text)
