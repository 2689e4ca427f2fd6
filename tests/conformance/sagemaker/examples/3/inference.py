"""One handler, which needs a package of requirements.txt."""

import json
from typing import Any

import PIL
import requests


def handler(data: Any, context: Any) -> tuple[bytes, str]:
    if not PIL.__version__:
        raise RuntimeError("this is not the Pillow of requirements.txt")
    body = data.read().decode()
    if context.request_content_type == "text/csv":
        body = json.dumps({"instances": [float(value) for value in body.split(",")]})
    elif context.request_content_type != "application/json":
        raise ValueError(f"unsupported content type {context.request_content_type}")
    response = requests.post(context.rest_uri, data=body, timeout=60)
    if response.status_code != 200:
        raise ValueError(response.text)
    return response.content, context.accept_header
