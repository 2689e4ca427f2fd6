"""A session of Amazon's SDK, and its errors as ours."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import boto3
from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from serverless_dnn.runtime.errors import (
    AlreadyExistsError,
    FailedPreconditionError,
    PermissionDeniedError,
    ResourceExhaustedError,
    ServingError,
    UnauthenticatedError,
    UnavailableError,
)

_ERRORS: Mapping[str, type[ServingError]] = {
    "AccessDenied": PermissionDeniedError,
    "AccessDeniedException": PermissionDeniedError,
    "ResourceLimitExceeded": ResourceExhaustedError,
    "ThrottlingException": ResourceExhaustedError,
    "UnrecognizedClientException": UnauthenticatedError,
    "InvalidClientTokenId": UnauthenticatedError,
    "ExpiredToken": UnauthenticatedError,
    "ExpiredTokenException": UnauthenticatedError,
}


class Session(boto3.Session):  # type: ignore[misc]
    """Makes every client for one endpoint URL: SageMaker's SDK makes its own clients, and has no option for it.

    Args:
        region: The region; by default the one of the environment or the profile.
        endpoint_url: Where the APIs are; by default at Amazon.

    Raises:
        ServingError: There is no region, or no such profile.
    """

    def __init__(self, region: str | None, endpoint_url: str | None) -> None:
        self.custom_url = endpoint_url
        with explained("configuration"):
            # boto3 reads AWS_DEFAULT_REGION alone; Amazon's other SDKs, and its command line, read this.
            super().__init__(region_name=region or os.environ.get("AWS_REGION"))
        if self.region_name is None:
            raise FailedPreconditionError("no region: pass --region, or set AWS_REGION")

    def client(self, *args: Any, **options: Any) -> Any:
        """Make a client; see ``boto3.Session``."""
        return super().client(*args, **{"endpoint_url": self.custom_url, **options})


@contextmanager
def explained(operation: str) -> Iterator[None]:
    """Turn the SDK's errors into ours, on one line.

    Args:
        operation: What is tried, for errors that do not say it.

    Raises:
        ServingError: The SDK raised an error.
    """
    try:
        yield
    except ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
        kind = _ERRORS.get(code, AlreadyExistsError if "already existing" in message else FailedPreconditionError)
        raise kind(f"{error.operation_name}: {code}: {' '.join(message.split())}") from error
    except NoCredentialsError:
        raise UnauthenticatedError(
            "no AWS credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        ) from None
    except S3UploadFailedError as error:
        raise UnavailableError(" ".join(str(error).split())) from error
    except BotoCoreError as error:
        raise UnavailableError(f"{operation}: {error}") from error
    except ValueError as error:
        # The SDK checks answers by classes of its own; only the first lines are free of values, which may be secret.
        lines = ": ".join(str(error).splitlines()[:2])
        raise UnavailableError(f"{operation}: SageMaker's SDK refuses the request or its answer: {lines}") from error
