"""The calls that make a deployment to Lambda: pure, so that a dry run prints what a run does.

Callers reach the function through an alias. It moves to a new version once that is ready, so that nobody meets the new
image with the old configuration, its URL stays the same, and going back is one call.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from serverless_dnn.lambda_rest.deployment.options import Deployment
from serverless_dnn.runtime.commands.deploying import Call

ALIAS = "live"
# Tells our functions from anybody else's.
TAG = "serverless-dnn:function"
# Stands for the version's number, which is known once it is published.
VERSION = "VERSION"
_FAILED = "Failed"
_PUBLIC_URL = "serverless-dnn-public-url"
_PUBLIC_INVOKE = "serverless-dnn-public-invoke"
_AUTH_TYPES = {"iam": "AWS_IAM", "public": "NONE"}


@dataclass(frozen=True)
class Found:
    """A function as it is now.

    Attributes:
        exists: Whether it is there.
        state: For example ``Active``.
        version: The version that its alias leads to; ``None`` if it has no alias.
        url: The alias's URL; ``None`` if it has none.
        statements: What the alias's policy allows, by statement id.
        reserved: The concurrency reserved for it; ``None`` if there is none.
        provisioned: The concurrency provisioned for the alias; ``None`` if there is none.
    """

    exists: bool = False
    state: str = ""
    version: str | None = None
    url: str | None = None
    statements: frozenset[str] = frozenset()
    reserved: int | None = None
    provisioned: int | None = None

    @property
    def updatable(self) -> bool:
        """Whether it is there and can be updated; a function that could not be created can only be deleted.

        See https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html.
        """
        return self.exists and self.state != _FAILED


@dataclass(frozen=True)
class Condition:
    """When a step is taken.

    Attributes:
        text: In words.
        holds: Decides.
    """

    text: str
    holds: Callable[[Found], bool]


@dataclass(frozen=True)
class Step:
    """A call, and when it is made.

    Attributes:
        operation: For example ``CreateFunction``.
        parameters: As the API reference names them.
        condition: When it is made.
        done: What to tell once it is made; empty for nothing.
        waiter: If it is repeated until something is ready, botocore's waiter for that.
        until: What it waits for, in words.
    """

    operation: str
    parameters: Mapping[str, Any]
    condition: Condition
    done: str = ""
    waiter: str = ""
    until: str = ""

    def call(self) -> Call:
        """The call as it is printed."""
        when = ": ".join(text for text in (self.condition.text, self.until) if text)
        return Call("lambda", self.operation, self.parameters, when)


ALWAYS = Condition("", lambda _: True)
NEW = Condition("there is no such function, or it was Failed", lambda found: not found.updatable)
OLD = Condition("there is one", lambda found: found.updatable)
_EXISTS = Condition("there is such a function", lambda found: found.exists)
_BROKEN = Condition("there is one, and it is Failed", lambda found: found.state == _FAILED)
_NO_ALIAS = Condition(f"there is no alias {ALIAS}", lambda found: found.version is None)
HAS_ALIAS = Condition(f"there is an alias {ALIAS}", lambda found: found.version is not None)
_NO_URL = Condition("there is no URL", lambda found: found.url is None)
_HAS_URL = Condition("there is a URL", lambda found: found.url is not None)
_HAS_RESERVED = Condition("some is reserved", lambda found: found.reserved is not None)
_HAS_PROVISIONED = Condition("some is provisioned", lambda found: found.provisioned is not None)


def looking_steps(name: str) -> tuple[Step, ...]:
    """The calls that find out what is there.

    Args:
        name: The function's name.

    Returns:
        The steps; a call may find nothing.
    """
    function, alias = {"FunctionName": name}, {"FunctionName": name, "Qualifier": ALIAS}
    return (
        Step("GetFunction", function, ALWAYS),
        Step("GetAlias", {**function, "Name": ALIAS}, _EXISTS),
        Step("GetFunctionUrlConfig", alias, HAS_ALIAS),
        Step("GetPolicy", alias, HAS_ALIAS),
        Step("GetProvisionedConcurrencyConfig", alias, HAS_ALIAS),
    )


def deployment_steps(deployment: Deployment, *, wait: bool = True) -> tuple[Step, ...]:
    """The calls that bring a function to what is asked for.

    Args:
        deployment: What is asked for. What it does not ask for is removed: a URL, concurrency.
        wait: Whether to wait until provisioned instances are ready.

    Returns:
        The steps, in an order that never lets anybody call what only IAM should allow.
    """
    return (
        *_creation(deployment),
        *_update(deployment),
        *_reserved(deployment),
        *_publication(deployment),
        *_url(deployment),
        *_provisioned(deployment, wait=wait),
    )


def planned(steps: Iterable[Step], name: str) -> Iterator[Call]:
    """All calls of a run, as they are printed.

    Args:
        steps: What the run changes.
        name: The function's name.

    Returns:
        The calls in order, those first that find out what is there.
    """
    return (step.call() for step in (*looking_steps(name), *steps))


def deletion_steps(name: str) -> tuple[Step, ...]:
    """The calls that remove a function, its URL first.

    Args:
        name: Its name.

    Returns:
        The steps.
    """
    return (
        Step("DeleteFunctionUrlConfig", {"FunctionName": name, "Qualifier": ALIAS}, _HAS_URL, "deleted its URL"),
        *_permissions_removal(name),
        Step("DeleteFunction", {"FunctionName": name}, ALWAYS, f"deleted {name} with all its versions"),
    )


def _creation(deployment: Deployment) -> Iterator[Step]:
    function = {"FunctionName": deployment.name}
    yield Step("DeleteFunction", function, _BROKEN, f"{deployment.name} had failed, so it is made anew")
    parameters = {
        **_configuration(deployment),
        "PackageType": "Image",
        "Code": {"ImageUri": deployment.image_uri},
        "Architectures": [deployment.architecture],
        "Tags": {TAG: deployment.name},
    }
    yield Step("CreateFunction", parameters, NEW, f"made the function {deployment.name}")
    yield Step("GetFunction", function, NEW, waiter="function_active_v2", until="until it is Active")


def _update(deployment: Deployment) -> Iterator[Step]:
    function = {"FunctionName": deployment.name}
    # Lambda takes one change at a time.
    wait = Step("GetFunction", function, OLD, waiter="function_updated_v2", until="until the update is Successful")
    code = {**function, "ImageUri": deployment.image_uri, "Architectures": [deployment.architecture]}
    yield Step("UpdateFunctionCode", code, OLD, "changed the image")
    yield wait
    yield Step("UpdateFunctionConfiguration", _configuration(deployment), OLD, "changed the configuration")
    yield wait


def _publication(deployment: Deployment) -> Iterator[Step]:
    function = {"FunctionName": deployment.name}
    version = {**function, "Qualifier": VERSION}
    yield Step("PublishVersion", function, ALWAYS)
    yield Step(
        "GetFunctionConfiguration", version, ALWAYS, waiter="published_version_active", until="until it is Active"
    )
    alias = {**function, "Name": ALIAS, "FunctionVersion": VERSION}
    done = f"version {VERSION} is {ALIAS}"
    yield Step("CreateAlias", alias, _NO_ALIAS, done)
    yield Step("UpdateAlias", alias, HAS_ALIAS, done)


def _reserved(deployment: Deployment) -> Iterator[Step]:
    function = {"FunctionName": deployment.name}
    if (reserved := deployment.reserved_concurrency) is None:
        yield Step("DeleteFunctionConcurrency", function, _HAS_RESERVED, "no concurrency is reserved any more")
    else:
        parameters = {**function, "ReservedConcurrentExecutions": reserved}
        yield Step("PutFunctionConcurrency", parameters, ALWAYS, f"reserved a concurrency of {reserved}")


def _url(deployment: Deployment) -> Iterator[Step]:
    alias = {"FunctionName": deployment.name, "Qualifier": ALIAS}
    if deployment.function_url == "none":
        yield Step("DeleteFunctionUrlConfig", alias, _HAS_URL, "deleted its URL")
    else:
        url = {**alias, "AuthType": _AUTH_TYPES[deployment.function_url]}
        yield Step("CreateFunctionUrlConfig", url, _NO_URL, "made its URL")
        yield Step("UpdateFunctionUrlConfig", url, _HAS_URL)
    if deployment.function_url == "public":
        # https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html: new URLs need both since October 2025. The second
        # is bound to the URL, so that nobody may call the Invoke API.
        everybody = {**alias, "Principal": "*"}
        may_call = {"Action": "lambda:InvokeFunctionUrl", "FunctionUrlAuthType": "NONE"}
        may_invoke = {"Action": "lambda:InvokeFunction", "InvokedViaFunctionUrl": True}
        for statement, allowed in ((_PUBLIC_URL, may_call), (_PUBLIC_INVOKE, may_invoke)):
            yield Step(
                "AddPermission",
                {**everybody, "StatementId": statement, **allowed},
                _not_allowed(statement),
                f"allowed everybody {allowed['Action']}",
            )
    else:
        yield from _permissions_removal(deployment.name)


def _permissions_removal(name: str) -> Iterator[Step]:
    for statement in (_PUBLIC_URL, _PUBLIC_INVOKE):
        parameters = {"FunctionName": name, "Qualifier": ALIAS, "StatementId": statement}
        yield Step("RemovePermission", parameters, _allowed(statement), f"removed the permission {statement}")


def _provisioned(deployment: Deployment, *, wait: bool) -> Iterator[Step]:
    alias = {"FunctionName": deployment.name, "Qualifier": ALIAS}
    if deployment.provisioned_concurrency is None:
        yield Step(
            "DeleteProvisionedConcurrencyConfig", alias, _HAS_PROVISIONED, "no instances are provisioned any more"
        )
        return
    parameters = {**alias, "ProvisionedConcurrentExecutions": deployment.provisioned_concurrency}
    done = f"asked for {deployment.provisioned_concurrency} provisioned instances"
    yield Step("PutProvisionedConcurrencyConfig", parameters, ALWAYS, done)
    if wait:
        yield Step(
            "GetProvisionedConcurrencyConfig", alias, ALWAYS, waiter="provisioned_ready", until="until it is READY"
        )


def _configuration(deployment: Deployment) -> dict[str, Any]:
    return {
        "FunctionName": deployment.name,
        "Role": deployment.role_arn,
        "MemorySize": deployment.memory_mb,
        "Timeout": deployment.timeout_s,
        "EphemeralStorage": {"Size": deployment.ephemeral_storage_mb},
        "Environment": {"Variables": dict(deployment.environment)},
    }


def _allowed(statement: str) -> Condition:
    return Condition(f"its policy has {statement}", lambda found: statement in found.statements)


def _not_allowed(statement: str) -> Condition:
    return Condition(f"its policy lacks {statement}", lambda found: statement not in found.statements)
