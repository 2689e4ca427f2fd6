"""What is asked of a server of Lambda's API, and the commands run against it."""

import json
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result

from serverless_dnn.lambda_rest.cli import main

_TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


class Aws:
    """The server, and clients that look what is there."""

    account = "123456789012"
    region = "eu-west-1"
    role = f"arn:aws:iam::{account}:role/serving"
    registry = f"{account}.dkr.ecr.{region}.amazonaws.com/serverless-dnn"

    def __init__(self, url: str, calls_file: Path) -> None:
        self.url, self._calls_file = url, calls_file
        self.functions, self.iam = (
            boto3.client(name, endpoint_url=url, region_name=self.region) for name in ("lambda", "iam")
        )

    def reset(self) -> None:
        self._post("/moto-api/reset")
        self.be_slow(0)
        self.iam.create_role(RoleName="serving", AssumeRolePolicyDocument=json.dumps(_TRUST))
        self._calls_file.write_text("")

    def be_slow(self, looks: int) -> None:
        """Let every change take so many looks at it."""
        self._post(f"/slow/{looks}")

    def change_before(self, operation: str) -> None:
        """Let somebody else change the function just before the next call of an operation."""
        self._post(f"/change/{operation}")

    def calls(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._calls_file.read_text().splitlines()]

    def operations(self) -> list[str]:
        return [call["operation"] for call in self.calls()]

    def function(self, name: str = "half", qualifier: str = "live") -> dict[str, Any]:
        return dict(self.functions.get_function(FunctionName=name, Qualifier=qualifier))

    def access(self, name: str = "half") -> str:
        return str(self.functions.get_function_url_config(FunctionName=name, Qualifier="live")["AuthType"])

    def statements(self, name: str = "half") -> list[dict[str, Any]]:
        try:
            policy = self.functions.get_policy(FunctionName=name, Qualifier="live")["Policy"]
        except self.functions.exceptions.ResourceNotFoundException:
            return []
        return list(json.loads(policy)["Statement"])

    def names(self) -> list[str]:
        return [function["FunctionName"] for function in self.functions.list_functions()["Functions"]]

    def _post(self, path: str) -> None:
        urllib.request.urlopen(f"{self.url}{path}", data=b"").close()


@pytest.fixture
def aws(server: tuple[str, Path], credentials: None) -> Aws:
    aws = Aws(*server)
    aws.reset()
    return aws


@pytest.fixture
def run(aws: Aws) -> Callable[..., Result]:
    def run(*arguments: str, **variables: str) -> Result:
        return CliRunner(env=variables).invoke(main, [*arguments, "--endpoint-url", aws.url])

    return run


@pytest.fixture
def deploy(run: Callable[..., Result], aws: Aws) -> Callable[..., Result]:
    def deploy(*arguments: str, tag: str = "1", name: str = "half", role: str = aws.role) -> Result:
        return run("deploy", "--name", name, "--role", role, "--image-uri", f"{aws.registry}:{tag}", *arguments)

    return deploy
