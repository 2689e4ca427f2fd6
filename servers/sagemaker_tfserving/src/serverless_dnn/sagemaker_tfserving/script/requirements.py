"""Install what a user's ``inference.py`` requires, apart from the container's own packages."""

import logging
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from serverless_dnn.runtime.errors import FailedPreconditionError, ServingError, UnavailableError

_log = logging.getLogger(__name__)


def code_paths(code: Path, packages: Path, timeout_s: float) -> Sequence[Path]:
    """Where the script's modules are, after installing what it requires.

    Args:
        code: The script's folder; ``lib`` in it holds packages, otherwise ``requirements.txt`` names them.
        packages: Where to install them.
        timeout_s: How long that may take, in seconds.

    Returns:
        Folders for Python's path.

    Raises:
        UnavailableError: They cannot be installed.
        FailedPreconditionError: There is no pip.
    """
    library, requirements = code / "lib", code / "requirements.txt"
    if library.is_dir():
        if requirements.exists():
            _log.warning("ignoring requirements.txt: there is a lib folder", extra={"folder": str(library)})
        return [code, library]
    if not requirements.exists():
        return [code]
    _log.info("installing requirements", extra={"file": str(requirements)})
    begin_s = time.monotonic()
    # The container's own packages stay as they are: the front does not see this folder.
    quiet = ["--disable-pip-version-check", "--no-input", "--no-cache-dir", "--progress-bar=off", "--quiet"]
    command = [sys.executable, "-m", "pip", "install", *quiet, f"--target={packages}", f"--requirement={requirements}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired:
        raise UnavailableError(f"{requirements} could not be installed within {timeout_s:.0f} s") from None
    if done.returncode:
        raise _cannot_install(requirements, done.stderr)
    _log.info("installed requirements", extra={"duration_s": round(time.monotonic() - begin_s, 1)})
    return [code, packages]


def _cannot_install(requirements: Path, stderr: str) -> ServingError:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    if any("No module named pip" in line for line in lines):
        return FailedPreconditionError(f"{requirements} needs pip, which is not installed in this environment")
    told = [line for line in lines if line.startswith("ERROR:")] or lines[-1:] or ["pip gave no reason"]
    return UnavailableError(f"{requirements} cannot be installed: {' '.join(told)}")
