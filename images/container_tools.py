"""The two tools that build and start container images here: Docker, and buildah where there is no Docker engine."""

import json
import shutil
import subprocess
import tarfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol
from uuid import uuid4

# This machine's pip registry settings, which build steps see only if they are mounted. The certificates get a throwaway
# overlay (O) that absorbs whatever packages write there.
_HOST_NETWORK = {"/etc/pip.conf": "ro", "/etc/ssl/certs": "O"}
# Mounts are private to the command; the server replaces the shell, so that it receives the signals.
_READ_ONLY_ROOT = """
root=$1 user=$2; shift 2
mount --bind "$root" "$root"
mount --rbind /dev "$root/dev"
mount --rbind /proc "$root/proc"
mount --rbind /sys "$root/sys"
while [ "$1" != -- ]; do mount --bind "$1" "$root$2"; shift 2; done; shift
mount -o remount,bind,ro "$root"
exec chroot --userspec="$user" --groups="${user#*:}" "$root" "$@"
"""


class ImageError(Exception):
    """A tool is missing or failed; the message says what to do."""


@dataclass(frozen=True)
class ImageSize:
    """The size of an image.

    Attributes:
        compressed_bytes: Its layers as a registry stores them, gzipped.
        unpacked_bytes: Its layers as tar archives.
    """

    compressed_bytes: int
    unpacked_bytes: int


@dataclass(frozen=True)
class Start:
    """How an image is started.

    Attributes:
        folders: Folders of this machine, by the path where the container sees them.
        environment: Variables in addition to the image's own.
        arguments: What follows the image's entry point, in place of the image's own.
    """

    folders: Mapping[str, Path]
    environment: Mapping[str, str]
    arguments: Sequence[str] = ()


class ContainerTool(Protocol):
    """Builds images and starts them."""

    def build(self, dockerfile: Path, context: Path, tag: str, arguments: Mapping[str, str]) -> None:
        """Build an image.

        Args:
            dockerfile: The Dockerfile.
            context: The build context.
            tag: Its name.
            arguments: Build arguments.

        Raises:
            ImageError: The build failed.
        """
        ...

    def save(self, tag: str, archive: Path) -> None:
        """Write an image as an OCI archive.

        Args:
            tag: The image.
            archive: The tar file to write.

        Raises:
            ImageError: There is no such image.
        """
        ...

    def command(self, tag: str, start: Start) -> Any:
        """The command that starts an image's entry point: read-only root, the image's user, the host network.

        Args:
            tag: The image.
            start: How to start it.

        Returns:
            A context manager that yields the command's arguments, which are valid while it is open.
        """
        ...


class Docker:
    """The Docker engine."""

    def build(self, dockerfile: Path, context: Path, tag: str, arguments: Mapping[str, str]) -> None:
        """Build an image; see ``ContainerTool.build``."""
        _run(["docker", "build", "--file", str(dockerfile), "--tag", tag, *_build_arguments(arguments), str(context)])

    def save(self, tag: str, archive: Path) -> None:
        """Write an image; see ``ContainerTool.save``. Docker 25 or newer writes OCI archives."""
        _run(["docker", "save", "--output", str(archive), tag])

    @contextmanager
    def command(self, tag: str, start: Start) -> Iterator[list[str]]:
        """The command that starts an image; see ``ContainerTool.command``."""
        variables = [f"--env={name}={value}" for name, value in start.environment.items()]
        volumes = [f"--volume={folder}:{place}" for place, folder in start.folders.items()]
        name = f"sdnn-{uuid4().hex}"
        run = ["docker", "run", "--rm", f"--name={name}", "--read-only", "--network=host"]
        try:
            yield [*run, *volumes, *variables, tag, *start.arguments]
        finally:
            # SIGKILL ends the command, not its container. One that ended by itself is gone, which is no error.
            subprocess.run(["docker", "rm", "--force", name], capture_output=True, check=False)


class Buildah:
    """Buildah without a container runtime: steps run in a chroot, which works in containers that cannot nest others."""

    def build(self, dockerfile: Path, context: Path, tag: str, arguments: Mapping[str, str]) -> None:
        """Build an image; see ``ContainerTool.build``."""
        mounts = [f"--volume={path}:{path}:{mode}" for path, mode in _HOST_NETWORK.items() if Path(path).exists()]
        build = ["buildah", "bud", "--isolation=chroot", "--network=host", "--format=oci", "--layers", *mounts]
        _run([*build, f"--file={dockerfile}", f"--tag={tag}", *_build_arguments(arguments), str(context)])

    def save(self, tag: str, archive: Path) -> None:
        """Write an image; see ``ContainerTool.save``."""
        _run(["buildah", "push", "--quiet", tag, f"oci-archive:{archive}"])

    @contextmanager
    def command(self, tag: str, start: Start) -> Iterator[list[str]]:
        """The command that starts an image; see ``ContainerTool.command``."""
        config = json.loads(_run(["buildah", "inspect", "--type=image", tag]))["OCIv1"]["config"]
        container = _run(["buildah", "from", "--pull-never", tag]).strip()
        try:
            root = _run(["buildah", "mount", container]).strip()
            mounts = [text for place, folder in start.folders.items() for text in (str(folder), place)]
            variables = [*config["Env"], *(f"{name}={value}" for name, value in start.environment.items())]
            command = [*config["Entrypoint"], *(start.arguments or config.get("Cmd", ()))]
            user = config.get("User") or "0:0"
            chroot = ["sh", "-euc", _READ_ONLY_ROOT, "sh", root, user, *mounts, "--"]
            yield ["unshare", "--mount", *chroot, "env", "-i", *variables, *command]
        finally:
            _run(["buildah", "rm", container])


def find_tool() -> ContainerTool:
    """Docker if its engine is running, otherwise buildah.

    Returns:
        The tool.

    Raises:
        ImageError: Neither is available.
    """
    if shutil.which("docker") and subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0:
        return Docker()
    if shutil.which("buildah"):
        return Buildah()
    raise ImageError(
        "no Docker engine is running and buildah is not installed: apt-get install buildah, or start docker"
    )


def build_debian_base(tool: ContainerTool, tag: str, suite: str, mirror: str) -> None:
    """Build a base image from Debian packages alone, for when no registry is reachable.

    Args:
        tool: The tool to build it with.
        tag: Its name.
        suite: The Debian release.
        mirror: The Debian mirror.

    Raises:
        ImageError: debootstrap is missing or failed.
    """
    if shutil.which("debootstrap") is None:
        raise ImageError("no debootstrap: apt-get install debootstrap")
    with TemporaryDirectory() as folder:
        root = Path(folder, "root")
        _run(["debootstrap", "--variant=minbase", "--include=python3", suite, str(root), mirror])
        for unneeded in ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/cache/apt", "var/lib/apt/lists"):
            shutil.rmtree(root / unneeded, ignore_errors=True)
        archive = Path(folder, "root.tar")
        _run(["tar", "--create", f"--file={archive}", "--exclude=./dev/*", f"--directory={root}", "."])
        dockerfile = Path(folder, "Dockerfile")
        dockerfile.write_text("FROM scratch\nADD root.tar /\n", encoding="utf-8")
        tool.build(dockerfile, Path(folder), tag, {})


def weigh(archive: Path) -> ImageSize:
    """Measure an image's size.

    Args:
        archive: Its OCI archive (https://github.com/opencontainers/image-spec/blob/main/image-layout.md).

    Returns:
        Its size.
    """
    compressed = unpacked = 0
    with tarfile.open(archive) as tar:

        def read_json(name: str) -> Any:
            file = tar.extractfile(name)
            assert file is not None
            return json.load(file)

        document = read_json("index.json")
        while "manifests" in document:
            document = read_json(_blob(document["manifests"][0]["digest"]))
        for layer in document["layers"]:
            is_gzip = layer["mediaType"].endswith("gzip")
            # 31: a gzip header and the largest window (zlib.decompressobj).
            other = zlib.decompressobj(31) if is_gzip else zlib.compressobj(6)
            converted = 0
            file = tar.extractfile(_blob(layer["digest"]))
            assert file is not None
            while chunk := file.read(1 << 20):
                converted += len(_convert(other, chunk))
            converted += len(other.flush())
            compressed += layer["size"] if is_gzip else converted
            unpacked += converted if is_gzip else layer["size"]
    return ImageSize(compressed, unpacked)


def _convert(stream: Any, chunk: bytes) -> bytes:
    converted: bytes = stream.decompress(chunk) if hasattr(stream, "decompress") else stream.compress(chunk)
    return converted


def _blob(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _build_arguments(arguments: Mapping[str, str]) -> list[str]:
    return [f"--build-arg={name}={value}" for name, value in arguments.items()]


def _run(command: list[str]) -> str:
    """Run a command and return its stdout; diagnostics are shown only if it fails."""
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout
    except subprocess.CalledProcessError as error:
        tail = "\n".join(f"{error.stdout}\n{error.stderr}".strip().splitlines()[-40:])
        raise ImageError(f"{' '.join(command[:3])} ... failed with status {error.returncode}:\n{tail}") from None
    except FileNotFoundError:
        raise ImageError(f"{command[0]} is not installed") from None
