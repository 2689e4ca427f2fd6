"""The trace a log line belongs to, in the fields by which Cloud Logging correlates lines with requests.

https://cloud.google.com/logging/docs/structured-logging#special-payload-fields
"""

import re

from serverless_dnn.runtime.rpc.calls import current_metadata

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-[0-9a-f]{2}")
_CLOUD_TRACE = re.compile(r"(?P<trace>[0-9a-f]{32})(?:/(?P<span>\d{1,20}))?(?:;o=\d)?")


def trace_fields(project: str | None) -> dict[str, str]:
    """The trace fields for the line being logged.

    Args:
        project: The project's id; without it Cloud Logging cannot find the trace, so there are no fields.

    Returns:
        Trace and span of the current call; empty outside a call, or if the caller sent none.
    """
    if project is None:
        return {}
    metadata = current_metadata()
    if match := _TRACEPARENT.fullmatch(metadata.get("traceparent", "")):
        span = match["span"]
    elif match := _CLOUD_TRACE.fullmatch(metadata.get("x-cloud-trace-context", "")):
        span = f"{int(match['span'] or 0):016x}"
    else:
        return {}
    return {
        "logging.googleapis.com/trace": f"projects/{project}/traces/{match['trace']}",
        "logging.googleapis.com/spanId": span,
    }
