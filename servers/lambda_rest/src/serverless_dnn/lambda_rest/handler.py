"""The Lambda handler: TensorFlow Serving's REST API in a Lambda function.

Importing this module loads the model, in Lambda's init phase. Set the handler to
``serverless_dnn.lambda_rest.handler.handler``.
"""

import logging
import os
import sys
from typing import Any

from serverless_dnn.lambda_rest.function import instance_id, load_function
from serverless_dnn.lambda_rest.initialization import Initialization, init_left_s
from serverless_dnn.lambda_rest.invocation_log import current_fields, field_names
from serverless_dnn.lambda_rest.invocations import Invocations
from serverless_dnn.lambda_rest.marshaller import pass_json_text
from serverless_dnn.lambda_rest.options import LambdaOptions, default_model_folder
from serverless_dnn.lambda_rest.snapstart import register_hooks
from serverless_dnn.runtime.commands.memory import keep_freed_memory
from serverless_dnn.runtime.commands.ready_file import announce_ready
from serverless_dnn.runtime.errors import DeadlineExceededError, ServingError
from serverless_dnn.runtime.logs import add_log_fields, log_to_stderr
from serverless_dnn.runtime.options import from_values, values_from_environment
from serverless_dnn.runtime.settings import ServerSettings, TransferOptions
from serverless_dnn.runtime.timing import Instance

_log = logging.getLogger(__name__)
_RUNTIME_ERRORS = "awslambdaric.lambda_runtime_exception"


def _start() -> Invocations:
    keep_freed_memory()
    log_to_stderr(names=field_names())
    add_log_fields(current_fields)
    pass_json_text()
    instance = Instance()
    instance.id = instance_id() or instance.id
    settings = ServerSettings.from_environment(default_base_path=default_model_folder())
    options = from_values(LambdaOptions, values_from_environment(LambdaOptions))
    transfers = from_values(TransferOptions, values_from_environment(TransferOptions))
    initialization = Initialization(lambda: load_function(settings, options, transfers, instance, invocations.observe))
    invocations = Invocations(initialization, instance, options)
    initialization.start()
    register_hooks(instance, initialization.wait)
    try:
        initialization.wait(init_left_s(instance.birth_ns, options.init_timeout_s))
    except DeadlineExceededError:
        _log.warning("the model is still being loaded: the first request waits for it")
    announce_ready(settings.ready_file, os.environ.get("AWS_LAMBDA_RUNTIME_API", ""), 0)
    return invocations


def _refuse(error: ServingError) -> Exception:
    """What ends an init that cannot succeed, with one line that says why instead of a traceback."""
    errors: Any = sys.modules.get(_RUNTIME_ERRORS)
    if errors is None:
        return error
    sys.stderr.write(f"sdnn-lambda: {error}\n")
    fault: Exception = errors.FaultException("ServerlessDnn.InitError", str(error))
    return fault


try:
    _invocations = _start()
except ServingError as error:
    raise _refuse(error) from None


def handler(event: Any, context: object) -> Any:
    """Answer one event.

    Args:
        event: An event from a function URL, an API or a load balancer, a direct Invoke with a bare TensorFlow Serving
            body or with ``{"path": ..., "body": ...}``, or a scheduled warm-up; JSON text, or parsed.
        context: Lambda's context.

    Returns:
        The result in the form that the event's sender expects; errors are results too.
    """
    return _invocations.handle(event, context)
