"""What is asked of a server of SageMaker's and S3's APIs, and the commands run against it."""

import json
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest
from click.testing import CliRunner, Result

from serverless_dnn.protos.v1 import saved_model_pb2
from serverless_dnn.sagemaker_tfserving.cli import main


class Aws:
    """The server, and clients that look what is there."""

    account = "123456789012"
    region = "eu-west-1"
    role = f"arn:aws:iam::{account}:role/serving"
    registry = f"{account}.dkr.ecr.{region}.amazonaws.com/serverless-dnn"
    bucket = f"sagemaker-{region}-{account}"

    def __init__(self, url: str, calls_file: Path) -> None:
        self.url, self._calls_file = url, calls_file
        self.sagemaker, self.s3, self.iam = (
            boto3.client(name, endpoint_url=url, region_name=self.region) for name in ("sagemaker", "s3", "iam")
        )

    def reset(self) -> None:
        urllib.request.urlopen(f"{self.url}/moto-api/reset", data=b"").close()
        self._calls_file.write_text("")

    def calls(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._calls_file.read_text().splitlines()]

    def operations(self) -> list[str]:
        return [call["operation"] for call in self.calls()]

    def endpoint(self, name: str) -> dict[str, Any]:
        return dict(self.sagemaker.describe_endpoint(EndpointName=name))

    def config_of(self, name: str) -> dict[str, Any]:
        config_name = self.endpoint(name)["EndpointConfigName"]
        return dict(self.sagemaker.describe_endpoint_config(EndpointConfigName=config_name))

    def model_of(self, name: str) -> dict[str, Any]:
        variants = self.config_of(name)["ProductionVariants"]
        return dict(self.sagemaker.describe_model(ModelName=variants[0]["ModelName"]))

    def keys(self, bucket: str | None = None) -> list[str]:
        return [item["Key"] for item in self.s3.list_objects_v2(Bucket=bucket or self.bucket).get("Contents", [])]

    def names(self) -> dict[str, list[str]]:
        return {
            "endpoints": [item["EndpointName"] for item in self.sagemaker.list_endpoints()["Endpoints"]],
            "configs": [
                item["EndpointConfigName"] for item in self.sagemaker.list_endpoint_configs()["EndpointConfigs"]
            ],
            "models": [item["ModelName"] for item in self.sagemaker.list_models()["Models"]],
        }


@pytest.fixture
def aws(server: tuple[str, Path], credentials: None) -> Aws:
    aws = Aws(*server)
    aws.reset()
    return aws


@pytest.fixture
def make_model() -> Callable[..., Path]:
    """Write a SavedModel with a signature, and weights that do not shrink."""

    def make(folder: Path, size_bytes: int = 4096) -> Path:
        saved = saved_model_pb2.SavedModel(saved_model_schema_version=1)
        graph = saved.meta_graphs.add()
        graph.meta_info_def.tags.append("serve")
        signature = graph.signature_def["serving_default"]
        signature.method_name = "tensorflow/serving/predict"
        for tensors, name in ((signature.inputs, "x"), (signature.outputs, "y")):
            tensors[name].name, tensors[name].dtype = f"{name}:0", 1
            tensors[name].tensor_shape.dim.add().size = -1
        variables = folder / "1" / "variables"
        variables.mkdir(parents=True)
        (folder / "1" / "saved_model.pb").write_bytes(saved.SerializeToString())
        (variables / "variables.data-00000-of-00001").write_bytes(np.random.default_rng(0).bytes(size_bytes))
        return folder

    return make


@pytest.fixture
def model(make_model: Callable[..., Path], tmp_path: Path) -> Path:
    return make_model(tmp_path / "half_plus_two")


@pytest.fixture
def run(aws: Aws) -> Callable[..., Result]:
    def run(*arguments: str | Path, **variables: str) -> Result:
        return CliRunner(env=variables).invoke(main, [*map(str, arguments), "--endpoint-url", aws.url])

    return run


@pytest.fixture
def deploy(run: Callable[..., Result], aws: Aws, model: Path) -> Callable[..., Result]:
    def deploy(*arguments: str | Path, tag: str = "1", name: str = "half") -> Result:
        image = f"{aws.registry}:{tag}"
        return run("deploy", "--model", model, "--name", name, "--role", aws.role, "--image-uri", image, *arguments)

    return deploy
