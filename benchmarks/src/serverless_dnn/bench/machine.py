"""A description of this machine, recorded with every result."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

_PACKAGES = (
    "serverless-dnn-bench",
    "serverless-dnn-client",
    "serverless-dnn-runtime",
    "tensorflow",
    "openvino",
    "keras",
    "numpy",
    "grpcio",
    "protobuf",
    "orjson",
    "pysimdjson",
    "waitress",
    "awslambdaric",
    "aiohttp",
    "urllib3",
)
_ISA = ("sse4_2", "avx", "avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")


def describe_machine() -> dict[str, object]:
    """Describe the machine.

    Returns:
        Its CPU, vector instruction sets, cores, memory, operating system and Python version.
    """
    cpu = dict(
        line.split(":", 1)
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")[0].splitlines()
        if ":" in line
    )
    facts = {name.strip(): value.strip() for name, value in cpu.items()}
    flags = set(facts.get("flags", "").split())
    return {
        "cpu": facts.get("model name", platform.machine()),
        "isa": [name for name in _ISA if name in flags],
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": psutil.virtual_memory().total,
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def package_versions() -> dict[str, str]:
    """The versions of the packages a result depends on; packages that are not installed are left out."""
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def git_revision() -> str | None:
    """The revision of the source tree, with ``-dirty`` if it was modified; ``None`` outside a source tree."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
