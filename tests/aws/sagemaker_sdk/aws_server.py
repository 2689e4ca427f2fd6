"""moto's server with what it lacks of SageMaker: UpdateEndpoint, endpoints that take a while or fail, taken names.

Run as ``python aws_server.py READY_FILE CALLS_FILE``: writes the port it listens on to the one, and every call that it
got to the other, as lines of JSON. A model whose image has the tag ``broken`` never passes the health check.
"""

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from moto.core.responses import ActionResult
from moto.iam.responses import IamResponse
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.sagemaker.exceptions import ValidationError
from moto.sagemaker.responses import SageMakerResponse
from werkzeug.serving import make_server

# SageMaker's own words.
_REASON = (
    "The primary container for production variant AllTraffic did not pass the ping health check. "
    "Please check CloudWatch logs for this endpoint."
)
_DESCRIPTIONS_UNTIL_READY = 2
# What is kept at an endpoint here, as moto spells it in a description.
_OURS = ("Wanted", "DescriptionsLeft")

Environment = dict[str, Any]
Application = Callable[[Environment, Callable[..., Any]], Iterable[bytes]]


def _create_once(kind: str, name: str, existing: str) -> None:
    """Make a Create operation refuse a name that is taken, as SageMaker does."""
    create = getattr(SageMakerResponse, f"create_{kind}")

    def refuse_taken(self: SageMakerResponse) -> ActionResult:
        if (taken := self._get_param(name)) in getattr(self.sagemaker_backend, existing):
            raise ValidationError(f'Cannot create already existing {kind.replace("_", " ")} "{taken}".')
        result: ActionResult = create(self)
        if kind == "endpoint":
            _start(self.sagemaker_backend.endpoints[taken], "Creating", self._get_param("EndpointConfigName"))
        return result

    setattr(SageMakerResponse, f"create_{kind}", refuse_taken)


def _start(endpoint: Any, status: str, config_name: str) -> None:
    endpoint.endpoint_status, endpoint.failure_reason = status, None
    endpoint.wanted, endpoint.descriptions_left = config_name, _DESCRIPTIONS_UNTIL_READY


def _update_endpoint(self: SageMakerResponse) -> ActionResult:
    name, config_name = self._get_param("EndpointName"), self._get_param("EndpointConfigName")
    self.sagemaker_backend.describe_endpoint(name)
    self.sagemaker_backend.describe_endpoint_config(config_name)
    endpoint = self.sagemaker_backend.endpoints[name]
    if endpoint.endpoint_status != "InService":
        raise ValidationError(f'Cannot update in-progress endpoint "{endpoint.arn}".')
    _start(endpoint, "Updating", config_name)
    return ActionResult({"EndpointArn": endpoint.arn})


def _describe_endpoint(self: SageMakerResponse) -> ActionResult:
    backend = self.sagemaker_backend
    endpoint = backend.endpoints.get(self._get_param("EndpointName"))
    # An endpoint that a test made directly in moto is in service at once.
    if endpoint is not None and endpoint.endpoint_status in ("Creating", "Updating"):
        if endpoint.descriptions_left:
            endpoint.descriptions_left -= 1
        else:
            _settle(backend, endpoint)
    description = backend.describe_endpoint(self._get_param("EndpointName"))
    return ActionResult({name: value for name, value in description.items() if name not in _OURS})


def _settle(backend: Any, endpoint: Any) -> None:
    variants = backend.endpoint_configs[endpoint.wanted].production_variants
    image = backend._models[variants[0]["ModelName"]].primary_container["Image"]
    if image.endswith(":broken"):
        # A failed update leaves what was there before.
        endpoint.endpoint_status = "Failed" if endpoint.endpoint_status == "Creating" else "InService"
        endpoint.failure_reason = _REASON
    else:
        endpoint.endpoint_status, endpoint.endpoint_config_name = "InService", endpoint.wanted
        endpoint.production_variants = endpoint._process_production_variants(variants)


def _leave_out_empty(kind: str) -> None:
    """SageMaker leaves out what is not set; moto describes it as empty, which the SDK's classes refuse."""
    describe = getattr(SageMakerResponse, f"describe_{kind}")

    def without_empty(self: SageMakerResponse) -> ActionResult:
        description = describe(self).result
        return ActionResult({name: value for name, value in description.items() if value not in ({}, [])})

    setattr(SageMakerResponse, f"describe_{kind}", without_empty)


def _simulate_principal_policy(self: IamResponse) -> ActionResult:
    """Every role may do everything."""
    asked = self._get_param("ActionNames")
    return ActionResult(
        {
            "EvaluationResults": [{"EvalActionName": name, "EvalDecision": "allowed"} for name in asked],
            "IsTruncated": False,
        }
    )


def _s3_operation(method: str, path: str, query: dict[str, list[str]]) -> str:
    if not path.strip("/").partition("/")[2]:
        return {"HEAD": "HeadBucket", "PUT": "CreateBucket"}.get(method, f"{method} bucket")
    if "uploads" in query:
        return "CreateMultipartUpload"
    if "uploadId" in query:
        return {"PUT": "UploadPart", "POST": "CompleteMultipartUpload"}[method]
    return {"HEAD": "HeadObject", "PUT": "PutObject", "DELETE": "DeleteObject"}.get(method, f"{method} object")


def _s3_call(environment: Environment, body: bytes) -> dict[str, Any]:
    query = parse_qs(environment["QUERY_STRING"], keep_blank_values=True)
    operation = _s3_operation(environment["REQUEST_METHOD"], environment["PATH_INFO"], query)
    bucket, _, key = environment["PATH_INFO"].strip("/").partition("/")
    parameters: dict[str, Any] = {"Bucket": bucket}
    if key:
        parameters["Key"] = key
    if owner := environment.get("HTTP_X_AMZ_EXPECTED_BUCKET_OWNER"):
        parameters["ExpectedBucketOwner"] = owner
    if place := re.search(rb"<LocationConstraint>(.*)</LocationConstraint>", body):
        parameters["CreateBucketConfiguration"] = {"LocationConstraint": place[1].decode()}
    return {"service": "s3", "operation": operation, "parameters": parameters}


def recording(application: Application, calls: Path) -> Application:
    """Writes the calls of SageMaker and S3 down before they are answered."""

    def answer(environment: Environment, start_response: Callable[..., Any]) -> Iterator[bytes]:
        service, _, operation = environment.get("HTTP_X_AMZ_TARGET", "").partition(".")
        path = environment["PATH_INFO"]
        call = None
        if service == "SageMaker":
            call = {"service": "sagemaker", "operation": operation, "parameters": json.loads(_body(environment))}
        elif not service and path != "/" and not path.startswith("/moto-api"):
            is_bucket = "/" not in path.strip("/")
            call = _s3_call(environment, _body(environment) if is_bucket else b"")
        if call is not None:
            with calls.open("a") as file:
                file.write(json.dumps(call) + "\n")
        yield from application(environment, start_response)

    return answer


def _body(environment: Environment) -> bytes:
    body: bytes = environment["wsgi.input"].read(int(environment.get("CONTENT_LENGTH") or 0))
    environment["wsgi.input"] = BytesIO(body)
    return body


def main(ready_file: Path, calls: Path) -> None:
    """Serve until the process is ended."""
    _create_once("model", "ModelName", "_models")
    _create_once("endpoint_config", "EndpointConfigName", "endpoint_configs")
    _create_once("endpoint", "EndpointName", "endpoints")
    SageMakerResponse.update_endpoint = _update_endpoint
    SageMakerResponse.describe_endpoint = _describe_endpoint
    for kind in ("model", "endpoint_config", "endpoint"):
        _leave_out_empty(kind)
    IamResponse.simulate_principal_policy = _simulate_principal_policy
    application = recording(DomainDispatcherApplication(create_backend_app), calls)
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=MotoRequestHandler)
    partial = ready_file.with_suffix(".partial")
    partial.write_text(str(server.server_port))
    partial.replace(ready_file)
    server.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
