"""`sdnn-sagemaker deploy` without SageMaker's SDK: packing, checks, the plan, what it prints."""

import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from serverless_dnn.runtime.errors import InvalidArgumentError, NotFoundError
from serverless_dnn.runtime.saved_model.signature import TensorSpec, read_signatures
from serverless_dnn.sagemaker_tfserving.cli import main
from serverless_dnn.sagemaker_tfserving.deployment.client_examples import DeployedEndpoint, python_call
from serverless_dnn.sagemaker_tfserving.deployment.model_archive import list_files, open_archive, pack
from serverless_dnn.sagemaker_tfserving.deployment.options import Deployment
from serverless_dnn.sagemaker_tfserving.deployment.plan import Revision, deletion_plan, plan

ROLE = "arn:aws:iam::123456789012:role/serving"
IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/dnn:1"


def packed(model: Path, target: Path, code: Path | None = None) -> list[str]:
    pack(list_files(model, code), target, lambda count: None)
    with tarfile.open(target) as archive:
        return archive.getnames()


def test_the_same_files_make_the_same_archive(copied_model: Path, tmp_path: Path) -> None:
    first = pack(list_files(copied_model), tmp_path / "a.tar.gz", lambda count: None)
    for path in copied_model.rglob("*"):
        os.utime(path, (1, 1))
        path.chmod(0o700)
    second = pack(list_files(copied_model), tmp_path / "b.tar.gz", lambda count: None)

    assert (first.sha256, first.size_bytes) == (second.sha256, second.size_bytes)
    assert (tmp_path / "a.tar.gz").read_bytes() == (tmp_path / "b.tar.gz").read_bytes()


def test_every_version_is_packed_below_the_model_and_nothing_else(copied_model: Path, tmp_path: Path) -> None:
    (copied_model / "1" / ".cache").mkdir()
    (copied_model / "1" / ".cache" / "x").write_text("x")
    (copied_model / "notes.txt").write_text("x")

    names = packed(copied_model, tmp_path / "model.tar.gz")

    assert {name.split("/")[0] for name in names} == {"half_plus_two"}
    assert {name.split("/")[1] for name in names} == {"1", "00000012"}
    assert not [name for name in names if ".cache" in name or "notes" in name]
    assert names == sorted(names)
    assert open_archive(tmp_path / "model.tar.gz").models == ("half_plus_two",)


def test_a_folder_of_models_is_packed_whole(models: Path, tmp_path: Path) -> None:
    names = packed(models, tmp_path / "model.tar.gz")

    assert {"half_plus_two/1/saved_model.pb", "types/1/saved_model.pb"} <= set(names)


def test_code_beside_the_versions_is_packed_unasked(copied_model: Path, tmp_path: Path) -> None:
    (copied_model / "code").mkdir()
    (copied_model / "code" / "inference.py").write_text("")

    assert "code/inference.py" in packed(copied_model, tmp_path / "model.tar.gz")


def test_the_code_given_replaces_the_code_beside(copied_model: Path, tmp_path: Path) -> None:
    for folder in (copied_model / "code", tmp_path / "mine"):
        folder.mkdir()
        (folder / "inference.py").write_text(str(folder))

    packed(copied_model, tmp_path / "model.tar.gz", tmp_path / "mine")

    with tarfile.open(tmp_path / "model.tar.gz") as archive:
        member = archive.extractfile("code/inference.py")
        assert member is not None
        assert member.read().decode() == str(tmp_path / "mine")


def test_code_without_inference_py_is_refused(copied_model: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFoundError, match=r"no inference\.py in .*empty"):
        list_files(copied_model, tmp_path / "empty")


def test_a_link_within_the_model_is_followed(copied_model: Path, tmp_path: Path) -> None:
    (copied_model / "13").symlink_to("1")

    assert "half_plus_two/13/saved_model.pb" in packed(copied_model, tmp_path / "model.tar.gz")


@pytest.mark.parametrize(
    ("target", "said"), [("/etc/hostname", "out of .*half_plus_two"), ("..", "leads back"), ("/dev/null", "out of")]
)
def test_a_link_that_leads_elsewhere_is_refused(copied_model: Path, target: str, said: str) -> None:
    (copied_model / "1" / "assets" / "link").parent.mkdir(exist_ok=True)
    (copied_model / "1" / "assets" / "link").symlink_to(target)
    with pytest.raises(InvalidArgumentError, match=said):
        list_files(copied_model)


def test_what_is_no_file_is_refused(copied_model: Path) -> None:
    os.mkfifo(copied_model / "1" / "pipe")
    with pytest.raises(InvalidArgumentError, match="neither a file nor a folder"):
        list_files(copied_model)


def test_an_interrupted_packing_leaves_no_archive(copied_model: Path, tmp_path: Path) -> None:
    def interrupt(count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pack(list_files(copied_model), tmp_path / "model.tar.gz", interrupt)
    assert [path.name for path in tmp_path.iterdir()] == ["half_plus_two"]


@pytest.mark.parametrize("name", ["../../etc/1/saved_model.pb", "/1/saved_model.pb"])
def test_an_archive_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "model.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    with pytest.raises(InvalidArgumentError, match="leads out of the archive"):
        open_archive(path)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("saved_model.pb", "no SavedModel"),
        ("model/v1/saved_model.pb", "no SavedModel"),
        (None, "not a .tar.gz archive"),
    ],
)
def test_an_archive_without_a_model_is_refused(tmp_path: Path, name: str | None, said: str) -> None:
    path = tmp_path / "model.tar.gz"
    path.write_bytes(b"no archive")
    if name:
        with tarfile.open(path, "w:gz") as archive:
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    with pytest.raises(InvalidArgumentError, match=said):
        open_archive(path)


@pytest.mark.parametrize(
    "image",
    [
        "123456789012.dkr.ecr.eu-west-1.amazonaws.com/dnn",
        f"123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/dnn@sha256:{'0' * 64}",
        "123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com/dnn:v1.2_3",
        "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/dnn:1",
        "123456789012.dkr-ecr.eu-west-1.on.aws/dnn:1",
        "000000000000.dkr.ecr.us-east-1.localhost.localstack.cloud:4566/dnn:1",
    ],
)
def test_images_in_ecr_are_taken_and_say_the_region(image: str) -> None:
    assert Deployment("half", "one", image, ROLE).region == image.split(".")[3 if ".dkr.ecr" in image else 2]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"image_uri": "public.ecr.aws/dnn:1"}, "--image-uri: expected an image in ECR"),
        ({"image_uri": "docker.io/library/dnn:1"}, "--image-uri: expected an image in ECR"),
        ({"image_uri": IMAGE + " "}, "--image-uri"),
        ({"role_arn": "serving"}, "--role: expected a role's ARN"),
        ({"role_arn": "arn:aws:iam::123456789012:user/me"}, "--role"),
        ({"name": "half_plus_two"}, "--name: expected letters, digits and single hyphens"),
        ({"name": "a" * 60}, "--name .* is too long: .* at most 59 characters, got 60"),
        ({"bucket": "Mine"}, "--bucket: expected a bucket's name"),
        ({"environment": {"1": "x"}}, "--env: expected NAME=VALUE"),
        ({"environment": {"A": "x" * 1025}}, "--env A: a value has at most 1024 characters, got 1025"),
        ({"region": "us-east-1"}, "--region us-east-1: SageMaker takes images of the same region only"),
    ],
)
def test_a_wrong_value_is_refused_with_its_option(changed: dict[str, object], said: str) -> None:
    values = {"name": "half", "revision": "one", "image_uri": IMAGE, "role_arn": ROLE, **changed}
    with pytest.raises(InvalidArgumentError, match=said):
        Deployment(**values)  # type: ignore[arg-type]


def test_a_value_that_may_be_secret_is_not_shown() -> None:
    with pytest.raises(InvalidArgumentError) as raised:
        Deployment("half", "one", IMAGE, ROLE, environment={"A": "secret" * 200})
    assert "secret" not in str(raised.value)


def test_the_bucket_is_the_one_of_the_sdk_and_must_be_of_the_role_s_account(copied_model: Path, tmp_path: Path) -> None:
    archive = pack(list_files(copied_model), tmp_path / "model.tar.gz", lambda count: None)
    calls = plan(Deployment("half", "one", IMAGE, ROLE), archive)

    assert calls.parameters("HeadBucket") == {
        "Bucket": "sagemaker-eu-west-1-123456789012",
        "ExpectedBucketOwner": "123456789012",
    }
    named = plan(Deployment("half", "one", IMAGE, ROLE, bucket="mine"), archive)
    assert not named.has("CreateBucket")


def test_the_endpoint_is_deleted_before_what_it_uses_and_a_shared_archive_once() -> None:
    revisions = [Revision(name, "s3://bucket/key", "123456789012") for name in ("half-one", "half-two")]

    calls = deletion_plan("half", revisions, exists=True, archives=True).calls

    assert [call.operation for call in calls] == [
        "DeleteEndpoint",
        *("DeleteEndpointConfig", "DeleteModel") * 2,
        "DeleteObject",
    ]


def run_deploy(model: Path, *more: str) -> Result:
    given = ["deploy", "--model", str(model), "--name", "half", "--role", ROLE, "--image-uri", IMAGE]
    return CliRunner(env={"AWS_ACCESS_KEY_ID": None, "AWS_PROFILE": None}).invoke(main, [*given, *more])


def test_a_dry_run_needs_neither_sdk_nor_credentials(copied_model: Path) -> None:
    result = run_deploy(copied_model, "--dry-run", "--revision", "one", "--env", "SDNN_ENGINE=openvino")

    assert result.exit_code == 0, result.output
    calls = {call["operation"]: call for call in map(json.loads, result.stdout.splitlines())}
    container = calls["CreateModel"]["parameters"]["PrimaryContainer"]
    assert container["Environment"] == {"SDNN_ENGINE": "openvino"}
    place = calls["PutObject"]["parameters"]
    assert container["ModelDataUrl"] == f"s3://{place['Bucket']}/{place['Key']}"
    assert calls["CreateEndpoint"]["when"] == "there is no such endpoint, or it was Failed"


def test_a_model_that_is_none_is_refused(tmp_path: Path) -> None:
    result = run_deploy(tmp_path, "--dry-run")

    assert result.exit_code == 1
    assert "no SavedModel under" in result.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["deploy", "--help"], ["delete", "--help"], ["serve", "--help"]])
def test_help_imports_no_sdk(arguments: list[str]) -> None:
    program = (
        "import sys; from click.testing import CliRunner; from serverless_dnn.sagemaker_tfserving.cli import main\n"
        f"assert CliRunner().invoke(main, {arguments!r}).exit_code == 0\n"
        "print([name for name in ('boto3', 'botocore', 'sagemaker', 'pydantic') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_printed_program_calls_an_endpoint(
    deploy: Callable[..., str], models: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    url = deploy("sagemaker", "half_plus_two", models)
    address, _, name = url.removeprefix("sagemaker+").rpartition("/")
    inputs = read_signatures(models / "half_plus_two" / "1")["serving_default"].inputs
    program = python_call(DeployedEndpoint(name, "eu-west-1", "aws", "half_plus_two", inputs, address))
    credentials = {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing"}

    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **credentials}, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "2." in done.stdout


@pytest.mark.parametrize(
    ("data_type", "shape", "written"),
    [
        (1, (None, 224, 224, 3), "np.zeros((1, 224, 224, 3), np.float32)"),
        (1, (), "np.zeros((), np.float32)"),
        (9, None, "np.zeros((1,), np.int64)"),
        (7, (None,), 'np.full((1,), b"", object)'),
        (10, (2,), "np.zeros((2,), np.bool_)"),
        (14, (2,), "np.zeros((2,), np.float32)"),
    ],
)
def test_examples_have_the_input_s_type_and_shape(
    data_type: int, shape: tuple[int | None, ...] | None, written: str
) -> None:
    endpoint = DeployedEndpoint("half", "eu-west-1", "aws", "half", {"x": TensorSpec("x", data_type, shape)})

    assert f'{{"x": {written}}}' in python_call(endpoint)
    assert '"sagemaker+https://runtime.sagemaker.eu-west-1.amazonaws.com/half"' in python_call(endpoint)
