"""Lambda's API through Amazon's SDK, and its errors as ours; the one module that imports it."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import boto3
from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, WaiterError
from botocore.waiter import WaiterModel, create_waiter_with_client

from serverless_dnn.runtime.errors import (
    AbortedError,
    AlreadyExistsError,
    DeadlineExceededError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    ResourceExhaustedError,
    ServingError,
    UnauthenticatedError,
    UnavailableError,
)

# Called with what is waited for, and the seconds since the wait began.
OnStatus = Callable[[str, float], None]
_POLL_S = 1
# Half an hour: an image of 10 GB takes Lambda minutes.
_MOST_POLLS = 1800
_NOT_FOUND = frozenset({"ResourceNotFoundException", "ProvisionedConcurrencyConfigNotFoundException"})
_ERRORS: Mapping[str, type[ServingError]] = {
    **dict.fromkeys(_NOT_FOUND, NotFoundError),
    "AccessDeniedException": PermissionDeniedError,
    "PublicPolicyException": PermissionDeniedError,
    "InvalidParameterValueException": InvalidArgumentError,
    "ValidationException": InvalidArgumentError,
    "TooManyRequestsException": ResourceExhaustedError,
    "CodeStorageExceededException": ResourceExhaustedError,
    "UnrecognizedClientException": UnauthenticatedError,
    "InvalidSignatureException": UnauthenticatedError,
    "ExpiredTokenException": UnauthenticatedError,
    "ServiceException": UnavailableError,
}
# What to do about messages that do not say it.
_HINTS = {
    "cannot be assumed by Lambda": "check --role: it must be there and trust lambda.amazonaws.com; a new role takes "
    "some seconds",
    "value less than or equal to 3008": "new accounts have at most 3,008 MB; ask AWS Support for more",
}
# botocore has no waiter of its own for this.
_PROVISIONED = {
    "operation": "GetProvisionedConcurrencyConfig",
    "delay": _POLL_S,
    "maxAttempts": _MOST_POLLS,
    "acceptors": [
        {"matcher": "path", "argument": "Status", "expected": "READY", "state": "success"},
        {"matcher": "path", "argument": "Status", "expected": "FAILED", "state": "failure"},
    ],
}


class LambdaApi:
    """Lambda in one account and region.

    Args:
        region: The region; by default the one of the environment or the profile.
        endpoint_url: Where the API is; by default at Amazon.

    Attributes:
        region: The region.

    Raises:
        ServingError: There is no region, or no such profile.
    """

    def __init__(self, region: str | None, endpoint_url: str | None) -> None:
        with explained("configuration"):
            # boto3 reads AWS_DEFAULT_REGION alone; Amazon's other SDKs, and its command line, read this.
            session = boto3.Session(region_name=region or os.environ.get("AWS_REGION"))
            if session.region_name is None:
                raise FailedPreconditionError("no region: pass --region, or set AWS_REGION")
            self._client = session.client("lambda", endpoint_url=endpoint_url)
        self.region: str = session.region_name

    def call(self, operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """Make a call.

        Args:
            operation: For example ``CreateFunction``.
            parameters: As the API reference names them.

        Returns:
            The answer.

        Raises:
            AbortedError: Lambda is still at another change of the function.
            ServingError: It failed for another reason.
        """
        with explained(operation):
            answer: Mapping[str, Any] = getattr(self._client, xform_name(operation))(**parameters)
        return answer

    def find(self, operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Make a call that may find nothing.

        Args:
            operation: For example ``GetFunction``.
            parameters: As the API reference names them.

        Returns:
            The answer; ``None`` if there is no such thing.

        Raises:
            ServingError: It failed for another reason.
        """
        try:
            return self.call(operation, parameters)
        except NotFoundError:
            return None

    def wait(self, waiter: str, operation: str, parameters: Mapping[str, Any], on_status: OnStatus) -> None:
        """Repeat a call until something is ready.

        Args:
            waiter: botocore's waiter.
            operation: The call that it repeats.
            parameters: The call's parameters.
            on_status: Told the status after each call.

        Raises:
            FailedPreconditionError: It failed; the message has Lambda's reason.
            DeadlineExceededError: It took longer than half an hour.
            ServingError: The call failed.
        """
        begin = time.monotonic()

        def tell(parsed: Mapping[str, Any], **_: object) -> None:
            on_status(_status(waiter, parsed), time.monotonic() - begin)

        event = f"after-call.lambda.{operation}"
        self._client.meta.events.register(event, tell)
        try:
            with explained(operation):
                config = {"Delay": _POLL_S, "MaxAttempts": _MOST_POLLS}
                self._waiter(waiter).wait(**parameters, WaiterConfig=config)
        except WaiterError as error:
            raise _wait_error(operation, parameters["FunctionName"], error) from error
        finally:
            self._client.meta.events.unregister(event, tell)

    def _waiter(self, name: str) -> Any:
        if name == "provisioned_ready":
            model = WaiterModel({"version": 2, "waiters": {"ProvisionedReady": _PROVISIONED}})
            return create_waiter_with_client("ProvisionedReady", model, self._client)
        return self._client.get_waiter(name)


@contextmanager
def explained(operation: str) -> Iterator[None]:
    """Turn the SDK's errors into ours, on one line; but for those of waiters.

    Args:
        operation: What is tried, for errors that do not say it.

    Raises:
        ServingError: The SDK raised an error.
    """
    try:
        yield
    except ClientError as error:
        raise _service_error(error.operation_name, error.response["Error"]) from error
    except NoCredentialsError:
        raise UnauthenticatedError(
            "no AWS credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        ) from None
    except WaiterError:
        raise
    except (BotoCoreError, ValueError) as error:
        raise UnavailableError(f"{operation}: {' '.join(str(error).split())}") from error


def _service_error(operation: str, answer: Mapping[str, str]) -> ServingError:
    code, message = answer["Code"], " ".join(answer.get("Message", "").split())
    kind = _ERRORS.get(code, FailedPreconditionError)
    if code == "ResourceConflictException":
        # One code for what is there already, and for a function that is being changed.
        kind = AlreadyExistsError if operation.startswith(("Create", "Add")) else AbortedError
    hints = [f": {hint}" for text, hint in _HINTS.items() if text in message]
    return kind(f"{operation}: {code}: {message.rstrip('.')}{''.join(hints)}")


def _wait_error(operation: str, name: str, error: WaiterError) -> ServingError:
    answer = error.last_response or {}
    if "Error" in answer:
        return _service_error(operation, answer["Error"])
    if "Max attempts" in str(error):
        return DeadlineExceededError(f"{name} is not ready after {_POLL_S * _MOST_POLLS} s")
    about = answer.get("Configuration", answer)
    reasons = [about.get(key) for key in ("LastUpdateStatusReason", "StateReason", "StatusReason")]
    reason = next((" ".join(reason.split()) for reason in reasons if reason), "Lambda gives no reason")
    return FailedPreconditionError(f"{name}: {reason}")


def _status(waiter: str, answer: Mapping[str, Any]) -> str:
    """What a waiter looks at, in Lambda's words; ``unknown`` in an error's answer."""
    about = answer.get("Configuration", answer)
    key = {"function_updated_v2": "LastUpdateStatus", "provisioned_ready": "Status"}.get(waiter, "State")
    return str(about.get(key, "unknown"))
