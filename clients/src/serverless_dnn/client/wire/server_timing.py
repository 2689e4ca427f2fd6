"""Parse the ``Server-Timing`` text (W3C Server Timing, https://www.w3.org/TR/server-timing/)."""

import re

from serverless_dnn.client.prediction import ServerTiming

_WORD = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_PARAMETER = re.compile(rf';\s*({_WORD})\s*(?:=\s*(?:({_WORD})|"((?:[^"\\]|\\.)*)"))?')
_METRIC = re.compile(rf"\s*({_WORD})((?:\s*{_PARAMETER.pattern})*)\s*(?:,|$)")
_DESCRIPTIONS = ("instance", "engine")


def parse_server_timing(text: str) -> ServerTiming:
    """Parse the text of one response.

    Args:
        text: For example ``compute;dur=9.9, total;dur=11.3, instance;desc="3f2a9c"``.

    Returns:
        Its durations and descriptions. As the standard requires, the first of repeated parameters counts, and unknown
        or malformed ones are ignored.
    """
    phases_ms: dict[str, float] = {}
    described: dict[str, str] = {}
    position = 0
    while position < len(text) and (metric := _METRIC.match(text, position)):
        position = metric.end()
        parameters: dict[str, str] = {}
        for name, token, quoted in _PARAMETER.findall(metric[2]):
            parameters.setdefault(name.lower(), token or re.sub(r"\\(.)", r"\1", quoted))
        if "dur" in parameters:
            try:
                phases_ms.setdefault(metric[1], float(parameters["dur"]))
            except ValueError:
                continue
        if metric[1] in _DESCRIPTIONS and "desc" in parameters:
            described.setdefault(metric[1], parameters["desc"])
    return ServerTiming(phases_ms, described.get("instance", ""), described.get("engine", ""))
