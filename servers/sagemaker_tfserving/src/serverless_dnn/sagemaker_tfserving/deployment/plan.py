"""The calls that make a deployment to SageMaker: pure, so that a dry run prints what a run does."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from serverless_dnn.runtime.commands.deploying import Call
from serverless_dnn.sagemaker_tfserving.deployment.model_archive import ARCHIVE_NAME, Archive
from serverless_dnn.sagemaker_tfserving.deployment.options import Deployment

# Above this an upload is made in parts, of this size.
PART_BYTES = 8 << 20
# Tells our endpoints, and their configurations, from anybody else's.
TAG = "serverless-dnn:endpoint"
_NEW = "there is no such endpoint"
_OLD = "there is one"


@dataclass(frozen=True)
class Plan:
    """The calls of a deployment, in order.

    Attributes:
        calls: All of them.
    """

    calls: tuple[Call, ...]

    def parameters(self, operation: str) -> Mapping[str, Any]:
        """The parameters of a call.

        Args:
            operation: Which.

        Returns:
            Those of the first one.
        """
        return next(call.parameters for call in self.calls if call.operation == operation)

    def has(self, operation: str) -> bool:
        """Whether a call is part of it.

        Args:
            operation: Which.
        """
        return any(call.operation == operation for call in self.calls)


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
        archive_url: Where the model's archive is; ``None`` if the model is gone.
        account: Whose it is.
    """

    name: str
    archive_url: str | None = None
    account: str | None = None


def plan(deployment: Deployment, archive: Archive, *, wait: bool = True) -> Plan:
    """The calls that deploy an archive.

    Args:
        deployment: What to deploy.
        archive: The archive; its digest is part of its key, so that what is there already is not uploaded again.
        wait: Whether to wait until the endpoint is in service.

    Returns:
        The calls, with the condition of those that depend on what is there already.
    """
    bucket = {
        "Bucket": deployment.bucket or f"sagemaker-{deployment.region}-{deployment.account}",
        # Otherwise whoever was first to take the default name would be sent the model.
        "ExpectedBucketOwner": deployment.account,
    }
    placed = {**bucket, "Key": f"serverless-dnn/{deployment.name}/{archive.sha256[:16]}/{ARCHIVE_NAME}"}
    url = f"s3://{placed['Bucket']}/{placed['Key']}"
    return Plan(
        (
            *_looking_calls(deployment),
            *_bucket_calls(deployment, bucket),
            *_upload_calls(placed, archive.size_bytes),
            *_model_calls(deployment, url),
            *_endpoint_calls(deployment, wait=wait),
        )
    )


def deletion_plan(endpoint: str, revisions: Sequence[Revision], *, exists: bool, archives: bool) -> Plan:
    """The calls that remove an endpoint and all that ``deploy`` made for it.

    Args:
        endpoint: Its name.
        revisions: Its configurations and models.
        exists: Whether the endpoint itself is there.
        archives: Whether to delete the archives in S3 too.

    Returns:
        The calls, the endpoint first: what it uses must not go before it.
    """
    calls = [Call("sagemaker", "DeleteEndpoint", {"EndpointName": endpoint})] if exists else []
    for revision in revisions:
        calls.append(Call("sagemaker", "DeleteEndpointConfig", {"EndpointConfigName": revision.name}))
        if revision.archive_url is not None:
            calls.append(Call("sagemaker", "DeleteModel", {"ModelName": revision.name}))
    if archives:
        # Revisions of the same model share an archive.
        places = {each.archive_url: each.account for each in revisions if each.archive_url is not None}
        for url, account in places.items():
            bucket, _, key = url.removeprefix("s3://").partition("/")
            calls.append(Call("s3", "DeleteObject", {"Bucket": bucket, "Key": key, "ExpectedBucketOwner": account}))
    return Plan(tuple(calls))


def _looking_calls(deployment: Deployment) -> Iterator[Call]:
    yield Call("sagemaker", "DescribeEndpoint", {"EndpointName": deployment.name})
    arn = f"arn:{deployment.partition}:sagemaker:{deployment.region}:{deployment.account}:endpoint/{deployment.name}"
    # Names are case-insensitive and the API lowers them in ARNs.
    yield Call("sagemaker", "ListTags", {"ResourceArn": arn.lower()}, _OLD)


def _bucket_calls(deployment: Deployment, bucket: Mapping[str, str]) -> Iterator[Call]:
    yield Call("s3", "HeadBucket", bucket)
    if deployment.bucket is None:
        parameters: dict[str, Any] = {"Bucket": bucket["Bucket"]}
        # The API takes every region but this one.
        if deployment.region != "us-east-1":
            parameters["CreateBucketConfiguration"] = {"LocationConstraint": deployment.region}
        yield Call("s3", "CreateBucket", parameters, "there is no such bucket")


def _upload_calls(placed: Mapping[str, str], size_bytes: int) -> Iterator[Call]:
    yield Call("s3", "HeadObject", placed)
    when = "the archive is not there yet"
    if size_bytes < PART_BYTES:
        yield Call("s3", "PutObject", placed, when)
        return
    yield Call("s3", "CreateMultipartUpload", placed, when)
    parts = math.ceil(size_bytes / PART_BYTES)
    yield Call("s3", "UploadPart", placed, f"{when}: {parts} times, PartNumber 1 to {parts}")
    yield Call("s3", "CompleteMultipartUpload", placed, when)


def _model_calls(deployment: Deployment, url: str) -> Iterator[Call]:
    name = deployment.resource_name
    tags = _tags(deployment)
    container: dict[str, Any] = {"Image": deployment.image_uri, "ModelDataUrl": url}
    if deployment.environment:
        container["Environment"] = dict(deployment.environment)
    model = {"ModelName": name, "ExecutionRoleArn": deployment.role_arn, "PrimaryContainer": container, "Tags": tags}
    variant = {"VariantName": "AllTraffic", "ModelName": name, **deployment.size.variant()}
    config = {"EndpointConfigName": name, "ProductionVariants": [variant], "Tags": tags}
    yield Call("sagemaker", "CreateModel", model)
    yield Call("sagemaker", "DescribeModel", {"ModelName": name})
    yield Call("sagemaker", "CreateEndpointConfig", config)
    yield Call("sagemaker", "DescribeEndpointConfig", {"EndpointConfigName": name})


def _endpoint_calls(deployment: Deployment, *, wait: bool) -> Iterator[Call]:
    name = {"EndpointName": deployment.name}
    endpoint = {**name, "EndpointConfigName": deployment.resource_name}
    # A failed endpoint can only be deleted.
    yield Call("sagemaker", "DeleteEndpoint", name, f"{_OLD}, and it is Failed")
    yield Call("sagemaker", "CreateEndpoint", {**endpoint, "Tags": _tags(deployment)}, f"{_NEW}, or it was Failed")
    yield Call("sagemaker", "UpdateEndpoint", endpoint, _OLD)
    yield Call("sagemaker", "DescribeEndpoint", name, "until it is InService" if wait else "")


def _tags(deployment: Deployment) -> list[dict[str, str]]:
    return [{"Key": TAG, "Value": deployment.name}]
