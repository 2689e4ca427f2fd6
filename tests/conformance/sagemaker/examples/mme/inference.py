"""Both handlers, for every model of a multi-model endpoint; they need a package of requirements.txt."""

import json
from typing import Any

import PIL


def input_handler(data: Any, context: Any) -> str:
    if not PIL.__version__:
        raise RuntimeError("this is not the Pillow of requirements.txt")
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
