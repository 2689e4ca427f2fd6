"""Log lines that CloudWatch understands: fields by its names, the request's id and trace, and metrics inside the log.

The line of metrics is CloudWatch's embedded metric format
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html):
a dashboard needs neither an agent nor calls to an API.
"""

import json
import os
import re
import sys
import time
from collections.abc import Mapping
from typing import Any

_NAMESPACE = "ServerlessDnn"
_DURATION = re.compile(r"(?P<name>[a-z_-]+);dur=(?P<milliseconds>[0-9.]+)")
_FIELDS = {"severity": "level", "time": "timestamp"}
_COUNTS = ("ColdStarts", "Errors")
_current: dict[str, str] = {}


def begin_invocation(context: object) -> None:
    """Note the invocation that lines logged from now on belong to.

    Args:
        context: Lambda's context; anything else has no request id.
    """
    request_id = getattr(context, "aws_request_id", None)
    trace = os.environ.get("_X_AMZN_TRACE_ID")
    _current.clear()
    _current.update({"requestId": str(request_id)} if request_id else {})
    _current.update({"xrayTraceId": trace} if trace else {})


def current_fields() -> Mapping[str, str]:
    """The fields of the current invocation, for every log line."""
    return _current


def current_trace() -> str | None:
    """The current invocation's X-Ray trace header, to be passed on; ``None`` if there is none."""
    return _current.get("xrayTraceId")


def field_names() -> Mapping[str, str]:
    """The names that Lambda expects of the fields of JSON log lines, by our own."""
    return _FIELDS


def log_metrics(timing: str, status: int, model: str, *, is_cold: bool) -> None:
    """Print the metrics of one invocation.

    Args:
        timing: Its ``Server-Timing`` text.
        status: Its HTTP status.
        model: The model that answered; empty if none was found.
        is_cold: Whether it was the first of its instance.
    """
    values: dict[str, float] = {"ColdStarts": int(is_cold), "Errors": int(status >= 400)}
    for match in _DURATION.finditer(timing):
        values[match["name"].title().replace("-", "")] = float(match["milliseconds"])
    metrics = [{"Name": name, "Unit": "Count" if name in _COUNTS else "Milliseconds"} for name in values]
    dimensions = {"FunctionName": os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "local"), "Model": model or "none"}
    line: dict[str, Any] = {
        "_aws": {
            "Timestamp": time.time_ns() // 1_000_000,
            "CloudWatchMetrics": [
                {"Namespace": _NAMESPACE, "Dimensions": [list(dimensions)], "Metrics": metrics},
            ],
        },
        **dimensions,
        **values,
        "Status": status,
        **_current,
    }
    # To the log as it is: a logger would wrap it.
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
