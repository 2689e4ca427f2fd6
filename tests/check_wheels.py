"""Check the packages of apps: they build, pass twine, and work where nothing else is installed."""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("protos", "clients")
_PROGRAM = """
import sys
from serverless_dnn.client import connect
from serverless_dnn.client.testing import InMemoryServer

server = InMemoryServer()
server.serve("double", lambda inputs: {"y": 2 * inputs["x"]}, inputs={"x": ("float32", [None])})
assert server.client("double").predict({"x": [1, 2]}).outputs["y"].tolist() == [2, 4]
for url in ("grpc://h:1", "http://h:1", "sagemaker+http://h/e"):
    connect(url, "m").close()
assert not {"boto3", "botocore", "pytest", "tensorflow"} & set(sys.modules)
"""


def main() -> None:
    """Build, check, install and use them."""
    with tempfile.TemporaryDirectory() as folder:
        wheels = Path(folder, "wheels")
        for package in PACKAGES:
            command = ["uv", "build", "--quiet", "--out-dir", str(wheels), str(ROOT / package)]
            subprocess.run(command, check=True)
        # uv leaves a .gitignore beside them.
        made = sorted(path for path in wheels.iterdir() if path.suffix in (".whl", ".gz"))
        subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *made], check=True)
        environment = Path(folder, "environment")
        subprocess.run(["uv", "venv", "--quiet", "--python", sys.executable, environment], check=True)
        python = environment / "bin" / "python"
        install = ["uv", "pip", "install", "--quiet", "--python", python]
        subprocess.run([*install, *(path for path in made if path.suffix == ".whl")], check=True)
        # Away from the sources, which would be found first.
        subprocess.run([python, "-c", _PROGRAM], check=True, cwd=folder)
    sys.stdout.write(f"{', '.join(PACKAGES)} build, install alone and work\n")


main()
