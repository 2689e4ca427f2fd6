"""Carry out the plan of a deployment, wait for the endpoint, and take it down again."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol

from serverless_dnn.runtime.commands.deploying import Call
from serverless_dnn.runtime.errors import (
    AlreadyExistsError,
    DeadlineExceededError,
    FailedPreconditionError,
    NotFoundError,
    ServingError,
    UnavailableError,
)
from serverless_dnn.sagemaker_tfserving.deployment.model_archive import Archive
from serverless_dnn.sagemaker_tfserving.deployment.options import Deployment, ServerlessSize
from serverless_dnn.sagemaker_tfserving.deployment.plan import TAG, EndpointState, Plan, deletion_plan

if TYPE_CHECKING:
    from serverless_dnn.sagemaker_tfserving.deployment.archive_bucket import ArchiveBucket
    from serverless_dnn.sagemaker_tfserving.deployment.sagemaker_sdk import SageMaker

    Clients = tuple[SageMaker, ArchiveBucket]

_BUSY = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})
_IN_SERVICE = "InService"
_FAILED = "Failed"
# SageMaker itself gives up sooner: a serverless endpoint takes two to five minutes.
_WAIT_LIMIT_S = 3600.0
_POLLS_S = (0.5, 1.0, 2.0, 5.0)
# An endpoint's description may lag behind what was just asked for.
_LAG_S = 60.0


class Progress(Protocol):
    """Shows how far a deployment is."""

    def step(self, text: str) -> None:
        """Show that something is done."""

    def bytes_sent(self, total: int) -> AbstractContextManager[Callable[[int], object]]:
        """Show an upload; gives what to call with the number of bytes sent since the last call."""

    def waiting(self, status: str, elapsed_s: float) -> None:
        """Show what is waited for."""


def find_changeable(sagemaker: "SageMaker", deployment: Deployment) -> EndpointState | None:
    """Look the endpoint up, before anything is packed or sent.

    Args:
        sagemaker: What makes the calls.
        deployment: What is to be deployed.

    Returns:
        The endpoint as it is; ``None`` if there is none.

    Raises:
        ServingError: It cannot be changed to the deployment, or a call failed.
    """
    found = sagemaker.find_endpoint(deployment.name, with_tags=True)
    if found is not None:
        _check_ours(found)
        if found.status in _BUSY:
            raise UnavailableError(f"{found.name} is {found.status}: wait until that is over, then deploy again")
        if found.status != _FAILED and isinstance(deployment.size, ServerlessSize) and not found.serverless:
            raise FailedPreconditionError(
                f"{found.name} runs on instances, which SageMaker cannot change to serverless: pass --instance-type, "
                f"another --name, or delete it first: sdnn-sagemaker delete {found.name}"
            )
    return found


def deploy(plan: Plan, archive: Archive, before: EndpointState | None, clients: "Clients", progress: Progress) -> None:
    """Upload the archive, make the model and the configuration, and create the endpoint or change it to them.

    What a failed run made is removed again, but for the archive.

    Args:
        plan: The calls.
        archive: The archive.
        before: What ``find_changeable`` found.
        clients: What makes the calls.
        progress: Shows how far it is.

    Raises:
        ServingError: A call failed.
    """
    sagemaker, bucket = clients
    endpoint = plan.parameters("CreateEndpoint")
    name, revision = endpoint["EndpointName"], endpoint["EndpointConfigName"]
    if bucket.ensure(plan):
        progress.step(f"made the bucket {plan.parameters('CreateBucket')['Bucket']}")
    if bucket.holds(plan, archive):
        progress.step("the archive is in S3 already")
    else:
        with progress.bytes_sent(archive.size_bytes) as on_bytes:
            bucket.upload(plan, archive, on_bytes)
    with _undoing(sagemaker, name, revision, progress) as made:
        undo = Call("sagemaker", "DeleteModel", {"ModelName": revision})
        with _remembered(made, undo):
            sagemaker.create_model(plan.parameters("CreateModel"))
        undo = Call("sagemaker", "DeleteEndpointConfig", {"EndpointConfigName": revision})
        with _remembered(made, undo):
            sagemaker.create_config(plan.parameters("CreateEndpointConfig"))
        progress.step(f"made the model and the configuration {revision}")
        if before is not None and before.status != _FAILED:
            sagemaker.update_endpoint(plan.parameters("UpdateEndpoint"))
            return
        if before is not None:
            progress.step(f"{name} had failed, so it is made anew")
            sagemaker.delete(Call("sagemaker", "DeleteEndpoint", plan.parameters("DeleteEndpoint")))
            wait_until_gone(sagemaker, name, progress)
        sagemaker.create_endpoint(endpoint)


def wait_in_service(sagemaker: "SageMaker", deployment: Deployment, progress: Progress) -> None:
    """Wait until an endpoint serves a deployment.

    Args:
        sagemaker: What makes the calls.
        deployment: The deployment.
        progress: Shows the status.

    Raises:
        FailedPreconditionError: SageMaker could not start it; the message says why.
        DeadlineExceededError: It took longer than an hour.
    """
    seen_busy = False
    for elapsed_s in _polls():
        state = sagemaker.find_endpoint(deployment.name)
        if state is None:
            raise FailedPreconditionError(f"{deployment.name} was deleted while it started")
        progress.waiting(state.status, elapsed_s)
        if state.status in _BUSY:
            seen_busy = True
        elif state.status != _IN_SERVICE:
            raise FailedPreconditionError(
                f"{state.name} is {state.status}: {state.failure_reason or 'SageMaker gives no reason'}; "
                f"{_log_hint(deployment)}; then deploy again, or delete it: sdnn-sagemaker delete {state.name}"
            )
        elif state.config_name == deployment.resource_name:
            return
        elif seen_busy or elapsed_s > _LAG_S:
            raise FailedPreconditionError(
                f"{state.name} still serves {state.config_name}, for the update to {deployment.resource_name} failed: "
                f"{state.failure_reason or 'SageMaker gives no reason'}; {_log_hint(deployment)}"
            )
    raise DeadlineExceededError(f"{deployment.name} is not {_IN_SERVICE} after {_WAIT_LIMIT_S:.0f} s")


def wait_until_gone(sagemaker: "SageMaker", name: str, progress: Progress) -> None:
    """Wait until an endpoint is deleted.

    Args:
        sagemaker: What makes the calls.
        name: The endpoint's name.
        progress: Shows the status.

    Raises:
        DeadlineExceededError: It took longer than an hour.
    """
    for elapsed_s in _polls():
        state = sagemaker.find_endpoint(name)
        if state is None:
            return
        progress.waiting(state.status, elapsed_s)
    raise DeadlineExceededError(f"{name} is not gone after {_WAIT_LIMIT_S:.0f} s")


def find_deletion(sagemaker: "SageMaker", name: str, *, archives: bool) -> Plan:
    """Find what there is to delete.

    Args:
        sagemaker: What makes the calls.
        name: The endpoint's name.
        archives: Whether to delete the archives in S3 too.

    Returns:
        The calls.

    Raises:
        NotFoundError: There is nothing of that name.
        AlreadyExistsError: The endpoint is somebody else's.
    """
    state = sagemaker.find_endpoint(name, with_tags=True)
    if state is not None:
        _check_ours(state)
    revisions = sagemaker.find_revisions(name)
    if state is None and not revisions:
        raise NotFoundError(f"there is no endpoint {name} in {sagemaker.region}: check --region and AWS_PROFILE")
    return deletion_plan(name, revisions, exists=state is not None, archives=archives)


def delete(plan: Plan, name: str, clients: "Clients", progress: Progress) -> None:
    """Delete an endpoint and what was made for it.

    Args:
        plan: What ``find_deletion`` found.
        name: The endpoint's name.
        clients: What makes the calls.
        progress: Shows how far it is.

    Raises:
        ServingError: A call failed.
    """
    sagemaker, bucket = clients
    for call in plan.calls:
        if call.service == "s3":
            bucket.delete(call)
        else:
            sagemaker.delete(call)
        if call.operation == "DeleteEndpoint":
            wait_until_gone(sagemaker, name, progress)
        what = "/".join(value for name, value in call.parameters.items() if name != "ExpectedBucketOwner")
        progress.step(f"{call.operation} {what}")


def _check_ours(state: EndpointState) -> None:
    if not state.ours:
        raise AlreadyExistsError(
            f"the name {state.name} is taken by an endpoint that sdnn-sagemaker did not make (it lacks the tag {TAG}): "
            "choose another name, or change it with what made it"
        )


@contextmanager
def _undoing(sagemaker: "SageMaker", name: str, revision: str, progress: Progress) -> Iterator[list[Call]]:
    """Remove what was made if the rest fails, unless the endpoint uses it by now."""
    made: list[Call] = []
    try:
        yield made
    except ServingError:
        try:
            state = sagemaker.find_endpoint(name)
            if state is None or state.config_name != revision:
                for call in reversed(made):
                    if sagemaker.delete(call):
                        progress.step(f"{call.operation} {revision}, as the rest failed")
        except ServingError as error:
            progress.step(f"could not remove what was made: {error}")
        raise


@contextmanager
def _remembered(made: list[Call], undo: Call) -> Iterator[None]:
    """Remember how to undo a call, unless what it makes was there before."""
    try:
        yield
    except AlreadyExistsError:
        raise
    except ServingError:
        # It may have been carried out all the same.
        made.append(undo)
        raise
    made.append(undo)


def _polls() -> Iterator[float]:
    """Wait between polls, longer by and by; gives the seconds since the first."""
    begin, number = time.monotonic(), 0
    while (elapsed_s := time.monotonic() - begin) < _WAIT_LIMIT_S:
        yield elapsed_s
        time.sleep(_POLLS_S[min(number, len(_POLLS_S) - 1)])
        number += 1


def _log_hint(deployment: Deployment) -> str:
    return f"read its log: aws logs tail /aws/sagemaker/Endpoints/{deployment.name} --region {deployment.region}"
