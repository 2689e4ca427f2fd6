"""The commands ``sdnn-sagemaker deploy`` and ``sdnn-sagemaker delete``.

SageMaker's SDK is imported once something is really sent: neither ``--help`` nor ``--dry-run`` needs it.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import TYPE_CHECKING, Any

import click

from serverless_dnn.runtime.commands.command_line import exit_on_serving_error
from serverless_dnn.runtime.commands.deploying import TerminalProgress, environment_variables, print_calls
from serverless_dnn.runtime.errors import FailedPreconditionError, InvalidArgumentError, ServingError
from serverless_dnn.runtime.saved_model.model_folder import discover_models, list_versions
from serverless_dnn.runtime.saved_model.signature import DEFAULT_SIGNATURE, TensorSpec, read_signatures
from serverless_dnn.sagemaker_tfserving.deployment import run
from serverless_dnn.sagemaker_tfserving.deployment.client_examples import DeployedEndpoint, python_call, shell_call
from serverless_dnn.sagemaker_tfserving.deployment.model_archive import (
    ARCHIVE_NAME,
    Archive,
    list_files,
    open_archive,
    pack,
)
from serverless_dnn.sagemaker_tfserving.deployment.options import Deployment, InstanceSize, ServerlessSize
from serverless_dnn.sagemaker_tfserving.deployment.plan import plan

if TYPE_CHECKING:
    from serverless_dnn.sagemaker_tfserving.deployment.archive_bucket import ArchiveBucket
    from serverless_dnn.sagemaker_tfserving.deployment.sagemaker_sdk import SageMaker

_COMMAND = "sdnn-sagemaker"
_PATH = click.Path(path_type=Path, exists=True)
_FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)
_endpoint_url = click.option(
    "--endpoint-url", envvar="AWS_ENDPOINT_URL", show_envvar=True, help="Where the APIs are, such as LocalStack's."
)


@click.command(
    epilog="""\b
Examples:
  sdnn-sagemaker deploy --model models/mobilenet_v1 --name mobilenet --role arn:aws:iam::123456789012:role/serving \\
    --image-uri 123456789012.dkr.ecr.eu-west-1.amazonaws.com/serverless-dnn:openvino
  sdnn-sagemaker deploy ... --memory-mb 4096 --max-concurrency 20 --env SDNN_ENGINE=openvino
  sdnn-sagemaker deploy ... --dry-run    # prints the calls; needs neither network nor credentials""",
    context_settings={"max_content_width": 120},
)
@click.option("--model", required=True, type=_PATH, help="A folder of <version>/saved_model.pb, or a model.tar.gz.")
@click.option("--code", type=_FOLDER, help="A folder with inference.py; goes into the archive as code/.")
@click.option("--image-uri", required=True, help="The server's image, in ECR; its region is the deployment's.")
@click.option("--role", "role_arn", required=True, metavar="ARN", help="The role the container runs as.")
@click.option("--name", required=True, help="The endpoint's name; an endpoint of that name is updated.")
@click.option("--bucket", help="Where the archive goes; by default sagemaker-REGION-ACCOUNT, made if missing.")
@click.option("--region", help="Checked against the image's: SageMaker takes no image of another region.")
@click.option("--memory-mb", type=int, help="1024 to 6144, in steps of 1024.  [default: 2048]")
@click.option("--max-concurrency", type=int, help="Most invocations at once, 1 to 200.  [default: 5]")
@click.option("--provisioned-concurrency", type=int, help="Instances kept warm, and paid for, without invocations.")
@click.option("--instance-type", help="An instance that is always there, such as ml.m5.large, instead of serverless.")
@click.option(
    "--env", "environment", multiple=True, metavar="NAME=VALUE", help="A variable of the container; repeatable."
)
@click.option("--revision", help="Tells this deployment's model and configuration from others.  [default: the time]")
@_endpoint_url
@click.option("--dry-run", is_flag=True, help="Print every call as a line of JSON, and make none.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until the endpoint is in service.")
def deploy(**given: Any) -> None:
    """Deploy a SavedModel to a SageMaker endpoint, or update the endpoint to it.

    Defaults that the SageMaker SDK's configuration file sets, such as a VPC, apply as well. An update takes effect once
    the new model is in service; until then the old one answers.
    """
    with exit_on_serving_error(_COMMAND), TemporaryDirectory(prefix="sdnn-sagemaker-") as folder:
        deployment = _deployment(given)
        if given["dry_run"]:
            archive = _archive(given["model"], given["code"], Path(folder))
            print_calls(plan(deployment, archive, wait=given["wait"]).calls)
            return
        clients = _clients(deployment.region, given["endpoint_url"])
        before = run.find_changeable(clients[0], deployment)
        archive = _archive(given["model"], given["code"], Path(folder))
        progress = _Progress(deployment.name)
        run.deploy(plan(deployment, archive), archive, before, clients, progress)
        if given["wait"]:
            describe = f"aws sagemaker describe-endpoint --endpoint-name {deployment.name}"
            with progress.line(f"no longer waiting; SageMaker goes on: {describe}"):
                run.wait_in_service(clients[0], deployment, progress)
        _print_result(deployment, given, archive)
        if before is not None and before.config_name != deployment.resource_name:
            click.echo(f"\nThe configuration before, {before.config_name}, is kept until the endpoint is deleted.")


@click.command(
    epilog="""\b
Examples:
  sdnn-sagemaker delete mobilenet --region eu-west-1
  sdnn-sagemaker delete mobilenet --archive --dry-run    # looks what there is, and prints what it would delete""",
    context_settings={"max_content_width": 120},
)
@click.argument("name")
@click.option("--region", help="Where it is; by default AWS_REGION's, or the profile's.")
@click.option("--archive", is_flag=True, help="Delete the model archives in S3 too.")
@_endpoint_url
@click.option("--dry-run", is_flag=True, help="Look what there is, print every call that would delete it, make none.")
def delete(*, name: str, region: str | None, archive: bool, endpoint_url: str | None, dry_run: bool) -> None:
    """Delete the endpoint NAME with every configuration and model that deploy made for it."""
    with exit_on_serving_error(_COMMAND):
        clients = _clients(region, endpoint_url)
        found = run.find_deletion(clients[0], name, archives=archive)
        if dry_run:
            print_calls(found.calls)
            return
        run.delete(found, name, clients, _Progress(name))
        click.echo(f"deleted {name}" + ("" if archive else "; its archives are still in S3"))


class _Progress(TerminalProgress):
    """Shows an upload as well."""

    @contextmanager
    def bytes_sent(self, total: int) -> Iterator[Callable[[int], object]]:
        """Show an upload."""
        with click.progressbar(length=total, label="uploading", file=sys.stderr) as bar:
            lock = Lock()

            def update(count: int) -> None:
                # Parts are sent by several threads, and the bar is made for one.
                with lock:
                    bar.update(count)

            yield update
        self.step(f"uploaded {total:,} bytes")


def _deployment(given: Mapping[str, Any]) -> Deployment:
    sizes = {name: given[name] for name in ("memory_mb", "max_concurrency", "provisioned_concurrency")}
    serverless = {name: value for name, value in sizes.items() if value is not None}
    if given["instance_type"] and serverless:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in serverless)
        raise InvalidArgumentError(f"{flags}: for serverless endpoints only, got --instance-type as well")
    return Deployment(
        given["name"],
        given["revision"] or f"{datetime.now(UTC):%Y%m%d-%H%M%S}",
        given["image_uri"],
        given["role_arn"],
        InstanceSize(given["instance_type"]) if given["instance_type"] else ServerlessSize(**serverless),
        environment_variables(given["environment"]),
        given["bucket"],
        given["region"],
    )


def _archive(model: Path, code: Path | None, folder: Path) -> Archive:
    if model.is_file():
        if code is not None:
            raise InvalidArgumentError(
                f"--code: {model} is packed already; put code/ into it, or give the folder that it was made of"
            )
        return open_archive(model)
    files = list_files(model, code)
    total = sum(file.size_bytes for file in files)
    with click.progressbar(length=total, label="packing", file=sys.stderr) as bar:
        archive = pack(files, folder / ARCHIVE_NAME, bar.update)
    click.echo(f"packed {', '.join(archive.models)}: {total:,} bytes into {archive.size_bytes:,}", err=True)
    return archive


def _clients(region: str | None, endpoint_url: str | None) -> "tuple[SageMaker, ArchiveBucket]":
    try:
        from serverless_dnn.sagemaker_tfserving.deployment.archive_bucket import ArchiveBucket
        from serverless_dnn.sagemaker_tfserving.deployment.aws_session import Session
        from serverless_dnn.sagemaker_tfserving.deployment.sagemaker_sdk import SageMaker
    except ModuleNotFoundError as error:
        raise FailedPreconditionError(
            f"deploying needs SageMaker's SDK ({error}): pip install 'serverless-dnn-sagemaker[deploy]'"
        ) from None
    session = Session(region, endpoint_url)
    return SageMaker(session), ArchiveBucket(session)


def _print_result(deployment: Deployment, given: Mapping[str, Any], archive: Archive) -> None:
    model = archive.models[0]
    region = deployment.region or ""
    endpoint = DeployedEndpoint(
        deployment.name, region, deployment.partition, model, _inputs(given["model"], model), given["endpoint_url"]
    )
    wait = f"aws sagemaker wait endpoint-in-service --region {region} --endpoint-name {deployment.name}"
    state = "in service" if given["wait"] else f"on its way: {wait}"
    click.echo(f"endpoint {deployment.name} ({deployment.size}, {deployment.resource_name}) is {state}")
    click.echo(f"\nfrom Python, with serverless-dnn-client[aws]:\n\n{python_call(endpoint)}")
    click.echo(f"from a shell:\n\n{shell_call(endpoint)}")


def _inputs(model: Path, name: str) -> Mapping[str, TensorSpec]:
    """What a model takes, if that can be read: it only makes the printed example better."""
    if model.is_file():
        return {}
    newest = next(iter(list_versions(discover_models(model)[name]).values()))
    try:
        return read_signatures(newest)[DEFAULT_SIGNATURE].inputs
    except (ServingError, KeyError):
        return {}
