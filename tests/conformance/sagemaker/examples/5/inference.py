"""One handler, which needs a module of code/lib; beside that, nothing of requirements.txt is installed."""

import json
from typing import Any

import dummy_module
import requests


def handler(data: Any, context: Any) -> tuple[bytes, str]:
    body = data.read().decode()
    if context.request_content_type == "text/csv":
        body = json.dumps({"instances": dummy_module.split_numbers(body)})
    elif context.request_content_type != "application/json":
        raise ValueError(f"unsupported content type {context.request_content_type}")
    response = requests.post(context.rest_uri, data=body, timeout=60)
    if response.status_code != 200:
        raise ValueError(response.text)
    return response.content, context.accept_header
