"""Ready-to-paste calls of a deployed function."""

import json
import shlex
from dataclasses import dataclass
from urllib.parse import urlsplit

from serverless_dnn.lambda_rest.deployment.options import FunctionUrl
from serverless_dnn.lambda_rest.deployment.plan import ALIAS

_PARTITION_DOMAINS = {"aws-cn": "amazonaws.com.cn"}
# The token's header only if there is one: older curls sign an empty header, and do not send it.
_CREDENTIALS = (
    '--user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" '
    '${AWS_SESSION_TOKEN:+-H"x-amz-security-token: $AWS_SESSION_TOKEN"}'
)
# Stands for a model's name until it is known.
_MODEL = "MODEL"
_PUBLIC_PROGRAM = """\
import numpy as np
from serverless_dnn.client import connect

with connect({target}) as client:
    print(client.predict({{"input": np.zeros((1, 224, 224, 3), np.float32)}}).outputs)
"""
_SIGNED_PROGRAM = """\
import numpy as np
from serverless_dnn.client import ClientOptions, connect

options = ClientOptions(sign_requests=True, aws_region="{region}")
with connect({target}, options) as client:
    print(client.predict({{"input": np.zeros((1, 224, 224, 3), np.float32)}}).outputs)
"""


@dataclass(frozen=True)
class DeployedFunction:
    """What a caller has to know.

    Attributes:
        name: The function's name.
        region: Where it is.
        partition: In which of Amazon's clouds.
        access: Who may call its URL.
        url: Its URL; ``None`` if it has none.
        model: The model's name; ``None`` if it is not known.
        endpoint_url: Where Lambda's API is instead of at Amazon.
    """

    name: str
    region: str
    partition: str
    access: FunctionUrl
    url: str | None
    model: str | None = None
    endpoint_url: str | None = None


def python_call(function: DeployedFunction) -> str:
    """A program that calls a function with our client.

    Args:
        function: The function.

    Returns:
        Its text, with an input to be replaced by the model's.
    """
    target = f"{json.dumps(_address(function))}, {json.dumps(function.model or _MODEL)}"
    if function.access == "public":
        return _PUBLIC_PROGRAM.format(target=target)
    return _SIGNED_PROGRAM.format(target=target, region=function.region)


def shell_calls(function: DeployedFunction) -> str:
    """Commands that ask a function for its model's inputs, and for a prediction.

    Args:
        function: The function.

    Returns:
        The commands.
    """
    if function.url is None:
        words = ["aws", "lambda", "invoke", "--region", function.region, "--function-name", f"{function.name}:{ALIAS}"]
        words += ["--endpoint-url", function.endpoint_url] if function.endpoint_url else []
        words += ["--cli-binary-format", "raw-in-base64-out", "--payload", "file://request.json", "/dev/stdout"]
        return shlex.join(words) + "\n"
    model = f"{function.url.rstrip('/')}/v1/models/{function.model or _MODEL}"
    signed = f' --aws-sigv4 "aws:amz:{function.region}:lambda" {_CREDENTIALS}' if function.access == "iam" else ""
    return (
        f"curl -s {shlex.quote(f'{model}/metadata')}{signed}\n"
        f"curl -s {shlex.quote(f'{model}:predict')}{signed} -H 'content-type: application/json' -d @request.json\n"
    )


def _address(function: DeployedFunction) -> str:
    if function.url is not None:
        return function.url.rstrip("/")
    domain = _PARTITION_DOMAINS.get(function.partition, "amazonaws.com")
    url = urlsplit(function.endpoint_url or f"https://lambda.{function.region}.{domain}")
    return f"lambda+{url.scheme}://{url.netloc}/{function.name}:{ALIAS}"
