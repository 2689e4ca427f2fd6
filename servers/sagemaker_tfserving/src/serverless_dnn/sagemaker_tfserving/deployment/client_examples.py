"""Ready-to-paste calls of an endpoint."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from serverless_dnn.protos.dtypes import TensorCodecError
from serverless_dnn.runtime.saved_model.signature import TensorSpec

_PARTITION_DOMAINS = {"aws-cn": "amazonaws.com.cn"}


@dataclass(frozen=True)
class DeployedEndpoint:
    """What a caller has to know.

    Attributes:
        name: The endpoint's name.
        region: Where it is.
        partition: In which of Amazon's clouds.
        model: A model's name.
        inputs: What the model takes; empty if that is not known.
        endpoint_url: Where the API is instead of at Amazon.
    """

    name: str
    region: str
    partition: str
    model: str
    inputs: Mapping[str, TensorSpec]
    endpoint_url: str | None = None


def python_call(endpoint: DeployedEndpoint) -> str:
    """A program that calls an endpoint with our client.

    Args:
        endpoint: The endpoint.

    Returns:
        Its text, with zeros for the inputs.
    """
    domain = _PARTITION_DOMAINS.get(endpoint.partition, "amazonaws.com")
    url = endpoint.endpoint_url or f"https://runtime.sagemaker.{endpoint.region}.{domain}"
    address = f"sagemaker+{urlsplit(url).scheme}://{urlsplit(url).netloc}/{endpoint.name}"
    inputs = ", ".join(f"{json.dumps(name)}: {_zeros(spec)}" for name, spec in endpoint.inputs.items())
    return f"""\
import numpy as np
from serverless_dnn.client import ClientOptions, connect

options = ClientOptions(sign_requests=True, aws_region="{endpoint.region}")
with connect("{address}", {json.dumps(endpoint.model)}, options) as client:
    print(client.predict({{{inputs or '"input": np.zeros((1,), np.float32)'}}}).outputs)
"""


def shell_call(endpoint: DeployedEndpoint) -> str:
    """A command that sends a file to an endpoint.

    Args:
        endpoint: The endpoint.

    Returns:
        The command.
    """
    words = ["aws", "sagemaker-runtime", "invoke-endpoint", "--region", endpoint.region]
    words += ["--endpoint-name", endpoint.name, "--content-type", "application/json"]
    words += ["--endpoint-url", endpoint.endpoint_url] if endpoint.endpoint_url else []
    words += ["--custom-attributes", f"tfs-model-name={endpoint.model}"]
    return shlex.join([*words, "--body", "fileb://request.json", "/dev/stdout"])


def _zeros(spec: TensorSpec) -> str:
    shape = (1,) if spec.shape is None else tuple(1 if size is None else size for size in spec.shape)
    try:
        dtype = spec.dtype
    except TensorCodecError:
        # Nothing to print a value for; the server will say what it wants.
        return f"np.zeros({shape}, np.float32)"
    if dtype.kind in "OSU":
        return f'np.full({shape}, b"", object)'
    # Types such as bfloat16 are not numpy's own.
    name = dtype.name if dtype.isbuiltin == 1 else "float32"
    return f"np.zeros({shape}, np.{'bool_' if name == 'bool' else name})"
