"""Both handlers: JSON goes to the model as it came, the values of a line of CSV as so many instances."""

import json
from typing import Any


def input_handler(data: Any, context: Any) -> str:
    body: str = data.read().decode()
    if context.request_content_type == "application/json":
        return body
    if context.request_content_type == "text/csv":
        return json.dumps({"instances": [float(value) for value in body.split(",")]})
    raise ValueError(f"unsupported content type {context.request_content_type}")


def output_handler(response: Any, context: Any) -> tuple[bytes, str]:
    if response.status_code != 200:
        raise ValueError(response.text)
    return response.content, context.accept_header
