"""The body of a request that names pre-signed URLs in place of tensors."""

import json
from dataclasses import dataclass, field

from serverless_dnn.runtime.errors import InvalidArgumentError

# Two URLs with session tokens, twice over.
_MAX_BYTES = 16_384
_NAMES = ("inputs_url", "outputs_url")
_KEYS = tuple(f'"{name}"'.encode() for name in _NAMES)


@dataclass(frozen=True)
class TransferRequest:
    """Where to read a request's body, and where to write its response.

    Attributes:
        inputs_url: A URL that answers GET with the body; a secret.
        outputs_url: A URL that takes the response by PUT; a secret. ``None`` to return the response.
    """

    inputs_url: str = field(repr=False)
    outputs_url: str | None = field(default=None, repr=False)


def read_transfer_request(body: bytes) -> TransferRequest | None:
    """Read a body such as ``{"inputs_url": "https://...", "outputs_url": "https://..."}``; the latter is optional.

    Args:
        body: Any request's body.

    Returns:
        The URLs, not yet checked; ``None`` for a body that names none, which costs next to nothing to find out.

    Raises:
        InvalidArgumentError: The body names URLs, but is malformed. The message quotes no value.
    """
    begins = _begins_with_url(body)
    if len(body) > _MAX_BYTES:
        if begins:
            raise InvalidArgumentError(
                f"a body with inputs_url must have at most {_MAX_BYTES} bytes, got {len(body)}: its tensors belong to "
                "the body that is read from there"
            )
        return None
    if not begins and not any(key in body for key in _KEYS):
        return None
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        if not begins:
            return None  # It may be a body of another kind, whose decoder says what is wrong with it.
        raise InvalidArgumentError("a body with inputs_url must be a JSON object; this one is not valid JSON") from None
    # A model's input may have such a name as well, further down.
    if not isinstance(document, dict) or not any(name in document for name in _NAMES):
        return None
    return _read(document)


def _begins_with_url(body: bytes) -> bool:
    begin = body[:128].removeprefix(b"\xef\xbb\xbf").lstrip()
    return begin.startswith(b"{") and begin[1:].lstrip().startswith(_KEYS)


def _read(document: dict[str, object]) -> TransferRequest:
    if others := sorted(set(document) - set(_NAMES)):
        named = ", ".join(f"{name[:100]!r}" for name in others[:5])
        raise InvalidArgumentError(f"a body with URLs has the keys inputs_url and outputs_url alone, got also {named}")
    urls = {}
    for name, value in document.items():
        if not isinstance(value, str):
            raise InvalidArgumentError(f"{name} must be a string with a URL, got {type(value).__name__}")
        urls[name] = value
    if "inputs_url" not in urls:
        raise InvalidArgumentError("a body with outputs_url needs inputs_url too: the URL to read the tensors from")
    return TransferRequest(**urls)
