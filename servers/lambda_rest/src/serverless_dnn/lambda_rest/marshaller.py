"""Passes events to the handler, and results from it, as JSON text: nothing is parsed twice.

Lambda's runtime client lets a function replace how events are parsed and results are printed; its own parser knows
neither deep nesting nor large integers, and takes several times as long.
"""

import sys
from typing import Any

_CLIENT_MODULE = "awslambdaric.lambda_runtime_client"


class JsonTextMarshaller:
    """Leaves JSON text to the handler; has the methods of the runtime client's own marshaller."""

    def unmarshal_request(self, request: bytes | str, content_type: str = "application/json") -> bytes:  # noqa: ARG002
        """The event's text.

        Args:
            request: The text.
            content_type: Its content type, which is JSON for every event of Lambda's.
        """
        return request.encode("utf-8", "surrogatepass") if isinstance(request, str) else request

    def marshal_response(self, response: bytes) -> tuple[bytes, str]:
        """The result's text and its content type.

        Args:
            response: The text.
        """
        return response, "application/json"


def pass_json_text() -> bool:
    """Use it, in a process that Lambda's runtime client has started.

    Returns:
        Whether it is used: false in other processes, such as a test's.
    """
    client_module: Any = sys.modules.get(_CLIENT_MODULE)
    if client_module is None:
        return False
    client_module.BaseLambdaRuntimeClient.marshaller = JsonTextMarshaller()
    return True
