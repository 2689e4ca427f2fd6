"""The Lambda handler: TensorFlow Serving's REST API in a Lambda function.

Importing this module loads the model, in Lambda's init phase. Set the handler to
``serverless_dnn.lambda_rest.handler.handler``.
"""

import sys
from typing import TYPE_CHECKING, Any

from serverless_dnn.runtime import collector
from serverless_dnn.runtime.errors import ServingError

if TYPE_CHECKING:
    from serverless_dnn.lambda_rest.invocations import Invocations

_RUNTIME_ERRORS = "awslambdaric.lambda_runtime_exception"


def _refuse(error: ServingError) -> Exception:
    """What ends an init that cannot succeed, with one line that says why instead of a traceback."""
    errors: Any = sys.modules.get(_RUNTIME_ERRORS)
    if errors is None:
        return error
    sys.stderr.write(f"sdnn-lambda: {error}\n")
    fault: Exception = errors.FaultException("ServerlessDnn.InitError", str(error))
    return fault


def _start() -> "Invocations":
    with collector.paused():
        from serverless_dnn.lambda_rest.start import start_function

        return start_function()


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
