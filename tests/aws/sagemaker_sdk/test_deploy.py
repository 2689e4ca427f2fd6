"""`sdnn-sagemaker deploy` and `delete`, with SageMaker's real SDK, against moto's server over HTTP."""

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

pytest.importorskip("moto", reason="SageMaker's SDK has an environment of its own: hatch run aws:test")

Run = Callable[..., Result]
Make = Callable[..., Path]


def planned(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def without(calls: list[dict[str, Any]], *operations: str) -> list[dict[str, Any]]:
    """What was called, without the condition; DescribeEndpoint is repeated while something is waited for."""
    return [
        {name: value for name, value in call.items() if name != "when"}
        for call in calls
        if call["operation"] not in (*operations, "DescribeEndpoint")
    ]


# fmt: off
SERVERLESS = (
    "--memory-mb", "4096", "--max-concurrency", "20", "--provisioned-concurrency", "2", "--env", "SDNN_ENGINE=openvino",
)
# fmt: on


@pytest.mark.parametrize("options", [SERVERLESS, ("--instance-type", "ml.m5.large")], ids=["serverless", "instance"])
def test_dry_run_prints_the_calls_of_the_run(deploy: Run, aws: Any, options: tuple[str, ...]) -> None:
    calls = planned(deploy("--revision", "one", "--dry-run", *options))
    assert aws.calls() == []

    assert deploy("--revision", "one", *options).exit_code == 0

    made = aws.calls()
    assert without(made) == without(calls, "ListTags", "DeleteEndpoint", "UpdateEndpoint")
    assert (made[0]["operation"], made[-1]["operation"]) == ("DescribeEndpoint", "DescribeEndpoint")


def test_a_large_archive_is_uploaded_in_the_parts_that_the_dry_run_prints(
    run: Run, aws: Any, make_model: Make, tmp_path: Path
) -> None:
    model = make_model(tmp_path / "large", 20 << 20)
    given = ("--model", model, "--name", "half", "--role", aws.role, "--image-uri", f"{aws.registry}:1")
    calls = [call for call in planned(run("deploy", *given, "--dry-run")) if call["service"] == "s3"]

    result = run("deploy", *given)

    assert result.exit_code == 0, result.output
    made = [call for call in aws.calls() if call["service"] == "s3"]
    assert [call for call in made if call["operation"] == "UploadPart"] == without(
        [call for call in calls if call["operation"] == "UploadPart"] * 3
    )
    assert "3 times, PartNumber 1 to 3" in next(call["when"] for call in calls if call["operation"] == "UploadPart")
    assert without(made, "UploadPart") == without(calls, "UploadPart")


def test_dry_run_of_an_update_prints_the_calls_of_the_run(deploy: Run, aws: Any) -> None:
    deploy("--revision", "one")
    calls = planned(deploy("--revision", "two", "--dry-run", "--memory-mb", "1024"))
    before = len(aws.calls())

    assert deploy("--revision", "two", "--memory-mb", "1024").exit_code == 0

    there = ("CreateBucket", "PutObject", "DeleteEndpoint", "CreateEndpoint")
    assert without(aws.calls()[before:]) == without(calls, *there)


def test_the_archive_is_in_s3_with_model_and_code_alone(deploy: Run, aws: Any, model: Path, tmp_path: Path) -> None:
    code = tmp_path / "handlers"
    (code / "__pycache__").mkdir(parents=True)
    (code / "__pycache__" / "inference.pyc").write_bytes(b"x")
    (code / "inference.py").write_text("def handler(data, context): ...\n")
    (code / "requirements.txt").write_text("pillow\n")
    (model / "1" / ".DS_Store").write_bytes(b"x")

    assert deploy("--code", code).exit_code == 0

    (key,) = aws.keys()
    with tarfile.open(fileobj=io.BytesIO(aws.s3.get_object(Bucket=aws.bucket, Key=key)["Body"].read())) as archive:
        assert archive.getnames() == [
            "code/inference.py",
            "code/requirements.txt",
            "half_plus_two/1/saved_model.pb",
            "half_plus_two/1/variables/variables.data-00000-of-00001",
        ]
        weights = archive.extractfile("half_plus_two/1/variables/variables.data-00000-of-00001")
        assert weights is not None
        assert weights.read() == (model / "1" / "variables" / "variables.data-00000-of-00001").read_bytes()
    assert aws.model_of("half")["PrimaryContainer"]["ModelDataUrl"] == f"s3://{aws.bucket}/{key}"


def test_a_packed_archive_is_uploaded_as_it_is(deploy: Run, run: Run, aws: Any, model: Path, tmp_path: Path) -> None:
    packed = tmp_path / "mine.tar.gz"
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(model, "half_plus_two")
    image = f"{aws.registry}:1"
    aws.s3.create_bucket(Bucket="mine", CreateBucketConfiguration={"LocationConstraint": aws.region})

    given = ("--name", "half", "--role", aws.role, "--image-uri", image, "--bucket", "mine")
    assert run("deploy", "--model", packed, *given).exit_code == 0

    (key,) = aws.keys("mine")
    assert aws.s3.get_object(Bucket="mine", Key=key)["Body"].read() == packed.read_bytes()


def test_a_serverless_endpoint_is_made_as_asked(deploy: Run, aws: Any) -> None:
    result = deploy("--memory-mb", "3072", "--max-concurrency", "7", "--env", "SDNN_ENGINE=openvino", "--env", "A=b=c")

    assert result.exit_code == 0, result.output
    (variant,) = aws.config_of("half")["ProductionVariants"]
    assert variant["ServerlessConfig"] == {"MemorySizeInMB": 3072, "MaxConcurrency": 7}
    model = aws.model_of("half")
    assert model["ExecutionRoleArn"] == aws.role
    assert model["PrimaryContainer"]["Image"] == f"{aws.registry}:1"
    assert model["PrimaryContainer"]["Environment"] == {"SDNN_ENGINE": "openvino", "A": "b=c"}
    assert aws.endpoint("half")["EndpointStatus"] == "InService"


def test_an_endpoint_on_an_instance_is_made_as_asked(deploy: Run, aws: Any) -> None:
    assert deploy("--instance-type", "ml.c5.xlarge").exit_code == 0

    (variant,) = aws.config_of("half")["ProductionVariants"]
    assert (variant["InstanceType"], variant["InitialInstanceCount"]) == ("ml.c5.xlarge", 1)
    assert "ServerlessConfig" not in variant


def test_it_prints_how_to_call_the_endpoint(deploy: Run, aws: Any) -> None:
    result = deploy()

    assert "endpoint half (serverless, 2048 MB, at most 5 at once" in result.stdout
    program = result.stdout[result.stdout.index("import numpy") : result.stdout.index("from a shell:")]
    compile(program, "printed", "exec")
    assert f"sagemaker+{aws.url}/half" in program
    assert '{"x": np.zeros((1,), np.float32)}' in program
    assert f"aws sagemaker-runtime invoke-endpoint --region {aws.region} --endpoint-name half" in result.stdout


def test_no_wait_returns_at_once(deploy: Run, aws: Any) -> None:
    result = deploy("--no-wait")

    assert f"aws sagemaker wait endpoint-in-service --region {aws.region} --endpoint-name half" in result.stdout
    assert aws.endpoint("half")["EndpointStatus"] == "Creating"


def test_a_second_deploy_updates_the_endpoint_and_uploads_nothing_again(deploy: Run, aws: Any) -> None:
    deploy("--revision", "one")
    result = deploy("--revision", "two", tag="2")

    assert result.exit_code == 0, result.output
    assert "the archive is in S3 already" in result.stderr
    assert "The configuration before, half-one, is kept" in result.stdout
    assert aws.endpoint("half")["EndpointConfigName"] == "half-two"
    assert aws.model_of("half")["PrimaryContainer"]["Image"] == f"{aws.registry}:2"
    assert len(aws.keys()) == 1
    assert aws.operations().count("CreateEndpoint") == 1


def test_the_same_model_elsewhere_makes_the_same_archive(
    deploy: Run, run: Run, aws: Any, make_model: Make, tmp_path: Path
) -> None:
    deploy()
    copy = make_model(tmp_path / "copy" / "half_plus_two")

    result = run(
        "deploy",
        "--model",
        copy,
        "--name",
        "half",
        "--role",
        aws.role,
        "--image-uri",
        f"{aws.registry}:1",
        "--revision",
        "b",
    )

    assert "the archive is in S3 already" in result.stderr


def test_delete_removes_every_revision_and_nothing_of_others(deploy: Run, run: Run, aws: Any) -> None:
    deploy("--revision", "one")
    deploy("--revision", "two")
    deploy("--revision", "one", name="half-life")

    result = run("delete", "half", "--region", aws.region)

    assert result.exit_code == 0, result.output
    assert aws.names() == {"endpoints": ["half-life"], "configs": ["half-life-one"], "models": ["half-life-one"]}
    assert len(aws.keys()) == 2


def test_delete_with_archive_removes_it_too(deploy: Run, run: Run, aws: Any) -> None:
    deploy("--revision", "one")
    calls = planned(run("delete", "half", "--archive", "--dry-run", AWS_REGION=aws.region))
    assert aws.names()["endpoints"] == ["half"]
    before = len(aws.calls())

    assert run("delete", "half", "--archive", AWS_REGION=aws.region).exit_code == 0

    assert aws.keys() == []
    assert [call for call in aws.calls()[before:] if call["operation"].startswith("Delete")] == calls


def test_delete_of_nothing_says_where_it_looked(run: Run, aws: Any) -> None:
    result = run("delete", "half", "--region", aws.region)

    assert result.exit_code == 1
    assert f"no endpoint half in {aws.region}" in result.stderr
