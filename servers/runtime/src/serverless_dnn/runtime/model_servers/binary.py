"""Which model server runs as a child, if any."""

import shutil
import sys
from pathlib import Path

from serverless_dnn.runtime.errors import NotFoundError

TENSORFLOW_MODEL_SERVER = "tensorflow_model_server"
OUR_MODEL_SERVER = "sdnn-model-server"


def find_binary(named: Path | None, *, variable: str) -> Path | None:
    """A ``tensorflow_model_server``.

    Args:
        named: Its path, if one is named.
        variable: What named it, for the error.

    Returns:
        The path of the one named, or of the one on PATH; ``None`` if there is none.

    Raises:
        NotFoundError: The program that is named does not exist or cannot be run.
    """
    if named is None:
        found = shutil.which(TENSORFLOW_MODEL_SERVER)
        return None if found is None else Path(found)
    if (found := shutil.which(str(named))) is None:
        raise NotFoundError(f"{variable} is {named}, which is not a program that can be run")
    return Path(found)


def our_binary() -> Path:
    """The path of ``sdnn-model-server``, which takes its place: the same flags and APIs."""
    return Path(sys.executable).with_name(OUR_MODEL_SERVER)
