"""Rewrite JSON bodies that are not TensorFlow Serving's own as if they were.

The rules are those of the TensorFlow Serving container that AWS published: a body with the key ``instances``,
``inputs`` or ``examples`` is passed on unchanged, lines of JSON are an instance each, and anything else is one
instance, except that a list of lists, or of objects of named inputs, is a list of instances.
"""

import re
from collections.abc import Iterator

from serverless_dnn.runtime.errors import InvalidArgumentError

_OWN_KEY = re.compile(rb'"(?:instances|inputs|examples)"\s*:')
# The end of one JSON document and the begin of the next.
_SEAM = re.compile(rb"[}\]]\s*[{\[]")
_LIST_OF_LISTS = re.compile(rb"\s*\[\s*\[")
# Lists of {"b64": ...} objects are lists of strings: one instance.
_LIST_OF_OBJECTS = re.compile(rb'\s*\[\s*\{\s*"(?!b64")')
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


def rewrite_json(body: bytes, *, key: str = "instances", by_line: bool = False) -> bytes:
    """Rewrite a body as TensorFlow Serving's JSON.

    Args:
        body: JSON text, or several JSON texts one after the other.
        key: The key for a list of instances: ``instances``, or ``examples`` for classify and regress.
        by_line: Whether every line is an instance, even a bare number or string: the body's type is JSON lines.

    Returns:
        The body itself if it is TensorFlow Serving's JSON already.

    Raises:
        InvalidArgumentError: The body is empty.
    """
    text = body.strip()
    if not text:
        raise InvalidArgumentError("JSON Parse error: The document is empty")
    is_own = text.startswith(b"{") and _OWN_KEY.search(text) is not None
    if is_own and b"\n" not in text:
        return body
    has_seam = _SEAM.search(text) is not None
    lines = [line for line in text.splitlines() if line.strip()] if by_line or has_seam else [text]
    are_documents = len(lines) > 1 and all(_is_document(line) for line in lines)
    # Several documents, although the first of them looks like a whole request: an input may be called inputs.
    if is_own and not are_documents:
        return body
    if are_documents or (by_line and len(lines) > 1 and not has_seam):
        return _wrap(b",".join(lines), key)
    if has_seam and len(documents := list(_split(text))) > 1:
        return _wrap(b",".join(documents), key)
    if _LIST_OF_LISTS.match(text) or _LIST_OF_OBJECTS.match(text):
        return b'{"%s":%s}' % (key.encode(), text)
    return _wrap(text, key)


def _wrap(instances: bytes, key: str) -> bytes:
    return b'{"%s":[%s]}' % (key.encode(), instances)


def _is_document(line: bytes) -> bool:
    """Whether a line looks like one whole object or list."""
    line = line.strip()
    if line[:1] + line[-1:] not in (b"{}", b"[]"):
        return False
    return _SEAM.search(line) is None or len(list(_split(line))) == 1


def _split(text: bytes) -> Iterator[bytes]:
    """Each of several objects and lists that follow one another, on lines of their own or not."""
    depth, begin = 0, 0
    for token in _TOKEN.finditer(text):
        mark = token[0]
        if mark in b"[{":
            depth += 1
        elif mark in b"]}":
            depth -= 1
            if depth == 0:
                yield text[begin : token.end()].strip()
                begin = token.end()
    if rest := text[begin:].strip():
        yield rest
