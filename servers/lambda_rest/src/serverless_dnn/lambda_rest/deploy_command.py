"""The commands ``sdnn-lambda deploy`` and ``sdnn-lambda delete``.

Amazon's SDK is imported once something is really sent: neither ``--help`` nor ``--dry-run`` needs it.
"""

from typing import TYPE_CHECKING, Any, get_args

import click

from serverless_dnn.lambda_rest.deployment import run
from serverless_dnn.lambda_rest.deployment.client_examples import DeployedFunction, python_call, shell_calls
from serverless_dnn.lambda_rest.deployment.options import Architecture, Deployment, FunctionUrl, check_name
from serverless_dnn.lambda_rest.deployment.plan import ALIAS, deletion_steps, deployment_steps, planned
from serverless_dnn.runtime.commands.command_line import exit_on_serving_error
from serverless_dnn.runtime.commands.deploying import TerminalProgress, environment_variables, print_calls
from serverless_dnn.runtime.errors import FailedPreconditionError

if TYPE_CHECKING:
    from serverless_dnn.lambda_rest.deployment.lambda_api import LambdaApi

_COMMAND = "sdnn-lambda"
_STOPPED = "stopped; Lambda finishes what it was asked for, and the same command does the rest"
_endpoint_url = click.option(
    "--endpoint-url", envvar="AWS_ENDPOINT_URL", show_envvar=True, help="Where the API is, such as LocalStack's."
)
_dry_run = click.option("--dry-run", is_flag=True, help="Print every call as a line of JSON, and make none.")


@click.command(
    epilog="""\b
Examples:
  sdnn-lambda deploy --name mobilenet --role arn:aws:iam::123456789012:role/serving \\
    --image-uri 123456789012.dkr.ecr.eu-west-1.amazonaws.com/serverless-dnn:openvino
  sdnn-lambda deploy ... --memory-mb 1769 --function-url public --env SDNN_MODEL_NAME=mobilenet
  sdnn-lambda deploy ... --dry-run    # prints the calls; needs neither network nor credentials""",
    context_settings={"max_content_width": 120},
)
@click.option("--name", required=True, help="The function's name; a function of that name is updated.")
@click.option("--image-uri", required=True, help="The server's image, in ECR; its region is the deployment's.")
@click.option("--role", "role_arn", required=True, metavar="ARN", help="The role the function runs as.")
@click.option(
    "--memory-mb",
    type=int,
    default=Deployment.memory_mb,
    show_default=True,
    help="128 to 10240; each 1769 are one vCPU, so that memory decides the speed too.",
)
@click.option(
    "--timeout-s",
    type=int,
    default=Deployment.timeout_s,
    show_default=True,
    help="How long an invocation may take, 1 to 900.",
)
@click.option(
    "--architecture",
    type=click.Choice(get_args(Architecture)),
    default=Deployment.architecture,
    show_default=True,
    help="What the image was built for.",
)
@click.option(
    "--function-url",
    type=click.Choice(get_args(FunctionUrl)),
    default=Deployment.function_url,
    show_default=True,
    help="iam: for signed requests of who may; public: for everybody; none: the Invoke API alone.",
)
@click.option(
    "--ephemeral-storage-mb",
    type=int,
    default=Deployment.ephemeral_storage_mb,
    show_default=True,
    help="The size of /tmp, 512 to 10240.",
)
@click.option(
    "--env", "environment", multiple=True, metavar="NAME=VALUE", help="A variable of the function; repeatable."
)
@click.option("--provisioned-concurrency", type=int, help="Instances kept warm, and paid for, without invocations.")
@click.option("--reserved-concurrency", type=int, help="Most invocations at once, set aside from the account's.")
@click.option("--region", help="Checked against the image's: Lambda takes no image of another region.")
@_endpoint_url
@_dry_run
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until provisioned instances are ready.")
def deploy(*, environment: tuple[str, ...], endpoint_url: str | None, dry_run: bool, wait: bool, **given: Any) -> None:
    """Deploy an image of the server as a Lambda function with a URL, or update the function to it.

    The function becomes what the options say: what an earlier deployment set and this one does not is removed. Each
    deployment publishes a version, and moves the alias "live", which the URL leads to, once that version is active;
    until then the one before answers. Lambda must finish each change before it takes the next, so that this is waited
    for in any case.
    """
    with exit_on_serving_error(_COMMAND):
        deployment = Deployment(**given, environment=environment_variables(environment))
        progress = TerminalProgress(deployment.name)
        progress.step(deployment.cpu_share)
        if dry_run:
            print_calls(planned(deployment_steps(deployment, wait=wait), deployment.name))
            return
        api = _api(deployment.region, endpoint_url)
        with progress.line(_STOPPED):
            deployed = run.deploy(deployment, api, progress, wait=wait)
        _print_result(deployment, deployed, endpoint_url)


@click.command(
    epilog="""\b
Examples:
  sdnn-lambda delete mobilenet --region eu-west-1
  sdnn-lambda delete mobilenet --dry-run    # prints the calls; needs neither network nor credentials""",
    context_settings={"max_content_width": 120},
)
@click.argument("name")
@click.option("--region", help="Where it is; by default AWS_REGION's, or the profile's.")
@_endpoint_url
@_dry_run
def delete(*, name: str, region: str | None, endpoint_url: str | None, dry_run: bool) -> None:
    """Delete the function NAME with its URL, its permissions and all its versions. Its log is kept."""
    with exit_on_serving_error(_COMMAND):
        check_name("NAME", name)
        if dry_run:
            print_calls(planned(deletion_steps(name), name))
            return
        api = _api(region, endpoint_url)
        run.delete(name, api, TerminalProgress(name))
        click.echo(
            "its log is kept; to delete it: "
            f"aws logs delete-log-group --region {api.region} --log-group-name /aws/lambda/{name}"
        )


def _api(region: str | None, endpoint_url: str | None) -> "LambdaApi":
    try:
        from serverless_dnn.lambda_rest.deployment.lambda_api import LambdaApi
    except ModuleNotFoundError as error:
        raise FailedPreconditionError(
            f"deploying needs Amazon's SDK ({error}): pip install 'serverless-dnn-lambda[deploy]'"
        ) from None
    return LambdaApi(region, endpoint_url)


def _print_result(deployment: Deployment, deployed: run.Deployed, endpoint_url: str | None) -> None:
    region = deployment.region or ""
    model = deployment.environment.get("SDNN_MODEL_NAME")
    function = DeployedFunction(
        deployment.name, region, deployment.partition, deployment.function_url, deployed.url, model, endpoint_url
    )
    size = f"{deployment.memory_mb} MB, {deployment.timeout_s} s"
    click.echo(f"function {deployment.name} ({size}): version {deployed.version} is active and {ALIAS}")
    click.echo(deployed.url or "without a URL")
    if model is None:
        click.echo("\nMODEL stands for the model's name: that of its folder in the image.")
    needs = "serverless-dnn-client" + ("" if deployment.function_url == "public" else "[aws]")
    click.echo(f"\nfrom Python, with {needs}:\n\n{python_call(function)}")
    # https://github.com/curl/curl/pull/13814
    note = ", for the second curl 8.9 or newer: older ones sign the colon wrongly" if function.access == "iam" else ""
    click.echo(f"from a shell{note}:\n\n{shell_calls(function)}", nl=False)
    if deployed.version_before not in (None, deployed.version):
        back = f"aws lambda update-alias --region {region} --function-name {deployment.name} --name {ALIAS}"
        click.echo(f"\nback to the version before: {back} --function-version {deployed.version_before}")
