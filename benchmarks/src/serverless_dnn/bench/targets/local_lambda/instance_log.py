"""The lines that Lambda itself writes into an instance's log, and the log's tail.

The lines are those of functions that log as text
(https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html).
"""

import os
from pathlib import Path

from serverless_dnn.bench.targets.local_lambda.function import VERSION
from serverless_dnn.bench.targets.records import Invocation, Status

# https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html (LogType)
_TAIL_BYTES = 4096


class InstanceLog:
    """The log of one instance, to which its process writes as well.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: int | None = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        self._invocation_begin = 0

    def init_failed(self, phase: str, duration_ns: int, status: Status, error_type: str | None) -> None:
        """Tell of an init phase that failed; Lambda says nothing of one that succeeds.

        Args:
            phase: ``init``, or ``invoke`` for one that is run again as part of an invocation.
            duration_ns: How long it took.
            status: How it ended.
            error_type: The error's type.
        """
        fields = [f"INIT_REPORT Init Duration: {duration_ns / 1e6:.2f} ms", f"Phase: {phase}"]
        self._write("\t".join([*fields, *_status_fields(status, error_type)]) + "\n")

    def begin(self, request_id: str) -> None:
        """Begin an invocation.

        Args:
            request_id: Its id.
        """
        self._invocation_begin = self._size()
        self._write(f"START RequestId: {request_id} Version: {VERSION}\n")

    def end(self, invocation: Invocation, *, survived: bool) -> None:
        """End an invocation.

        Args:
            invocation: Its facts.
            survived: Whether the process survived it. An error that the runtime client itself reports is not in the
                line: only the platform's own are.
        """
        fields = [
            f"REPORT RequestId: {invocation.request_id}",
            f"Duration: {invocation.duration_ns / 1e6:.2f} ms",
            f"Billed Duration: {invocation.billed_ms} ms",
            f"Memory Size: {invocation.memory_mb} MB",
            f"Max Memory Used: {invocation.max_memory_mb} MB",
        ]
        if invocation.init_ns is not None:
            fields.append(f"Init Duration: {invocation.init_ns / 1e6:.2f} ms")
        fields += [""] if survived else _status_fields(invocation.status, invocation.error_type)
        self._write(f"END RequestId: {invocation.request_id}\n" + "\t".join(fields) + "\n")

    def tail(self) -> bytes:
        """The last 4 KB of the latest invocation's log."""
        if self._file is None:
            return b""
        end = self._size()
        begin = max(self._invocation_begin, end - _TAIL_BYTES)
        return os.pread(self._file, end - begin, begin)

    def close(self) -> None:
        """Close the file; an invocation that ends afterwards, because it was stopped, is no longer logged."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _size(self) -> int:
        return 0 if self._file is None else os.fstat(self._file).st_size

    def _write(self, text: str) -> None:
        if self._file is not None:
            os.write(self._file, text.encode())


def _status_fields(status: Status, error_type: str | None) -> list[str]:
    return [f"Status: {status}", *([f"Error Type: {error_type}"] if status == "error" else [])]
