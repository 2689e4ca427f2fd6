"""The options of all servers in one table: names, meanings, accepted values and defaults."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

from serverless_dnn.runtime.errors import InvalidArgumentError
from serverless_dnn.runtime.options import (
    BOOLEANS,
    boolean,
    folders,
    from_values,
    host_patterns,
    one_of,
    option,
    positive_seconds,
    private_networks,
    seconds,
    values_from_environment,
    whole_number,
)

MIB = 1 << 20
EngineName = Literal["auto", "tensorflow", "openvino", "remote"]
Precision = Literal["f32", "bf16", "f16"]
Graph = Literal["signature", "frozen"]
Compression = Literal["none", "gzip"]


@dataclass(frozen=True)
class EngineOptions:
    """How models are run.

    Attributes:
        name: The engine; ``auto`` picks OpenVINO where it is installed and proven equivalent to TensorFlow, otherwise
            TensorFlow.
        precision: The arithmetic; anything but ``f32`` changes results and must pass the model's accuracy check.
        threads: Threads per prediction; ``None`` uses all CPUs available to this process.
        cache_folder: Where OpenVINO caches compiled models; ``None`` disables the cache.
        graph: What TensorFlow runs: the model's signature as exported, or a frozen copy with its weights as constants,
            which it can optimise further. ``bf16`` requires the frozen copy.
        remote_target: The address of the server that engine ``remote`` calls: ``host:port`` or ``unix:/path``.
        remote_timeout_s: Upper limit on a call to that server, in seconds, even if the caller's deadline is later.
    """

    name: EngineName = option(
        "auto",
        "The engine that runs models.",
        one_of(get_args(EngineName)),
        choices=get_args(EngineName),
        name="engine",
    )
    precision: Precision = option("f32", "The arithmetic.", one_of(get_args(Precision)), choices=get_args(Precision))
    threads: int | None = option(None, "Threads per prediction; all CPUs available by default.", whole_number(1))
    cache_folder: Path | None = option(None, "Folder that caches compiled models between starts.", Path)
    graph: Graph = option(
        "signature", "What the tensorflow engine runs.", one_of(get_args(Graph)), choices=get_args(Graph)
    )
    remote_target: str | None = option(
        None, "The TensorFlow Serving that engine remote calls, as HOST:PORT or unix:/PATH."
    )
    remote_timeout_s: float = option(60.0, "Timeout for calls made by engine remote, in seconds.", positive_seconds)


@dataclass(frozen=True)
class ServerSettings:
    """How a server serves.

    Attributes:
        model_base_path: A model's folder, or a folder of models.
        model_name: The name of a single model; ``None`` uses the folder names.
        model_config_file: Lists the models instead, as a TensorFlow Serving text-format config.
        poll_wait_s: The polling interval for new versions and models, in seconds; 0 disables polling.
        poll_config: Whether polling also rereads the model config file.
        max_load_retries: How many times polling retries a version that failed to load.
        labels_may_wait: Whether labels may refer to versions that are not available yet.
        warm_up: Run each model's bundled warm-up requests before serving.
        enable_batching: Whether concurrent calls are batched.
        batching_parameters_file: The batching parameters, in TensorFlow Serving's text format.
        max_body_mib: The largest request body after decompression, in MiB.
        host: The address to listen on.
        ready_file: Written once the server accepts requests.
        records_file: What is logged is also appended to it.
        engine: What runs models.
    """

    model_base_path: Path | None = option(
        None, "A model's folder (of numeric version folders), or a folder of models.", Path
    )
    model_name: str | None = option(None, "The model's name; defaults to its folder's name.")
    model_config_file: Path | None = option(
        None, "Several models with their versions and labels, as a text-format ModelServerConfig.", Path
    )
    poll_wait_s: float = option(0.0, "Polling interval for new versions, in seconds; 0 disables polling.", seconds)
    poll_config: bool = True
    max_load_retries: int = 5
    labels_may_wait: bool = False
    warm_up: bool = option(True, "Run each model's bundled warm-up requests before serving.", boolean, choices=BOOLEANS)
    enable_batching: bool = option(False, "Batch concurrent calls.", boolean, choices=BOOLEANS)
    batching_parameters_file: Path | None = option(
        None, "Text-format BatchingParameters, for example: max_batch_size { value: 8 }.", Path
    )
    max_body_mib: int = option(64, "The largest request body after decompression, in MiB.", whole_number(1))
    host: str = option("0.0.0.0", "The address to listen on.")  # noqa: S104 - a container listens on all its addresses
    ready_file: Path | None = option(None, "Written as JSON (host, port, pid) once the server accepts requests.", Path)
    records_file: Path | None = option(None, "What is logged, as JSON lines without what libraries print.", Path)
    engine: EngineOptions = field(default_factory=EngineOptions)

    def __post_init__(self) -> None:
        """Check the settings against each other.

        Raises:
            InvalidArgumentError: No model is given, or batching parameters are given without batching.
        """
        if self.model_base_path is None and self.model_config_file is None:
            raise InvalidArgumentError(
                "no model: give --model-base-path or SDNN_MODEL_BASE_PATH, a folder that holds <version>/saved_model.pb"
            )
        if self.batching_parameters_file is not None and not self.enable_batching:
            raise InvalidArgumentError("a batching parameters file is given without --enable-batching true")

    @property
    def max_body_bytes(self) -> int:
        """The largest request body after decompression, in bytes."""
        return self.max_body_mib * MIB

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] = os.environ, *, default_base_path: Path | None = None
    ) -> "ServerSettings":
        """Read the settings from environment variables only.

        Args:
            environment: Variables by name; an empty value counts as absent.
            default_base_path: Where the models are if no variable sets it.

        Returns:
            The settings.

        Raises:
            InvalidArgumentError: A variable is missing or wrong; the message names it and what it accepts.
        """
        engine = from_values(EngineOptions, values_from_environment(EngineOptions, environment))
        values = values_from_environment(cls, environment)
        if "model_config_file" not in values:
            values.setdefault("model_base_path", default_base_path)
        return from_values(cls, values, engine=engine)


@dataclass(frozen=True)
class GrpcSettings:
    """Settings specific to a gRPC server.

    Attributes:
        concurrency: The maximum number of calls running or waiting at once; any more are rejected.
        reload_folders: HandleReloadConfigRequest may name models below these; if empty, it is rejected.
        reflection: Describe the services to tools such as grpcurl.
        compression: Compression of responses.
        tls_certificate_file: A PEM certificate chain; without it, the server speaks plaintext.
        tls_key_file: Its private key.
    """

    concurrency: int = option(80, "Maximum calls running or waiting at once; more are rejected.", whole_number(1))
    reload_folders: tuple[Path, ...] = option(
        (),
        "HandleReloadConfigRequest may name models below these folders (colon-separated); rejected by default.",
        folders,
        name="reload_folder",
    )
    reflection: bool = option(True, "Enable server reflection, for example for grpcurl.", boolean, choices=BOOLEANS)
    compression: Compression = option(
        "none", "Compression of responses.", one_of(get_args(Compression)), choices=get_args(Compression)
    )
    tls_certificate_file: Path | None = option(None, "Serve TLS with this certificate chain, in PEM form.", Path)
    tls_key_file: Path | None = option(None, "The certificate's private key.", Path)

    def __post_init__(self) -> None:
        """Check the settings against each other.

        Raises:
            InvalidArgumentError: A certificate without a key, or a key without a certificate.
        """
        if (self.tls_certificate_file is None) != (self.tls_key_file is None):
            raise InvalidArgumentError("TLS needs both a certificate file and a key file, but only one was given")


@dataclass(frozen=True)
class TransferOptions:
    """How request bodies are read from pre-signed URLs, and responses written to them.

    Attributes:
        hosts: Comma-separated patterns of the hosts that URLs may name: ``s3`` for Amazon S3's endpoints, ``HOST``,
            ``*.DOMAIN`` (one label, as in certificates), each with ``:PORT`` if that is not 443; ``none`` turns
            transfers off.
        networks: Comma-separated private networks that these hosts may be in, in CIDR notation; ``None`` means that
            they must have public addresses.
        max_mib: The largest body, before and after decompression, in MiB.
        timeout_s: How long one transfer may take as a whole, in seconds.
    """

    hosts: str = option(
        "s3",
        "Hosts that pre-signed URLs may name, comma-separated: s3 (Amazon S3's endpoints), HOST, *.DOMAIN, HOST:PORT; "
        "or none.",
        host_patterns,
        name="transfer_hosts",
    )
    networks: str | None = option(
        None,
        "Private networks that these hosts may be in, in CIDR notation, comma-separated.",
        private_networks,
        name="transfer_networks",
    )
    max_mib: int = option(
        256,
        "The largest body behind a pre-signed URL, in MiB, within --max-body-mib.",
        whole_number(1),
        name="transfer_max_mib",
    )
    timeout_s: float = option(
        30.0, "Timeout for the whole of a transfer, in seconds.", positive_seconds, name="transfer_timeout_s"
    )

    def __post_init__(self) -> None:
        """Check the lists, which also code can give.

        Raises:
            InvalidArgumentError: A pattern or a network is malformed, or a network is not private.
        """
        try:
            host_patterns(self.hosts)
            private_networks(self.networks or "")
        except ValueError as error:
            raise InvalidArgumentError(f"hosts and networks of transfers: {error}") from None

    def within(self, max_body_mib: int) -> "TransferOptions":
        """These options, with no larger bodies than a server accepts otherwise.

        Args:
            max_body_mib: The server's largest body, in MiB.
        """
        return replace(self, max_mib=min(self.max_mib, max_body_mib))

    @property
    def max_bytes(self) -> int:
        """The largest body, before and after decompression, in bytes."""
        return self.max_mib * MIB
