"""What the Dockerfile of a server says, and the locks of its dependencies."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[3]
FLAVOURS = ("openvino", "tensorflow")
_FOLDERS = {
    "serverless-dnn-protos": "protos",
    "serverless-dnn-runtime": "servers/runtime",
    "serverless-dnn-cloudrun": "servers/cloudrun_grpc",
    "serverless-dnn-sagemaker": "servers/sagemaker_tfserving",
    "serverless-dnn-lambda": "servers/lambda_rest",
}


@dataclass(frozen=True)
class ImageFiles:
    """The files that an image is made from.

    Attributes:
        server: The server's folder.
    """

    server: Path

    @property
    def dockerfile(self) -> str:
        """The Dockerfile, each instruction on one line."""
        return (self.server / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")

    @property
    def project(self) -> Any:
        """The project table of the server's package."""
        return _project(self.server)

    def instruction(self, name: str) -> str:
        """The last instruction of a name."""
        found: list[str] = re.findall(rf"^{name} (.*)$", self.dockerfile, re.MULTILINE)
        return found[-1].strip()

    def pairs(self, name: str) -> dict[str, str]:
        """The names and values of the last instruction of a name, with the defaults of the build arguments."""
        fill = dict(re.findall(r"^ARG (\w+)=?(\S*)$", self.dockerfile, re.MULTILINE))
        pairs = (pair.split("=", 1) for pair in self.instruction(name).split())
        return {key: re.sub(r"\$\{(\w+)\}", lambda match: fill[match[1]], value) for key, value in pairs}

    def environment(self) -> dict[str, str]:
        """The variables of the finished image."""
        return self.pairs("ENV")

    def lock(self, flavour: str) -> str:
        """The text of a variant's lock."""
        return (self.server / "requirements" / f"{flavour}.txt").read_text(encoding="utf-8")

    def locked(self, flavour: str) -> dict[str, str]:
        """Locked versions by package."""
        return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", self.lock(flavour), re.MULTILINE))

    def asked_for(self, flavour: str) -> Iterator[Requirement]:
        """What our packages ask for, with the extras that the lock is made for."""
        text = (self.server / "requirements" / f"{flavour}.in").read_text(encoding="utf-8")
        for folder, extras in re.findall(r"^\./([\w/]+)(?:\[(.*)\])?$", text, re.MULTILINE):
            yield from _asked_for(ROOT / folder, extras.split(","))


def _project(folder: Path) -> Any:
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def _asked_for(folder: Path, extras: list[str]) -> Iterator[Requirement]:
    project = _project(folder)
    optional = project.get("optional-dependencies", {})
    texts = project["dependencies"] + [text for extra in extras if extra for text in optional[extra]]
    for asked in map(Requirement, texts):
        if asked.name in _FOLDERS:
            yield from _asked_for(ROOT / _FOLDERS[asked.name], sorted(asked.extras))
        else:
            yield asked
