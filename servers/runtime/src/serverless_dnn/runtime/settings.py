"""Settings all servers share, each an environment variable; a command's flag sets the variable of its name."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast, get_args

from serverless_dnn.runtime.engines.base import EngineName, EngineOptions, Graph, Precision
from serverless_dnn.runtime.errors import InvalidArgumentError

MIB = 1 << 20


@dataclass(frozen=True)
class ServerSettings:
    """How a server serves.

    Attributes:
        model_base_path: A model's folder, or a folder of models (``SDNN_MODEL_BASE_PATH``).
        model_name: The name of the one model; ``None`` takes folder names (``SDNN_MODEL_NAME``).
        engine: What runs models (``SDNN_ENGINE``, ``SDNN_PRECISION``, ``SDNN_THREADS``, ``SDNN_CACHE_FOLDER``,
            ``SDNN_GRAPH``).
        host: The address to listen on (``SDNN_HOST``).
        ready_file: Written once the server answers (``SDNN_READY_FILE``).
        max_body_bytes: The largest request body, inflated (``SDNN_MAX_BODY_MIB``).
        warm_up: Send models the requests that lie beside them before answering others (``SDNN_WARM_UP``).
    """

    model_base_path: Path
    model_name: str | None = None
    engine: EngineOptions = field(default_factory=EngineOptions)
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
        if base_path is None:
            raise InvalidArgumentError(
                "no model: give --model-base-path or SDNN_MODEL_BASE_PATH, a folder that holds <version>/saved_model.pb"
            )
        return cls(
            model_base_path=Path(base_path),
            model_name=given.get("SDNN_MODEL_NAME"),
            engine=EngineOptions(
                name=cast("EngineName", _choice(given, "SDNN_ENGINE", get_args(EngineName), "auto")),
                precision=cast("Precision", _choice(given, "SDNN_PRECISION", get_args(Precision), "f32")),
                threads=_number(given, "SDNN_THREADS"),
                cache_folder=Path(given["SDNN_CACHE_FOLDER"]) if "SDNN_CACHE_FOLDER" in given else None,
                graph=cast("Graph", _choice(given, "SDNN_GRAPH", get_args(Graph), "signature")),
            ),
            host=given.get("SDNN_HOST", cls.host),
            ready_file=Path(given["SDNN_READY_FILE"]) if "SDNN_READY_FILE" in given else None,
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
