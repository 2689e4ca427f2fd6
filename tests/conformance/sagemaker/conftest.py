"""The models, scripts and servers of the local tests of AWS' TensorFlow Serving container.

The cases are those of https://github.com/aws/sagemaker-tensorflow-serving-container, test/integration/local, numbered in
their order: C of a container without a script, P of one with pre- and post-processing, M of a multi-model endpoint. The
models and scripts are our own.
"""

import ensurepip
import importlib.metadata
import importlib.util
import json
import random
import shutil
import socket
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import urllib3

_HTTP = urllib3.PoolManager(retries=False, maxsize=32)
_EXAMPLES = Path(__file__).parent / "examples"
_PORTS = 40
_MAKE_MODELS = """
    import sys
    import tensorflow as tf

    class HalfPlus(tf.Module):
        def __init__(self, b):
            super().__init__()
            self.a, self.b = tf.Variable(0.5), tf.Variable(b)

        # TensorFlow's sample takes a tensor of any rank too.
        @tf.function(input_signature=[tf.TensorSpec(None, tf.float32, "x")])
        def predict(self, x):
            return {"y": self.a * x + self.b}

        def of_examples(self, examples):
            x = tf.io.parse_example(examples, {"x": tf.io.FixedLenFeature([1], tf.float32)})["x"]
            return self.a * x + self.b

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "inputs")])
        def regress(self, inputs):
            return {"outputs": self.of_examples(inputs)}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "inputs")])
        def classify(self, inputs):
            return {"scores": self.of_examples(inputs)}

    class Rows(HalfPlus):
        # Rows of several calls fit together, so that they can run as one batch.
        @tf.function(input_signature=[tf.TensorSpec([None, None], tf.float32, "x")])
        def predict(self, x):
            return {"y": self.a * x + self.b}

    class Cifar(tf.Module):
        def __init__(self):
            super().__init__()
            self.kernel = tf.Variable(tf.random.stateless_normal([3, 3, 3, 8], [1, 2]))
            self.weights = tf.Variable(tf.random.stateless_normal([8, 10], [3, 4]))

        @tf.function(input_signature=[tf.TensorSpec([None, 32, 32, 3], tf.float32, "images")])
        def predict(self, images):
            features = tf.nn.relu(tf.nn.conv2d(images, self.kernel, 1, "SAME"))
            return {"probabilities": tf.nn.softmax(tf.reduce_mean(features, [1, 2]) @ self.weights)}

    class Gate(tf.Module):
        # Runs until the file exists whose path it was given.
        @tf.function(input_signature=[tf.TensorSpec([], tf.string, "path")])
        def predict(self, path):
            def absent(turns):
                # The same path every time, but nothing may look it up once for all.
                nothing = tf.strings.regex_replace(tf.strings.as_string(turns), "[0-9]", "")
                return tf.equal(tf.size(tf.io.matching_files(path + nothing)), 0)

            [turns] = tf.while_loop(absent, lambda turns: [turns + 1], [tf.constant(0, tf.int64)])
            return {"turns": tf.reshape(turns, [1])}

    root = sys.argv[1]
    for name, b, versions in (("three", 3.0, ("00000123", "00000124")), ("two", 2.0, ("00000123",))):
        half = HalfPlus(b)
        signatures = {
            "serving_default": half.predict,
            "tensorflow/serving/predict": half.predict,
            "tensorflow/serving/regress": half.regress,
            "tensorflow/serving/classify": half.classify,
        }
        for version in versions:
            tf.saved_model.save(half, f"{root}/models/half_plus_{name}/{version}", signatures)
    half, rows, cifar, gate = HalfPlus(3.0), Rows(3.0), Cifar(), Gate()
    tf.saved_model.save(half, f"{root}/transform/any_rank/1", {"serving_default": half.predict})
    tf.saved_model.save(rows, f"{root}/transform/half_plus_three/1", {"serving_default": rows.predict})
    tf.saved_model.save(cifar, f"{root}/models/cifar/1540855709", {"serving_default": cifar.predict})
    tf.saved_model.save(cifar, f"{root}/models/invalid_version/abcde", {"serving_default": cifar.predict})
    tf.saved_model.save(gate, f"{root}/gate/1", {"serving_default": gate.predict})
"""


@dataclass(frozen=True)
class Answer:
    """An HTTP response.

    Attributes:
        status: Its code.
        headers: By name, in any case.
        body: As it came.
    """

    status: int
    headers: Any
    body: bytes

    @property
    def text(self) -> str:
        """The body, which is text."""
        return self.body.decode()

    @property
    def json(self) -> Any:
        """The body, which is JSON."""
        return json.loads(self.body)


@pytest.fixture(scope="session")
def send() -> Callable[..., Answer]:
    """Send a request to host:port; gives the answer."""

    def send_request(address: str, verb: str, path: str, body: str | bytes = b"", **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        reply = _HTTP.request(verb, f"http://{address}{path}", body=body, headers=named, timeout=120)
        return Answer(reply.status, reply.headers, reply.data)

    return send_request


@pytest.fixture(scope="session")
def made_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds three folders: ``models`` (half_plus_three in two versions, half_plus_two, cifar, invalid_version),
    ``transform`` (half_plus_three of rows, any_rank) and the model ``gate``."""
    root = tmp_path_factory.mktemp("sagemaker")
    made = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_MAKE_MODELS), str(root)], capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    hidden = root / "models" / "half_plus_three" / ".00000111"
    hidden.mkdir()
    (hidden / ".hidden_file").touch()
    return root


@pytest.fixture(scope="session")
def model_folder(made_models: Path) -> Path:
    """What the upstream tests mount as /opt/ml/model, or /opt/ml/models."""
    return made_models / "models"


@pytest.fixture(scope="session")
def half_plus_two(model_folder: Path) -> Path:
    """A folder with nothing but one model's version, for servers that need no more."""
    return model_folder / "half_plus_two"


@pytest.fixture(scope="session")
def transform_folder(made_models: Path) -> Path:
    """Two models of y = x/2 + 3: half_plus_three, whose calls can be batched, and any_rank, which takes a column too."""
    return made_models / "transform"


@pytest.fixture(scope="session")
def gate(made_models: Path) -> Path:
    """A model that computes until the file exists whose path is its input ``path``."""
    return made_models / "gate"


@pytest.fixture(scope="session")
def binary() -> str:
    """Stands in for tensorflow_model_server: the same flags and APIs."""
    return str(Path(sys.executable).parent / "sdnn-model-server")


@pytest.fixture(scope="session")
def safe_port_range() -> Callable[[], str]:
    """Find neighbouring free ports, different ones each time; gives LOW-HIGH."""
    # Below the ports that the system gives to whoever asks for any.
    lows = list(range(10_000, 32_000, _PORTS))
    random.shuffle(lows)

    def find() -> str:
        while lows:
            low = lows.pop()
            if all(_is_free(port) for port in range(low, low + _PORTS)):
                return f"{low}-{low + _PORTS - 1}"
        pytest.fail("there are no free ports")

    return find


def _is_free(port: int) -> bool:
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("", port))
        except OSError:
            return False
    return True


@pytest.fixture(scope="session")
def pillow_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a wheel of the Pillow installed here, so that it can be installed elsewhere without a network."""
    folder = tmp_path_factory.mktemp("wheels")
    pillow = importlib.metadata.distribution("pillow")
    tags = [line.split(": ")[1] for line in (pillow.read_text("WHEEL") or "").splitlines() if line.startswith("Tag: ")]
    python, interface, _ = tags[0].split("-")
    platforms = ".".join(tag.split("-")[2] for tag in tags)
    with zipfile.ZipFile(folder / f"pillow-{pillow.version}-{python}-{interface}-{platforms}.whl", "w") as wheel:
        for file in pillow.files or []:
            # What the installer of this environment added is no part of the wheel.
            if (
                ".." not in file.parts
                and "__pycache__" not in file.parts
                and file.name not in ("INSTALLER", "REQUESTED")
            ):
                wheel.write(str(file.locate()), str(file))
    return folder


@pytest.fixture(scope="session")
def offline(pillow_wheel: Path) -> dict[str, str]:
    """Variables by which pip finds that wheel and nothing else, and Python finds pip."""
    found = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(pillow_wheel)}
    if importlib.util.find_spec("pip") is None:
        # An environment made by uv has none, but Python brings the wheel it would install, which also runs as it is.
        [wheel] = (Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl")
        found["PYTHONPATH"] = str(wheel)
    return found


@pytest.fixture(scope="module")
def scripted_folder(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Put half_plus_three, read-only, and an example's code into a folder; gives the folder.

    Args:
        example: The example's folder.
        model: Where the model goes, below the folder.
    """
    with ExitStack() as undone:

        def put(example: str, model: str = "half_plus_three") -> Path:
            base = tmp_path_factory.mktemp(f"example{example}-") / "model"
            shutil.copytree(model_folder / "half_plus_three", base / model)
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(_EXAMPLES / example, base / "code", ignore=ignored)
            # As SageMaker mounts it; it holds root back no more than any permission does.
            for path in [base, *base.rglob("*")]:
                undone.callback(path.chmod, path.stat().st_mode)
                path.chmod(path.stat().st_mode & ~0o222)
            return base

        yield put


# Each starts servers of its own, most with TensorFlow; the same cases run with the simplest of them in every run.
_SOAKED = ("batching", "child", "upstream_list", "example3", "example4", "example5")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The same cases with more of the servers and scripts are in the soak."""
    here = Path(__file__).parent
    for item in items:
        name = item.name.partition("[")[2]
        if item.path.is_relative_to(here) and name.startswith(_SOAKED):
            item.add_marker(pytest.mark.soak)
