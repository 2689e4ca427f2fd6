"""The calls of a deployment, through SageMaker's Python SDK; the one module that imports it, for it takes seconds.

The SDK's resource classes live in ``sagemaker-core``, which is what ``sagemaker`` 3 installs, without its training,
MLflow and notebooks.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
from boto3.exceptions import S3UploadFailedError
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from sagemaker.core.resources import Endpoint, EndpointConfig, Model, Tag
from sagemaker.core.shapes import ProductionVariantServerlessConfig
from sagemaker.core.utils.code_injection.codec import transform

from serverless_dnn.runtime.errors import (
    AlreadyExistsError,
    FailedPreconditionError,
    PermissionDeniedError,
    ResourceExhaustedError,
    ServingError,
    UnauthenticatedError,
    UnavailableError,
)
from serverless_dnn.sagemaker_tfserving.deployment import PART_BYTES, TAG, Call, Plan
from serverless_dnn.sagemaker_tfserving.model_archive import Archive

_NO_CREDENTIALS = "no AWS credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
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


@dataclass(frozen=True)
class EndpointState:
    """An endpoint as it is now.

    Attributes:
        name: Its name.
        status: For example ``InService``.
        config_name: Its configuration.
        failure_reason: Why it failed, on one line; empty if it did not.
        serverless: Whether it is.
        ours: Whether ``deploy`` made it.
    """

    name: str
    status: str
    config_name: str
    failure_reason: str
    serverless: bool
    ours: bool


@dataclass(frozen=True)
class Revision:
    """A configuration that ``deploy`` made, with its model.

    Attributes:
        name: The name of both.
        archive_url: Where the model's archive is.
        account: Whose it is.
    """

    name: str
    archive_url: str
    account: str


class _ServerlessConfig(ProductionVariantServerlessConfig):  # type: ignore[misc] # the SDK ships no types
    """Sends ``MemorySizeInMB``, which the SDK's own class (sagemaker-core 2.27) sends as ``MemorySizeInMb``."""

    memory_size_in_mb: int | None = None
    MemorySizeInMB: int


class SageMaker:
    """SageMaker and S3 of one account in one region.

    Args:
        region: The region; by default the one of the environment or the profile.
        endpoint_url: Where the APIs are instead of at Amazon.

    Raises:
        FailedPreconditionError: No region is set.
    """

    def __init__(self, region: str | None, endpoint_url: str | None) -> None:
        session = _session(region, endpoint_url)
        if session.region_name is None:
            raise FailedPreconditionError("no region: pass --region, or set AWS_REGION")
        self.region: str = session.region_name
        self._where = {"session": session, "region": self.region}
        # BUCKET.HOST is a name that only Amazon has.
        config = Config(s3={"addressing_style": "path"}) if endpoint_url else None
        with _explained("s3"):
            self._s3 = session.client("s3", config=config)

    def find_endpoint(self, name: str, *, with_tags: bool = False) -> EndpointState | None:
        """Look an endpoint up.

        Args:
            name: Its name.
            with_tags: Whether to find out whether it is ours; taken for granted otherwise.

        Returns:
            Its state; ``None`` if there is no such endpoint.

        Raises:
            ServingError: The call failed, for another reason.
        """
        with _explained("DescribeEndpoint"):
            try:
                found = Endpoint.get(endpoint_name=name, **self._where)
            except ClientError as error:
                if "Could not find" in error.response["Error"].get("Message", ""):
                    return None
                raise
        variants = found.production_variants or []
        return EndpointState(
            name,
            found.endpoint_status,
            found.endpoint_config_name,
            " ".join(str(found.failure_reason or "").split()),
            serverless=any(variant.current_serverless_config for variant in variants),
            ours=not with_tags or self._is_ours(found.endpoint_arn, name),
        )

    def ensure_bucket(self, plan: Plan) -> bool:
        """Check that the archive's bucket is there and ours; make the default one if it is not there.

        Args:
            plan: The plan.

        Returns:
            Whether it was made.

        Raises:
            ServingError: There is no such bucket, it is somebody else's, or it cannot be made.
        """
        bucket = plan.parameters("HeadBucket")
        with _explained("HeadBucket"):
            try:
                self._s3.head_bucket(**bucket)
            except ClientError as error:
                # A HEAD has no body: its errors are statuses.
                status = error.response["Error"]["Code"]
                if status == "403":
                    raise PermissionDeniedError(
                        f"the bucket {bucket['Bucket']} belongs to another account than {bucket['ExpectedBucketOwner']}, "
                        "or you may not list it: pass another --bucket, or get the right s3:ListBucket"
                    ) from None
                if status not in ("404", "NoSuchBucket"):
                    raise
            else:
                return False
        if not plan.has("CreateBucket"):
            raise FailedPreconditionError(f"there is no bucket {bucket['Bucket']}: make it, or leave --bucket out")
        with _explained("CreateBucket"):
            self._s3.create_bucket(**plan.parameters("CreateBucket"))
        return True

    def has_archive(self, plan: Plan, archive: Archive) -> bool:
        """Whether S3 has the archive already.

        Args:
            plan: The plan.
            archive: The archive.

        Returns:
            Whether there is an object of its digest and size. False also if one may not look.

        Raises:
            ServingError: The call failed.
        """
        with _explained("HeadObject"):
            try:
                head = self._s3.head_object(**plan.parameters("HeadObject"))
            except ClientError as error:
                if error.response["Error"]["Code"] in ("403", "404", "NoSuchKey"):
                    return False
                raise
        return bool(head["ContentLength"] == archive.size_bytes)

    def upload(self, plan: Plan, archive: Archive, on_bytes: Callable[[int], object]) -> None:
        """Upload the archive, in parts if it is large.

        Args:
            plan: The plan.
            archive: The archive.
            on_bytes: Called with the number of bytes sent since the last call, from any thread.

        Raises:
            ServingError: It failed.
        """
        placed = plan.parameters("HeadObject")
        # Another client may be chosen otherwise, which cuts the file into other parts.
        config = TransferConfig(PART_BYTES, multipart_chunksize=PART_BYTES, preferred_transfer_client="classic")
        owner = {"ExpectedBucketOwner": placed["ExpectedBucketOwner"]}
        with _explained("upload"):
            self._s3.upload_file(
                str(archive.path), placed["Bucket"], placed["Key"], ExtraArgs=owner, Callback=on_bytes, Config=config
            )

    def create_model(self, parameters: Mapping[str, Any]) -> None:
        """Call CreateModel.

        Args:
            parameters: As the API takes them.

        Raises:
            ServingError: It failed.
        """
        with _explained("CreateModel"):
            Model.create(**transform(parameters, "CreateModelInput"), **self._where)

    def create_config(self, parameters: Mapping[str, Any]) -> None:
        """Call CreateEndpointConfig.

        Args:
            parameters: As the API takes them.

        Raises:
            ServingError: It failed.
        """
        given = transform(parameters, "CreateEndpointConfigInput")
        for variant in given["production_variants"]:
            if config := variant.get("serverless_config"):
                variant["serverless_config"] = _ServerlessConfig(
                    MemorySizeInMB=config["memory_size_in_mb"], **{**config, "memory_size_in_mb": None}
                )
        with _explained("CreateEndpointConfig"):
            EndpointConfig.create(**given, **self._where)

    def create_endpoint(self, parameters: Mapping[str, Any]) -> None:
        """Call CreateEndpoint.

        Args:
            parameters: As the API takes them.

        Raises:
            ServingError: It failed.
        """
        with _explained("CreateEndpoint"):
            Endpoint.create(**transform(parameters, "CreateEndpointInput"), **self._where)

    def update_endpoint(self, parameters: Mapping[str, Any]) -> None:
        """Call UpdateEndpoint.

        Args:
            parameters: As the API takes them.

        Raises:
            ServingError: It failed.
        """
        with _explained("UpdateEndpoint"):
            endpoint = Endpoint.get(endpoint_name=parameters["EndpointName"], **self._where)
            endpoint.endpoint_config_name = parameters["EndpointConfigName"]
            endpoint.update()

    def find_revisions(self, name: str) -> list[Revision]:
        """The configurations that ``deploy`` made for an endpoint, with their models.

        Args:
            name: The endpoint's name.

        Returns:
            All of them, the current one among them.

        Raises:
            ServingError: A call failed.
        """
        with _explained("ListEndpointConfigs"):
            configs = [
                config
                for config in EndpointConfig.get_all(name_contains=f"{name}-", **self._where)
                if self._is_ours(config.endpoint_config_arn, name)
            ]
        with _explained("DescribeModel"):
            models = [Model.get(model_name=config.endpoint_config_name, **self._where) for config in configs]
        return [
            Revision(model.model_name, model.primary_container.model_data_url, model.model_arn.split(":")[4])
            for model in models
        ]

    def delete(self, call: Call) -> None:
        """Make one of the calls that delete something.

        Args:
            call: DeleteEndpoint, DeleteEndpointConfig, DeleteModel or DeleteObject.

        Raises:
            ServingError: It failed.
        """
        with _explained(call.operation):
            match call.operation:
                case "DeleteEndpoint":
                    Endpoint.get(endpoint_name=call.parameters["EndpointName"], **self._where).delete()
                case "DeleteEndpointConfig":
                    name = call.parameters["EndpointConfigName"]
                    EndpointConfig.get(endpoint_config_name=name, **self._where).delete()
                case "DeleteModel":
                    Model.get(model_name=call.parameters["ModelName"], **self._where).delete()
                case _:
                    self._s3.delete_object(**call.parameters)

    def _is_ours(self, arn: str, name: str) -> bool:
        with _explained("ListTags"):
            tags = Tag.get_all(resource_arn=arn, **self._where)
            return any((tag.key, tag.value) == (TAG, name) for tag in tags)


def _session(region: str | None, endpoint_url: str | None) -> Any:
    class Session(boto3.Session):  # type: ignore[misc] # boto3 ships no types
        """Makes every client for the endpoint's URL, for the SDK makes its own and has no option for that."""

        def client(self, *args: Any, **options: Any) -> Any:
            return super().client(*args, **{"endpoint_url": endpoint_url, **options})

    with _explained("session"):
        return Session(region_name=region)


@contextmanager
def _explained(operation: str) -> Iterator[None]:
    """Turn the SDK's errors into ours, on one line."""
    try:
        yield
    except ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
        kind = _ERRORS.get(code, AlreadyExistsError if "already existing" in message else FailedPreconditionError)
        raise kind(f"{error.operation_name}: {code}: {' '.join(message.split())}") from error
    except NoCredentialsError:
        raise UnauthenticatedError(_NO_CREDENTIALS) from None
    except S3UploadFailedError as error:
        raise UnavailableError(" ".join(str(error).split())) from error
    except BotoCoreError as error:
        raise UnavailableError(f"{operation}: {error}") from error
