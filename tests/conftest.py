"""Small real SavedModels, made once, and real server processes to ask."""

import datetime as dt
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from serverless_dnn.bench.targets.processes import ServerProcess

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# A shell without job control starts what it puts in the background with Ctrl-C ignored, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

NUMBER_TYPES = (
    *("float16", "float32", "float64", "int8", "int16", "int32", "int64"),
    *("uint8", "uint16", "uint32", "uint64", "bool"),
)
_MAKE_MODELS = """
    import sys
    import tensorflow as tf
    from tensorflow.core.protobuf import saved_model_pb2

    FLOAT = tf.TensorSpec([None], tf.float32)

    class HalfPlusTwo(tf.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = tf.Variable(0.5), tf.Variable(2.0)

        @tf.function(input_signature=[FLOAT])
        def predict(self, x):
            return {"y": self.a * x + self.b}

        @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32)])
        def rows(self, x):
            return {"y": self.a * x + self.b}

    class Types(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "words"),
                                      tf.TensorSpec([None], tf.int32, "counts"),
                                      tf.TensorSpec([None], tf.bool, "flags")])
        def predict(self, words, counts, flags):
            return {"joined": tf.strings.join([words, tf.strings.as_string(counts)], "-"),
                    "raw_bytes": words, "counts": counts * 2, "flags": tf.logical_not(flags)}

        @tf.function(input_signature=[FLOAT])
        def nonfinite(self, x):
            return {"y": tf.stack([x / 0.0, 0.1 * x], axis=1)}

    class Pair(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32, "ids"),
                                      tf.TensorSpec([None, None], tf.int32, "mask")])
        def predict(self, ids, mask):
            return {"total": tf.reduce_sum(ids * mask, axis=1), "count": tf.reduce_sum(mask, axis=1)}

    class Lookup(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32, "ids")])
        def predict(self, ids):
            table = tf.constant([1, 2, 4, 8, 16, 32], tf.int32)
            rows = tf.shape(ids)[0]
            return {"total": tf.reduce_sum(tf.gather(table, ids), axis=1), "rows_of_run": tf.fill([rows], rows)}

    class Gate(tf.Module):
        # Makes the file `started`, then runs until the file `go_on` exists.
        @tf.function(input_signature=[tf.TensorSpec([], tf.string, "started"), tf.TensorSpec([], tf.string, "go_on")])
        def predict(self, started, go_on):
            def absent(turns):
                # The same path every time, but nothing may look it up once for all.
                nothing = tf.strings.regex_replace(tf.strings.as_string(turns), "[0-9]", "")
                return tf.equal(tf.size(tf.io.matching_files(go_on + nothing)), 0)

            with tf.control_dependencies([tf.io.write_file(started, "")]):
                first = tf.constant(0, tf.int64)
            [turns] = tf.while_loop(absent, lambda turns: [turns + 1], [first])
            return {"done": tf.reshape(turns >= 0, [1])}

        @tf.function(input_signature=[tf.TensorSpec([], tf.int32, "length")])
        def ones(self, length):
            return {"ones": tf.ones([length], tf.int32)}

    def rows_of_examples():
        module = tf.Module()
        spec = [tf.TensorSpec([None], tf.string, "inputs")]

        def parse(examples):
            features = {"x": tf.io.FixedLenFeature([1], tf.float32), "name": tf.io.FixedLenFeature([], tf.string, "?")}
            return tf.io.parse_example(examples, features)

        @tf.function(input_signature=spec)
        def regress(inputs):
            return {"outputs": parse(inputs)["x"] / 2 + 2}

        @tf.function(input_signature=spec)
        def classify(inputs):
            row = parse(inputs)
            names = tf.stack([row["name"], tf.fill(tf.shape(row["name"]), "other")], axis=1)
            return {"classes": names, "scores": tf.concat([row["x"], 1 - row["x"]], axis=1)}

        @tf.function(input_signature=spec)
        def scores(inputs):
            return {"scores": parse(inputs)["x"]}

        module.calls = [regress, classify, scores]
        signatures = {"serving_default": regress, "classify": classify, "scores": scores}
        tf.saved_model.save(module, f"{root}/examples/1", signatures)

    def scaled():
        module = tf.Module()
        spec = [tf.TensorSpec([None], tf.float32, "x"), tf.TensorSpec([], tf.float32, "scale")]
        module.serve = tf.function(lambda x, scale: {"y": x * scale}, input_signature=spec)
        tf.saved_model.save(module, f"{root}/scaled/1", {"serving_default": module.serve})
        path = f"{root}/scaled/1/saved_model.pb"
        with open(path, "rb") as file:
            saved = saved_model_pb2.SavedModel.FromString(file.read())
        signature = saved.meta_graphs[0].signature_def["serving_default"]
        signature.defaults["scale"].CopyFrom(tf.make_tensor_proto(3.0))
        with open(path, "wb") as file:
            file.write(saved.SerializeToString())

    def numbers(name):
        kind = tf.as_dtype(name)
        module = tf.Module()

        def call(x, table):
            picked = tf.gather(table, [1, 0], axis=1)
            total = tf.logical_and(x, picked) if kind.is_bool else x + picked
            return {"total": total, "stacked": tf.stack([x, picked], axis=1)}

        signature = [tf.TensorSpec([None, 2], kind, "x"), tf.TensorSpec([None, None], kind, "table")]
        module.serve = tf.function(call, input_signature=signature)
        tf.saved_model.save(module, f"{root}/numbers_{name}/1", {"serving_default": module.serve})

    root = sys.argv[1]
    lookup = Lookup()
    half, types, pair = HalfPlusTwo(), Types(), Pair()
    tf.saved_model.save(half, f"{root}/half_plus_two/1", {"serving_default": half.predict})
    tf.saved_model.save(half, f"{root}/half_plus_two/00000012", {"serving_default": half.predict})
    tf.saved_model.save(half, f"{root}/matrix/1", {"serving_default": half.rows})
    tf.saved_model.save(types, f"{root}/types/1", {"serving_default": types.predict, "nonfinite": types.nonfinite})
    tf.saved_model.save(pair, f"{root}/pair/3", {"serving_default": pair.predict})
    tf.saved_model.save(lookup, f"{root}/lookup/1", {"serving_default": lookup.predict})
    gate = Gate()
    tf.saved_model.save(gate, f"{root}/gate/1", {"serving_default": gate.predict, "ones": gate.ones})
    rows_of_examples()
    scaled()
"""
_MAKE_NUMBERS = f"""
    for name in {NUMBER_TYPES}:
        numbers(name)
"""


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models: half_plus_two (versions 1 and 12), matrix, types (strings, several signatures), pair, lookup,
    examples (classify, regress), scaled (an input with a default value), gate (runs until a file exists; ones of any length)."""
    root = tmp_path_factory.mktemp("models")
    subprocess.run([sys.executable, "-c", textwrap.dedent(_MAKE_MODELS), str(root)], check=True, capture_output=True)
    (root / "half_plus_two" / ".hidden").mkdir()
    (root / "half_plus_two" / "not_a_version").mkdir()
    return root


@pytest.fixture(scope="session")
def number_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The version folder of a model of two inputs and two outputs for each type of number."""
    root = tmp_path_factory.mktemp("numbers")
    code = textwrap.dedent(_MAKE_MODELS) + textwrap.dedent(_MAKE_NUMBERS)
    subprocess.run([sys.executable, "-c", code, str(root)], check=True, capture_output=True)
    return {name: root / f"numbers_{name}" / "1" for name in NUMBER_TYPES}


@pytest.fixture(scope="session")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder to which `sdnn-models export all` wrote every model."""
    root = tmp_path_factory.mktemp("all-models")
    done = subprocess.run(["sdnn-models", "export", "all", str(root)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return root


@pytest.fixture(scope="session")
def mobilenet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which `sdnn-models export mobilenet_v1` wrote MobileNetV1."""
    root = tmp_path_factory.mktemp("zoo")
    subprocess.run(["sdnn-models", "export", "mobilenet_v1", str(root)], check=True, capture_output=True)
    return root


@pytest.fixture(scope="session")
def deploy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """Deploy a folder of models on a local platform, with real server processes, once a session; gives its URL."""
    # Here, so that an environment with the protos and the client alone can run their tests.
    from serverless_dnn.bench.platforms import PLATFORMS
    from serverless_dnn.bench.targets.base import DeployOptions

    urls: dict[tuple[object, ...], str] = {}
    with ExitStack() as running:

        def start(platform: str, model: str, folder: Path, engine: str = "auto") -> str:
            key = (platform, model, folder, engine)
            if key not in urls:
                logs = tmp_path_factory.mktemp("logs")
                deployment = PLATFORMS[platform].deploy(DeployOptions(model, folder, logs, engine))
                running.callback(deployment.stop)
                urls[key] = deployment.url
            return urls[key]

        yield start


@pytest.fixture(scope="module")
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., tuple[str, "ServerProcess"]]]:
    """Start a server's command on a free port of loopback; gives host:port and the process.

    Stopped at the end of the module, or by the test.
    """
    from serverless_dnn.bench.targets.processes import start_server

    with ExitStack() as running:
        folder, number = tmp_path_factory.mktemp("servers"), itertools.count()

        def start(*command: str, timeout_s: float = 60, **variables: str) -> tuple[str, "ServerProcess"]:
            environment = {"PORT": "0", "SAGEMAKER_BIND_TO_PORT": "0", "SDNN_HOST": "127.0.0.1", **variables}
            process = start_server(list(command), environment, folder / f"server-{next(number)}.log")
            running.callback(process.stop, 0)
            return f"127.0.0.1:{process.wait_ready(timeout_s)}", process

        yield start


@dataclass(frozen=True)
class Key:
    """A private key and a certificate for localhost that it signed itself."""

    private_pem: bytes
    certificate_pem: bytes


@pytest.fixture(scope="session")
def make_key() -> Callable[[], Key]:
    """Make a key and a certificate."""

    def make() -> Key:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import rsa

        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
        now = dt.datetime.now(dt.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(private.public_key())
            .serial_number(1)
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
            .sign(private, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        return Key(
            private.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
            certificate.public_bytes(pem),
        )

    return make


@pytest.fixture
def copied_model(models: Path, tmp_path: Path) -> Path:
    """A copy of half_plus_two that a test may damage."""
    return Path(shutil.copytree(models / "half_plus_two", tmp_path / "half_plus_two"))


@pytest.fixture
def run_command() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a command to its end, with variables added to the environment."""

    def run(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, env={**os.environ, **variables}, capture_output=True, text=True, timeout=120, check=False
        )

    return run


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever needs all four models takes long: it is in the soak."""
    for item in items:
        if "zoo" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.soak)


def pytest_report_header() -> str:
    """Say which protobuf and grpc the tests ran with."""
    import google.protobuf
    import grpc

    return json.dumps({"protobuf": google.protobuf.__version__, "grpcio": grpc.__version__})
