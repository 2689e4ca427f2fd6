"""moto's server with what it lacks of Lambda: changes that take a while, refusals meanwhile, provisioned concurrency.

Run as ``python aws_server.py READY_FILE CALLS_FILE``: writes the port it listens on to the one, and every call of Lambda
that it got to the other, as lines of JSON. An image with the tag ``broken`` cannot be provisioned. ``POST /slow/2`` makes
every change take two more looks at it; ``POST /change/OPERATION`` has somebody else change the function just before the
next call of that operation.
"""

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

import botocore.session
from moto.awslambda import urls
from moto.awslambda.exceptions import GenericResourcNotFound, LambdaClientError
from moto.awslambda.models import LambdaFunction
from moto.awslambda.policy import Policy
from moto.awslambda.responses import LambdaResponse
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

Environment = dict[str, Any]
Application = Callable[[Environment, Callable[..., Any]], Iterable[bytes]]
# Lambda's own words.
_BROKEN = "Lambda cannot read the image's manifest: its media type is not supported."
_CONTROLS: dict[str, Any] = {"slow": 0, "change": None}


class ConflictError(LambdaClientError):
    """Lambda's 409."""

    code = 409

    def __init__(self, message: str) -> None:
        super().__init__("ResourceConflictException", message)


class NotProvisionedError(LambdaClientError):
    """Lambda's 404 for this alone."""

    code = 404

    def __init__(self) -> None:
        super().__init__("ProvisionedConcurrencyConfigNotFoundException", "No Provisioned Concurrency Config found")


def _begin(function: LambdaFunction, what: str) -> None:
    """Begin a change: ``State`` of a creation, ``LastUpdateStatus`` of an update."""
    function.change, function.looks_left = what, _CONTROLS["slow"]


def _describe(function: LambdaFunction) -> dict[str, str]:
    what = getattr(function, "change", "State")
    if getattr(function, "looks_left", 0):
        now = {"State": "Pending"} if what == "State" else {"LastUpdateStatus": "InProgress"}
    elif function.code.get("ImageUri", "").endswith(":broken"):
        now = {what: "Failed", f"{what}Reason": _BROKEN}
    else:
        now = {}
    return {"State": "Active", "LastUpdateStatus": "Successful", **now}


def _refuse_while_busy(function: LambdaFunction) -> None:
    if getattr(function, "looks_left", 0):
        raise ConflictError(
            "The operation cannot be performed at this time. "
            f"An update is in progress for resource: {function.function_arn}"
        )


def _look(function: LambdaFunction) -> None:
    if getattr(function, "looks_left", 0):
        function.looks_left -= 1


def _wrap(name: str, before: Callable[..., None] | None = None, after: Callable[..., None] | None = None) -> None:
    """Do something before or after an operation, with its function."""
    operation = getattr(LambdaResponse, name)

    def wrapped(self: LambdaResponse) -> Any:
        # URLs and permissions are the function's own here, whatever alias they are asked for.
        qualifier = self._get_param("Qualifier") if name == "get_function_configuration" else None
        function = self.backend.get_function(unquote(self.path).split("/")[3], qualifier)
        if _CONTROLS["change"] == name:
            # Somebody else was quicker.
            _CONTROLS["change"] = None
            function.change, function.looks_left = "LastUpdateStatus", 1
        if before is not None:
            before(function)
        answer = operation(self)
        if after is not None:
            after(function)
        return answer

    setattr(LambdaResponse, name, wrapped)


def _create_function(self: LambdaResponse) -> Any:
    answer = _CREATE(self)
    _begin(self.backend.get_function(self.json_body["FunctionName"], None), "State")
    return answer


def _publish_version(self: LambdaResponse) -> Any:
    answer = _PUBLISH(self)
    name = unquote(self.path).split("/")[-2]
    published = self.backend.get_function(name, json.loads(answer[2])["Version"])
    _begin(published, "State")
    return answer


def _configuration(self: LambdaFunction, on_create: bool = False) -> dict[str, Any]:
    return {**_CONFIGURATION(self, on_create), **_describe(self)}


def _add_statement(self: Policy, raw: str, qualifier: str | None = None) -> Any:
    if (sid := json.loads(raw)["StatementId"]) in [statement["Sid"] for statement in self.statements]:
        raise ConflictError(f"The statement id ({sid}) provided already exists. Please provide a new statement id.")
    return _ADD_STATEMENT(self, raw, qualifier)


def _refuse_second_url(function: LambdaFunction) -> None:
    if function.url_config is not None:
        raise ConflictError(f"FunctionUrlConfig exists for this Lambda function: {function.function_arn}")


def _refuse_no_url(function: LambdaFunction) -> None:
    if function.url_config is None:
        raise GenericResourcNotFound


def _function(self: LambdaResponse) -> LambdaFunction:
    self.backend.get_alias(self._get_param("Qualifier"), name := unquote(self.path).split("/")[-2])
    function: LambdaFunction = self.backend.get_function(name, None)
    return function


def _put_provisioned(self: LambdaResponse) -> Any:
    function = _function(self)
    function.provisioned = self.json_body["ProvisionedConcurrentExecutions"]
    function.provisioning_looks_left = _CONTROLS["slow"]
    return 202, {}, _provisioned_answer(function)


def _get_provisioned(self: LambdaResponse) -> Any:
    function = _function(self)
    answer = _provisioned_answer(function)
    function.provisioning_looks_left = max(0, function.provisioning_looks_left - 1)
    return 200, {}, answer


def _delete_provisioned(self: LambdaResponse) -> Any:
    function = _function(self)
    _provisioned_answer(function)
    function.provisioned = None
    return 204, {}, ""


def _provisioned_answer(function: LambdaFunction) -> str:
    wanted = getattr(function, "provisioned", None)
    if wanted is None:
        raise NotProvisionedError
    status = "IN_PROGRESS" if function.provisioning_looks_left else "READY"
    # More than the account may have at once.
    failed = {"Status": "FAILED", "StatusReason": "FUNCTION_ERROR_INIT_FAILURE"} if wanted > 900 else {}
    return json.dumps({"RequestedProvisionedConcurrentExecutions": wanted, "Status": status, **failed})


def _operation_patterns() -> Iterator[tuple[str, re.Pattern[str], Any]]:
    model = botocore.session.Session().get_service_model("lambda")
    for name in model.operation_names:
        operation = model.operation_model(name)
        path = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(operation.http["requestUri"].split("?")[0]))
        if "?" not in operation.http["requestUri"]:
            yield operation.http["method"], re.compile(path.rstrip("/") + "/?"), operation


_PATTERNS = tuple(_operation_patterns())


def read_call(environment: Environment, body: bytes) -> dict[str, Any] | None:
    """What was called, by the API's own description."""
    for method, pattern, operation in _PATTERNS:
        match = pattern.fullmatch(environment["PATH_INFO"])
        if method == environment["REQUEST_METHOD"] and match:
            places = {**match.groupdict(), **dict(parse_qsl(environment["QUERY_STRING"]))}
            parameters = json.loads(body) if body else {}
            for name, shape in operation.input_shape.members.items():
                if (place := shape.serialization.get("name", name)) in places:
                    parameters[name] = unquote(places[place])
            return {"service": "lambda", "operation": operation.name, "parameters": parameters}
    return None


def recording(application: Application, calls: Path) -> Application:
    """Writes the calls of Lambda down before they are answered, and takes orders of the tests."""

    def answer(environment: Environment, start_response: Callable[..., Any]) -> Iterable[bytes]:
        _, order, *value = environment["PATH_INFO"].split("/")
        if order in _CONTROLS:
            _CONTROLS[order] = int(value[0]) if order == "slow" else value[0]
            start_response("200 OK", [])
            return [b""]
        body: bytes = environment["wsgi.input"].read(int(environment.get("CONTENT_LENGTH") or 0))
        environment["wsgi.input"] = BytesIO(body)
        if (call := read_call(environment, body)) is not None:
            with calls.open("a") as file:
                file.write(json.dumps(call) + "\n")
        return application(environment, start_response)

    return answer


_CREATE, _PUBLISH = LambdaResponse.create_function, LambdaResponse.publish_version
_CONFIGURATION, _ADD_STATEMENT = LambdaFunction.get_configuration, Policy.add_statement


def main(ready_file: Path, calls: Path) -> None:
    """Serve until the process is ended."""
    LambdaResponse.create_function, LambdaResponse.publish_version = _create_function, _publish_version
    LambdaFunction.get_configuration, Policy.add_statement = _configuration, _add_statement
    for name in ("update_function_code", "update_function_configuration"):
        _wrap(name, _refuse_while_busy, lambda function: _begin(function, "LastUpdateStatus"))
    _wrap("publish_version", _refuse_while_busy)
    _wrap("get_function", after=_look)
    _wrap("get_function_configuration", after=_look)
    _wrap("create_function_url_config", _refuse_second_url)
    for name in ("update_function_url_config", "delete_function_url_config"):
        _wrap(name, _refuse_no_url)
    LambdaResponse.put_provisioned_concurrency_config = _put_provisioned
    LambdaResponse.get_provisioned_concurrency_config = _get_provisioned
    LambdaResponse.delete_provisioned_concurrency_config = _delete_provisioned
    path = r"{0}/(?P<api_version>[^/]+)/functions/(?P<function_name>[\w_:%-]+)/provisioned-concurrency/?$"
    urls.url_paths[path] = LambdaResponse.dispatch
    application = recording(DomainDispatcherApplication(create_backend_app), calls)
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=MotoRequestHandler)
    partial = ready_file.with_suffix(".partial")
    partial.write_text(str(server.server_port))
    partial.replace(ready_file)
    server.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
