"""Carry out a deployment to Lambda, and take it down again."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from serverless_dnn.lambda_rest.deployment.options import Deployment
from serverless_dnn.lambda_rest.deployment.plan import (
    TAG,
    VERSION,
    Found,
    Step,
    deletion_steps,
    deployment_steps,
    looking_steps,
)
from serverless_dnn.runtime.errors import (
    AbortedError,
    AlreadyExistsError,
    FailedPreconditionError,
    NotFoundError,
    PermissionDeniedError,
    ServingError,
)

# How often a change that meets another one is tried again, once that is over.
_MOST_CONFLICTS = 5


class Api(Protocol):
    """Makes the calls; see ``LambdaApi``."""

    def call(self, operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """Make a call."""

    def find(self, operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Make a call that may find nothing."""

    def wait(
        self, waiter: str, operation: str, parameters: Mapping[str, Any], on_status: Callable[[str, float], None]
    ) -> None:
        """Repeat a call until something is ready."""


class Progress(Protocol):
    """Shows how far it is."""

    def step(self, text: str) -> None:
        """Show that something is done."""

    def waiting(self, status: str, elapsed_s: float) -> None:
        """Show what is waited for."""


@dataclass(frozen=True)
class Deployed:
    """What a deployment made.

    Attributes:
        version: The version that is live.
        version_before: The one that was; ``None`` if there was none.
        url: The function's URL; ``None`` if it has none.
    """

    version: str
    version_before: str | None = None
    url: str | None = None


def deploy(deployment: Deployment, api: Api, progress: Progress, *, wait: bool = True) -> Deployed:
    """Make a function, or bring it to what is asked for.

    A function that this run made is deleted again if the rest fails.

    Args:
        deployment: What is asked for.
        api: Makes the calls.
        progress: Shows how far it is.
        wait: Whether to wait until provisioned instances are ready.

    Returns:
        What is live now.

    Raises:
        ServingError: The function is not ours, or a call failed; the version that was live before still is.
    """
    found = _find(deployment.name, api)
    made = False
    url, version = found.url, ""
    try:
        for step in deployment_steps(deployment, wait=wait):
            if not step.condition.holds(found):
                continue
            answer = _take(step, version, api, progress)
            made = made or step.operation == "CreateFunction"
            version = answer["Version"] if step.operation == "PublishVersion" else version
            url = answer.get("FunctionUrl", url)
    except ServingError:
        if made:
            _undo(deployment.name, api, progress)
        elif found.version is not None:
            progress.step(f"version {found.version} is still live")
        raise
    return Deployed(version, found.version, None if deployment.function_url == "none" else url)


def delete(name: str, api: Api, progress: Progress) -> None:
    """Delete a function with its URL, its permissions and its versions.

    Args:
        name: Its name.
        api: Makes the calls.
        progress: Shows how far it is.

    Raises:
        NotFoundError: There is no such function.
        ServingError: It is not ours, or a call failed.
    """
    found = _find(name, api)
    if not found.exists:
        raise NotFoundError(f"there is no function {name}: check --region and AWS_PROFILE")
    for step in deletion_steps(name):
        if step.condition.holds(found):
            _take(step, "", api, progress)


def _find(name: str, api: Api) -> Found:
    answers: dict[str, Mapping[str, Any]] = {}
    found = Found()
    for step in looking_steps(name):
        if step.condition.holds(found):
            answers[step.operation] = api.find(step.operation, step.parameters) or {}
            found = _found(answers)
    if found.exists:
        _check_ours(name, answers["GetFunction"])
    return found


def _found(answers: Mapping[str, Mapping[str, Any]]) -> Found:
    def answer(operation: str) -> Mapping[str, Any]:
        return answers.get(operation, {})

    function = answer("GetFunction")
    policy = json.loads(answer("GetPolicy").get("Policy", "{}"))
    return Found(
        exists=bool(function),
        state=function.get("Configuration", {}).get("State", ""),
        version=answer("GetAlias").get("FunctionVersion"),
        url=answer("GetFunctionUrlConfig").get("FunctionUrl"),
        statements=frozenset(statement["Sid"] for statement in policy.get("Statement", [])),
        reserved=function.get("Concurrency", {}).get("ReservedConcurrentExecutions"),
        provisioned=answer("GetProvisionedConcurrencyConfig").get("RequestedProvisionedConcurrentExecutions"),
    )


def _check_ours(name: str, function: Mapping[str, Any]) -> None:
    if (error := function.get("TagsError")) is not None:
        raise PermissionDeniedError(
            f"cannot tell whether sdnn-lambda made the function {name}, for its tags cannot be read "
            f"({error.get('Message', 'no reason given')}): allow lambda:ListTags"
        )
    if function.get("Tags", {}).get(TAG) != name:
        raise AlreadyExistsError(
            f"the name {name} is taken by a function that sdnn-lambda did not make (it lacks the tag {TAG}): choose "
            "another name, or change it with what made it"
        )


def _take(step: Step, version: str, api: Api, progress: Progress) -> Mapping[str, Any]:
    """Take a step; if Lambda is still at another change of the function, once that is over."""
    parameters = {name: version if value == VERSION else value for name, value in step.parameters.items()}
    if step.waiter:
        api.wait(step.waiter, step.operation, parameters, progress.waiting)
        return {}
    for tries_left in reversed(range(_MOST_CONFLICTS)):
        try:
            answer = api.call(step.operation, parameters)
        except AbortedError:
            if not tries_left:
                raise
            progress.step(
                f"Lambda is still at another change of {parameters['FunctionName']}; waiting until that is over"
            )
            _settle(parameters["FunctionName"], api, progress)
        else:
            break
    if step.done:
        progress.step(step.done.replace(VERSION, version))
    return answer


def _settle(name: str, api: Api, progress: Progress) -> None:
    for waiter in ("function_active_v2", "function_updated_v2"):
        # Whether the other change succeeded is no matter.
        with suppress(FailedPreconditionError):
            api.wait(waiter, "GetFunction", {"FunctionName": name}, progress.waiting)


def _undo(name: str, api: Api, progress: Progress) -> None:
    """Delete what was made, so that the next deployment begins anew."""
    try:
        api.call("DeleteFunction", {"FunctionName": name})
    except ServingError as error:
        progress.step(f"could not delete what was made: {error}")
    else:
        progress.step(f"deleted {name} again, as the rest failed")
