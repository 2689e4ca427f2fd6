"""SageMaker's own ModelBuilder with its TensorFlow Serving model server; it takes MLflow models alone."""

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest
from click.testing import Result

pytest.importorskip("moto", reason="SageMaker's SDK has an environment of its own: hatch run aws:test")

# The builder imports some of its own modules by names that it calls deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
_MLMODEL = """
flavors:
  python_function: {loader_module: mlflow.tensorflow, python_version: 3.11.2}
  tensorflow: {data: saved, model_type: tf2-module, saved_model_dir: saved}
"""
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


@pytest.fixture
def builder(aws: Any, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    # The builder makes clients of its own, the first when it is imported.
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws.url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", aws.region)

    from sagemaker.core.helper.session_helper import Session
    from sagemaker.serve.builder.schema_builder import SchemaBuilder
    from sagemaker.serve.mode.function_pointers import Mode
    from sagemaker.serve.model_builder import ModelBuilder
    from sagemaker.serve.utils.types import ModelServer

    aws.iam.create_role(RoleName="serving", AssumeRolePolicyDocument=json.dumps(_TRUST))
    aws.s3.create_bucket(Bucket="built", CreateBucketConfiguration={"LocationConstraint": aws.region})
    logged = tmp_path / "mlflow"
    logged.mkdir()
    (model / "1").rename(logged / "saved")
    (logged / "MLmodel").write_text(_MLMODEL)
    (logged / "requirements.txt").write_text("tensorflow==2.21.0\n")
    example = np.array([1, 2, 5], np.float32)
    return ModelBuilder(
        model_metadata={"MLFLOW_MODEL_PATH": str(logged)},
        model_path=str(tmp_path / "work"),
        schema_builder=SchemaBuilder(example, example),
        model_server=ModelServer.TENSORFLOW_SERVING,
        image_uri=f"{aws.registry}:1",
        role_arn=aws.role,
        sagemaker_session=Session(boto3.Session(region_name=aws.region), default_bucket="built"),
        mode=Mode.SAGEMAKER_ENDPOINT,
        instance_type="ml.m5.large",
        dependencies={"auto": False},
    )


def test_it_deploys_our_image_to_a_serverless_endpoint(aws: Any, builder: Any) -> None:
    from sagemaker.core.inference_config import ServerlessInferenceConfig

    builder.build()
    builder.deploy(
        endpoint_name="built",
        inference_config=ServerlessInferenceConfig(memory_size_in_mb=2048, max_concurrency=5),
        wait=False,
    )

    container = aws.model_of("built")["PrimaryContainer"]
    assert container["Image"] == f"{aws.registry}:1"
    assert container["Environment"]["SAGEMAKER_PROGRAM"] == "inference.py"
    (variant,) = aws.config_of("built")["ProductionVariants"]
    assert variant["ServerlessConfig"] == {"MemorySizeInMB": 2048, "MaxConcurrency": 5}


def test_the_archive_it_makes_can_be_deployed_by_us(
    aws: Any, builder: Any, run: Callable[..., Result], tmp_path: Path
) -> None:
    bucket, _, key = builder.build().primary_container.model_data_url.removeprefix("s3://").partition("/")
    packed = aws.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    (tmp_path / "serve.tar.gz").write_bytes(packed)
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        assert {"1/saved_model.pb", "code/inference.py"} <= set(archive.getnames())

    given = ("--name", "half", "--role", aws.role, "--image-uri", f"{aws.registry}:1")
    result = run("deploy", "--model", tmp_path / "serve.tar.gz", *given)

    assert result.exit_code == 0, result.output
    # As the server calls a model whose versions lie in /opt/ml/model itself.
    assert 'half", "model", options)' in result.stdout
