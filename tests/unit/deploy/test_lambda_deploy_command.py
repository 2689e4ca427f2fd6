"""`sdnn-lambda deploy` without Amazon's SDK: checks, the plan, what it prints."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from click.testing import CliRunner, Result

from serverless_dnn.lambda_rest.cli import main
from serverless_dnn.lambda_rest.deployment.client_examples import DeployedFunction, python_call, shell_calls
from serverless_dnn.lambda_rest.deployment.options import Deployment
from serverless_dnn.runtime.errors import InvalidArgumentError

ROLE = "arn:aws:iam::123456789012:role/serving"
IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/dnn:1"
VARIABLES = {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing", "AWS_SESSION_TOKEN": "token"}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"image_uri": "public.ecr.aws/dnn:1"}, "--image-uri: expected an image in ECR"),
        ({"image_uri": f"{IMAGE} "}, "--image-uri"),
        ({"role_arn": "serving"}, "--role: expected a role's ARN"),
        ({"role_arn": "arn:aws:iam::123456789012:user/me"}, "--role"),
        ({"name": "half.plus"}, "--name: expected 1 to 64 letters, digits, hyphens and underscores"),
        ({"name": "a" * 65}, "--name"),
        ({"memory_mb": 10_241}, "--memory-mb: expected a number from 128 to 10,240, got 10,241"),
        ({"timeout_s": 0}, "--timeout-s: expected a number from 1 to 900, got 0"),
        ({"ephemeral_storage_mb": 511}, "--ephemeral-storage-mb: expected a number from 512 to 10,240, got 511"),
        ({"environment": {"_A": "x"}}, "--env: expected NAME=VALUE"),
        ({"environment": {"AWS_REGION": "x"}}, "--env AWS_REGION: Lambda sets this variable itself"),
        ({"environment": {"LONG": "x" * 4096}}, "--env: Lambda takes 4,096 bytes of variables in all, got 4,107"),
        ({"provisioned_concurrency": 0}, "--provisioned-concurrency: expected at least 1"),
        ({"reserved_concurrency": -1}, "--reserved-concurrency: expected at least 0"),
        ({"provisioned_concurrency": 3, "reserved_concurrency": 2}, "is more than --reserved-concurrency 2"),
        ({"region": "us-east-1"}, "--region us-east-1: Lambda takes images of the same region only"),
    ],
)
def test_a_wrong_value_is_refused_with_its_option(changed: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidArgumentError, match=re.escape(said)):
        Deployment(**{"name": "half", "image_uri": IMAGE, "role_arn": ROLE, **changed})  # type: ignore[arg-type]


def test_the_largest_environment_is_taken() -> None:
    largest = {"LONG": "x" * (4096 - len('{"LONG":""}'))}
    assert Deployment("half", IMAGE, ROLE, environment=largest).environment == largest


def test_a_value_that_may_be_secret_is_not_shown() -> None:
    with pytest.raises(InvalidArgumentError) as raised:
        Deployment("half", IMAGE, ROLE, environment={"TOKEN": "secret" * 1000})
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("memory_mb", "said"),
    [
        (1769, "1769 MB is 1.00 vCPU (one per 1,769 MB)"),
        (10_240, "10240 MB is 5.79 vCPU (one per 1,769 MB)"),
        (512, "512 MB is 0.29 vCPU (one per 1,769 MB): a prediction takes 3.5 times as long as on a whole one"),
    ],
)
def test_it_says_what_the_memory_means_for_the_speed(memory_mb: int, said: str) -> None:
    assert Deployment("half", IMAGE, ROLE, memory_mb=memory_mb).cpu_share == said


def run_deploy(*more: str) -> Result:
    given = ["deploy", "--name", "half", "--role", ROLE, "--image-uri", IMAGE]
    return CliRunner(env=dict.fromkeys(VARIABLES)).invoke(main, [*given, *more])


def test_a_dry_run_needs_no_credentials_and_prints_json_alone() -> None:
    result = run_deploy("--dry-run", "--env", "SDNN_ENGINE=openvino")

    assert result.exit_code == 0, result.output
    calls = {call["operation"]: call for call in map(json.loads, result.stdout.splitlines())}
    created = calls["CreateFunction"]
    assert created["parameters"]["Environment"] == {"Variables": {"SDNN_ENGINE": "openvino"}}
    assert created["when"] == "there is no such function, or it was Failed"
    assert calls["CreateFunctionUrlConfig"]["parameters"]["AuthType"] == "AWS_IAM"
    assert "AddPermission" not in calls


def test_nobody_may_invoke_a_public_function_but_through_its_url() -> None:
    calls = [json.loads(line) for line in run_deploy("--dry-run", "--function-url", "public").stdout.splitlines()]

    given = {call["parameters"]["Action"]: call["parameters"] for call in calls if call["operation"] == "AddPermission"}
    assert given["lambda:InvokeFunction"]["InvokedViaFunctionUrl"] is True
    assert given["lambda:InvokeFunctionUrl"]["FunctionUrlAuthType"] == "NONE"


@pytest.mark.parametrize("option", [("--architecture", "mips"), ("--function-url", "open")])
def test_a_choice_that_there_is_not_is_refused(option: tuple[str, str]) -> None:
    result = run_deploy(*option)

    assert result.exit_code == 2
    assert f"Invalid value for '{option[0]}'" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["deploy", "--help"],
        ["delete", "--help"],
        ["deploy", "--name", "half", "--role", ROLE, "--image-uri", IMAGE, "--dry-run"],
        ["delete", "half", "--dry-run"],
    ],
)
def test_nothing_but_real_calls_imports_amazon_s_sdk(arguments: list[str]) -> None:
    program = (
        "import sys; from click.testing import CliRunner; from serverless_dnn.lambda_rest.cli import main\n"
        f"assert CliRunner().invoke(main, {arguments!r}).exit_code == 0\n"
        "print([name for name in ('boto3', 'botocore') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_printed_program_calls_a_function(
    deploy: Callable[..., str], models: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    url = deploy("lambda", "half_plus_two", models)
    program = python_call(DeployedFunction("half", "eu-west-1", "aws", "iam", url, "half_plus_two"))
    program = program.replace('"input": np.zeros((1, 224, 224, 3), np.float32)', '"x": np.zeros((1,), np.float32)')

    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **VARIABLES}, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "2." in done.stdout


def test_the_program_for_a_public_function_signs_nothing() -> None:
    program = python_call(DeployedFunction("half", "eu-west-1", "aws", "public", "https://u.on.aws/", "half"))

    assert 'with connect("https://u.on.aws", "half") as client' in program
    assert "sigv4" not in program


@pytest.mark.parametrize(("partition", "domain"), [("aws", "amazonaws.com"), ("aws-cn", "amazonaws.com.cn")])
def test_without_a_url_the_program_calls_the_invoke_api(partition: str, domain: str) -> None:
    program = python_call(DeployedFunction("half", "cn-north-1", partition, "none", None))

    assert f'connect("lambda+https://lambda.cn-north-1.{domain}/half:live", "MODEL", options)' in program


class Verifier(HTTPServer):
    """Compares each request's signature with botocore's."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.verified: dict[str, bool] = {}


class _Handler(BaseHTTPRequestHandler):
    server: Verifier

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        authorization = self.headers["authorization"]
        signed = re.findall(r"SignedHeaders=([^,]+)", authorization)[0].split(";")
        headers = {name: self.headers[name] for name in signed if name != "host"}
        request = AWSRequest(self.command, f"http://{self.headers['host']}{self.path}", headers, body)
        request.context["timestamp"] = self.headers["x-amz-date"]
        auth = SigV4Auth(Credentials(*VARIABLES.values()), "lambda", "eu-west-1")
        signature = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
        self.server.verified[self.path] = f"Signature={signature}" in authorization
        self.send_response(200)
        self.end_headers()

    do_POST = do_GET  # noqa: N815 - the name that http.server calls

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def verifier() -> Iterator[Verifier]:
    with Verifier() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("token", ["token", ""])
def test_the_printed_commands_are_signed_as_lambda_wants(verifier: Verifier, tmp_path: Path, token: str) -> None:
    (tmp_path / "request.json").write_text('{"instances": [1.0]}')
    url = f"http://127.0.0.1:{verifier.server_port}/"
    commands = shell_calls(DeployedFunction("half", "eu-west-1", "aws", "iam", url, "half"))
    variables = {**os.environ, **VARIABLES, "AWS_SESSION_TOKEN": token}

    subprocess.run(["sh", "-ec", commands], cwd=tmp_path, env=variables, check=True)

    assert verifier.verified["/v1/models/half/metadata"]
    version = re.findall(r"curl (\d+)\.(\d+)", subprocess.check_output(["curl", "--version"], text=True))[0]
    # Older ones do not escape the colon in what they sign.
    assert verifier.verified["/v1/models/half:predict"] == (tuple(map(int, version)) >= (8, 9))
